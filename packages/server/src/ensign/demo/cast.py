"""Who and what there is in the demo: people, projects, flags, segments. Plain data."""

from __future__ import annotations

from dataclasses import dataclass

ORGANISATION = "Halyard Payments"
PASSWORD = "Harbour-Quilt-57-Lantern"  # noqa: S105  # the demo's, printed at its end; a demo listens on this machine


@dataclass(frozen=True, slots=True)
class Player:
    """A person. ``roles`` are (role, project or None). ``joins`` and ``leaves`` are days after the beginning."""

    key: str
    name: str
    roles: tuple[tuple[str, str | None], ...]
    group: str | None = None
    joins: int = 0
    leaves: int | None = None

    @property
    def email(self) -> str:
        """Their address, in a domain that is nobody's (RFC 2606)."""
        return f"{self.key}@halyard.example"


#: Who confirms what the first person begins.
SECOND = "tomas.novak"
FIRST = Player("ingrid.solheim", "Ingrid Solheim", ())

PLAYERS = (
    Player("tomas.novak", "Tomáš Novák", (("admin", None),), "Platform", 1),
    Player("amara.okafor", "Amara Okafor", (("developer", "checkout"), ("approver", "checkout")), "Checkout", 2),
    Player("jonas.lindqvist", "Jonas Lindqvist", (("developer", "checkout"),), "Checkout", 2),
    Player("mei.tanaka", "Mei Tanaka", (("developer", "checkout"), ("approver", "checkout")), "Checkout", 3),
    Player("luca.moretti", "Luca Moretti", (("developer", "checkout"),), "Checkout", 4, 242),
    Player("sofia.marques", "Sofia Marques", (("developer", "payouts"), ("approver", "payouts")), "Payouts", 3),
    Player("daniel.weiss", "Daniel Weiss", (("developer", "payouts"), ("approver", "payouts")), "Payouts", 5),
    Player("noor.haddad", "Noor Haddad", (("developer", "payouts"),), "Payouts", 6),
    Player("pieter.dejong", "Pieter de Jong", (("developer", "mobile"), ("approver", "mobile")), "Mobile", 5),
    Player("ewa.zielinska", "Ewa Zielińska", (("developer", "mobile"), ("approver", "mobile")), "Mobile", 6),
    Player("oscar.bright", "Oscar Bright", (("requester", None),), None, 20),
    Player("hanna.virtanen", "Hanna Virtanen", (("viewer", None), ("auditor", None)), "Compliance", 8),
    Player("marit.holm", "Marit Holm", (("admin", None),), "Platform", 30),
    Player("ravi.menon", "Ravi Menon", (("developer", "mobile"), ("developer", "checkout")), "Mobile", 265),
)

GROUPS = (
    ("Platform", "Runs Ensign and the clusters"),
    ("Checkout", "What buyers see until they have paid"),
    ("Payouts", "Money that leaves"),
    ("Mobile", "The apps"),
    ("Compliance", "Keeps SOC 2 boring"),
)


@dataclass(frozen=True, slots=True)
class Place:
    """A project."""

    key: str
    name: str
    description: str


PROJECTS = (
    Place("checkout", "Checkout", "Cart, checkout and payment methods on the web."),
    Place("payouts", "Payouts", "Settlement, payouts to merchants and their reports."),
    Place("mobile", "Mobile apps", "The buyers' and the merchants' apps."),
)


#: On the preset *Regulated*, which it began with half a year ago.
REGULATED = Place("issuing", "Card issuing", "Cards that merchants give to their people; the scheme's rules apply.")


@dataclass(frozen=True, slots=True)
class Piece:
    """A flag. ``shape`` says what becomes of it: rollout, experiment, switch, list or permission."""

    project: str
    key: str
    type: str
    shape: str
    description: str
    tags: tuple[str, ...] = ()


def _pieces(project: str, rows: str) -> tuple[Piece, ...]:
    found = []
    for row in rows.strip().splitlines():
        key, type, shape, tags, description = (part.strip() for part in row.split("|"))
        found.append(Piece(project, key, type, shape, description, tuple(tags.split())))
    return tuple(found)


FLAGS = (
    *_pieces(
        "checkout",
        """
        one-page-checkout | release | rollout | team:checkout | All steps on one page.
        apple-pay-express | release | rollout | team:checkout wallet | Apple Pay above the cart.
        saved-cards-v2 | release | rollout | team:checkout | Card vault with network tokens.
        instalments-se | release | rollout | team:checkout market:se | Pay in three, Sweden first.
        sepa-instant | release | rollout | team:checkout market:de | Instant bank transfers.
        address-autocomplete | release | rollout | team:checkout | Looks up the address while typing.
        guest-checkout | release | rollout | team:checkout | Buy without an account.
        tax-engine-v3 | release | rollout | team:checkout risk:high | The new tax calculation.
        cart-merge | release | rollout | team:checkout | Joins the carts of two devices.
        dynamic-3ds | release | rollout | team:checkout risk:high | Asks for 3-D Secure only when it pays.
        gift-cards | release | rollout | team:checkout | Gift cards as a payment method.
        order-notes | release | rollout | team:checkout | A note for the merchant.
        checkout-button-colour | experiment | experiment | team:checkout | Which button is pressed more.
        delivery-date-copy | experiment | experiment | team:checkout | Three ways to say when it arrives.
        trust-badges | experiment | experiment | team:checkout | Do badges help?
        fraud-scoring | kill-switch | switch | team:checkout risk:high | Off: orders go to manual review.
        paypal | kill-switch | switch | team:checkout wallet | Off: PayPal is hidden.
        klarna | kill-switch | switch | team:checkout wallet | Off: Klarna is hidden.
        verbose-payment-logs | operational | switch | team:checkout | More lines from the payment service.
        beta-merchants | permission | permission | team:checkout | What beta merchants see early.
        """,
    ),
    *_pieces(
        "payouts",
        """
        same-day-payouts | release | rollout | team:payouts risk:high | Payouts on the day of the sale.
        ledger-reconciler-v2 | release | rollout | team:payouts risk:high | The new reconciler.
        payout-csv-export | release | rollout | team:payouts | Merchants export their payouts.
        multi-currency-balance | release | rollout | team:payouts | One balance per currency.
        iban-validation | release | rollout | team:payouts | Checks IBANs before they are saved.
        statement-redesign | release | rollout | team:payouts | The monthly statement, legible.
        webhook-retries-v2 | release | rollout | team:payouts | Retries with jitter.
        tax-forms-1099k | release | rollout | team:payouts market:us | Tax forms for the United States.
        reserve-engine | release | rollout | team:payouts risk:high | Rolling reserves per merchant.
        fx-rates-provider-b | release | rollout | team:payouts | Rates from the second provider.
        payout-schedule-copy | experiment | experiment | team:payouts | Which words lower support tickets.
        payouts-enabled | kill-switch | switch | team:payouts risk:high | Off: no money leaves.
        bank-b-routing | kill-switch | switch | team:payouts | Off: everything goes through bank A.
        large-payout-hold | operational | switch | team:payouts | Holds payouts above the limit.
        reconciler-shadow-mode | operational | switch | team:payouts | Runs the old one beside the new one.
        instant-payout-merchants | permission | permission | team:payouts | Who may be paid at once.
        """,
    ),
    *_pieces(
        "mobile",
        """
        biometric-login | release | rollout | team:mobile | Face or finger instead of a password.
        offline-receipts | release | rollout | team:mobile | Receipts without a network.
        new-navigation | release | rollout | team:mobile | Five tabs instead of a drawer.
        tap-to-pay | release | rollout | team:mobile risk:high | The phone as a terminal.
        push-payout-alerts | release | rollout | team:mobile | A push when money arrives.
        dark-theme | release | rollout | team:mobile | For the night shift.
        barcode-scanner | release | rollout | team:mobile | Scan articles with the camera.
        refund-from-app | release | rollout | team:mobile risk:high | Refunds without the dashboard.
        onboarding-length | experiment | experiment | team:mobile | Three screens or five.
        tip-presets | experiment | experiment | team:mobile | Which tips are offered.
        force-update | operational | switch | team:mobile | Old versions must update.
        mobile-wallet | kill-switch | switch | team:mobile | Off: wallets are hidden in the apps.
        crash-reporting | kill-switch | switch | team:mobile | Off: no crash reports are sent.
        staff-preview | permission | permission | team:mobile | What our own people see early.
        """,
    ),
)

#: Flags of which single scenes tell; the busy year beside them leaves these alone.
SCENES = {
    piece.key: piece
    for piece in (
        *_pieces(
            "checkout",
            """
            express-checkout | release | scene | team:checkout wallet | Buy from the product's page.
            network-token-refresh | release | scene | team:checkout | Renews cards before they expire.
            order-tracking | release | scene | team:checkout | Where the parcel is, in the order.
            acquirer-b | kill-switch | scene | team:checkout | Off: cards go through acquirer A alone.
            """,
        ),
        *_pieces("mobile", "receipt-themes | release | scene | team:mobile | Receipts in the merchant's colours."),
        *_pieces(
            "issuing",
            """
            virtual-cards | release | scene | team:issuing | A card at once, the plastic one later.
            freeze-card-in-app | release | scene | team:issuing | Its holder freezes a lost card.
            card-limits-v2 | release | scene | team:issuing risk:high | Limits per category of merchant.
            contactless-limits | release | scene | team:issuing risk:high | A limit for payments without a PIN.
            """,
        ),
    )
}

#: (project, key, name, description, context field, operator, values)
SEGMENTS = (
    ("checkout", "nordics", "Nordic countries", "Buyers in the north.", "country", "IN", ("SE", "NO", "DK", "FI")),
    ("checkout", "dach", "DACH", "Buyers who expect an invoice.", "country", "IN", ("DE", "AT", "CH")),
    ("checkout", "beta-merchants", "Beta merchants", "They asked for it.", "merchantTier", "IN", ("beta", "partner")),
    ("payouts", "large-merchants", "Large merchants", "More than a million a month.", "volumeBand", "IN", ("L", "XL")),
    ("payouts", "eu-merchants", "EU merchants", "Settled in euro.", "region", "IN", ("eu",)),
    ("mobile", "ios-latest", "Current iOS app", "Version 8 and newer.", "platform", "IN", ("ios",)),
    ("mobile", "staff", "Our own people", "By role, never by name.", "role", "IN", ("staff",)),
)

SERVICES = (
    ("release-pipeline", "Opens change requests after a deployment.", "requester"),
    ("flag-janitor", "Reads which flags are stale.", "viewer"),
)

REASONS = (
    "The dashboards of the last step are calm.", "Agreed in the weekly release meeting.", "Support is briefed.",
    "Error rate unchanged at the last step.", "Next step of the rollout plan.", "Product signed it off after the test.",
    "Load test passed in staging.", "Runbook is linked in the ticket.", "Market launch is on Thursday.",
    "Staging has run with this since Monday.",
)  # fmt: skip
KILL_REASONS = (
    "The provider's status page reports an outage; orders fail at the last step.",
    "Latency of the payment service doubled within five minutes.",
    "Duplicate payouts seen for two merchants; stopping until it is understood.",
    "Crash rate of the app went from 0.2 to 3 per cent after the release.",
    "Wrong currency on receipts in one market.",
)
COMMENTS = (
    "Has support seen the new texts?", "Looks right to me. Please keep an eye on the declines.",
    "Which ticket is this?", "Could we wait until the batch has run tonight?", "Thanks, the plan is linked now.",
    "The same step went well in staging.",
)  # fmt: skip
SEND_BACK = (
    "Please do 25 % first; half at once is a lot on a Friday.", "The constraint misses Finland.",
    "Say in the reason what we look at afterwards.",
)  # fmt: skip
REJECT = (
    "Not during the sale week.", "The runbook for switching it off is missing.", "Superseded by the new plan.",
)  # fmt: skip
