"""Second factors: authenticator apps (RFC 6238), passkeys, recovery codes; stored by allauth's models."""

from __future__ import annotations

import hmac
from datetime import datetime, timedelta
from io import BytesIO
from typing import Any, Final, Literal

import qrcode
from allauth.mfa import app_settings
from allauth.mfa.adapter import get_adapter
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, format_hotp_value, generate_totp_secret, hotp_value
from qrcode.image.svg import SvgPathImage

from ensign.control.audit.door import operation
from ensign.control.audit.ledger import record
from ensign.control.identity import accounts, actions, enforcing, webauthn
from ensign.control.identity.approval_keys import operations as approval_keys
from ensign.control.identity.domain import FactorView, clean_name
from ensign.control.identity.models import Account
from ensign.control.identity.operations import confirm_password, own_account
from ensign.control.kernel.actor import Actor
from ensign.control.kernel.errors import Conflict, Invalid, NeedsMfa, NotFound
from ensign.control.kernel.transactions import write_door

PASSKEYS_MAX: Final = 20
#: Who has no password enrols their first factor this soon after signing in through their provider.
FRESH_SIGN_IN: Final = timedelta(minutes=15)

_NAMES: Final = {"totp": "Authenticator app", "recovery_codes": "Recovery codes"}


def factors_of(person_id: str) -> tuple[FactorView, ...]:
    """A person's second factors, oldest first."""
    rows = Authenticator.objects.filter(user__person_id=person_id).order_by("pk")
    return tuple(
        FactorView(
            id=row.pk,
            kind=row.type,
            name=_NAMES.get(row.type) or str(row.data.get("name") or "Passkey"),
            created_at=row.created_at,
            last_used_at=row.last_used_at,
        )
        for row in rows
    )


def has_factor(account: Account) -> bool:
    """Whether signing in asks for more than the password."""
    kinds = (Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN)
    return bool(Authenticator.objects.filter(user_id=account.pk, type__in=kinds).exists())


def people_with_factors() -> frozenset[str]:
    """Ids of the people who have an authenticator app or a passkey."""
    kinds = (Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN)
    return frozenset(Authenticator.objects.filter(type__in=kinds).values_list("user__person_id", flat=True))


def new_totp_secret() -> str:
    """A fresh secret (base32) to show once, before it is confirmed by a code."""
    return str(generate_totp_secret())


def totp_address(account: Account, secret: str) -> str:
    """The otpauth:// address that the QR code holds."""
    return str(get_adapter().build_totp_url(account, secret))


def qr_svg(text: str) -> str:
    """A QR code as an SVG element to put into a page: no style and no script in it."""
    picture = qrcode.make(text, image_factory=SvgPathImage, box_size=10, border=2)
    buffer = BytesIO()
    picture.save(buffer)
    svg = buffer.getvalue().decode()
    return svg[svg.index("<svg") :]


@operation
def enrol_totp(*, actor: Actor, at: datetime, secret: str, code: str, password: str) -> None:
    """Confirm an authenticator app by its first code.

    :raises Invalid: when password or code are wrong.
    :raises Conflict: when there is one already.
    """
    account = _may_enrol(actor, password, at=at)
    if Authenticator.objects.filter(user_id=account.pk, type=Authenticator.Type.TOTP).exists():
        raise Conflict("An authenticator app is enrolled already.", remedy="Remove it first to enrol another.")
    counter = _matching_counter(secret, code, at=at)
    if counter is None:
        raise _wrong_code()
    factor = TOTP.activate(account, secret).instance
    factor.data = {**factor.data, "last_counter": counter}
    factor.created_at = at
    factor.save()
    record(action=actions.FACTOR_ENROLLED, actor=actor, at=at, detail={"kind": "totp", "factor": factor.pk})


@operation
def enrol_passkey(
    *, actor: Actor, at: datetime, answer: str, state: dict[str, Any] | None, name: str, password: str
) -> None:
    """Store a passkey that answered the question in ``state``.

    :raises Invalid: when password, name or answer are wrong.
    :raises Conflict: when there are 20 already.
    """
    account = _may_enrol(actor, password, at=at)
    name = clean_name(name, limit=60)
    rows = Authenticator.objects.filter(user_id=account.pk, type=Authenticator.Type.WEBAUTHN)
    if rows.count() >= PASSKEYS_MAX:
        raise Conflict(f"There are {PASSKEYS_MAX} passkeys already.", remedy="Remove one that you no longer use.")
    data = webauthn.registered(answer, state=state)
    factor = Authenticator.objects.create(
        user_id=account.pk, type=Authenticator.Type.WEBAUTHN, data={"name": name, **data}, created_at=at
    )
    detail = {"kind": "passkey", "factor": factor.pk, "credential": webauthn.fingerprint(data["credential_id"])}
    record(action=actions.FACTOR_ENROLLED, actor=actor, at=at, detail=detail)


@operation
def make_recovery_codes(*, actor: Actor, at: datetime) -> list[str]:
    """Fresh recovery codes, ending earlier ones; shown once.

    :raises NeedsMfa: unless a second factor was proved within the last 30 minutes.
    """
    account = own_account(actor, act="factor.change")
    _demand_mfa(actor, at=at)
    if not has_factor(account):
        raise Conflict("There is no second factor yet.", remedy="Enrol an authenticator app or a passkey first.")
    Authenticator.objects.filter(user_id=account.pk, type=Authenticator.Type.RECOVERY_CODES).delete()
    made = RecoveryCodes.activate(account)
    record(action=actions.RECOVERY_CODES_MADE, actor=actor, at=at, detail={"factor": made.instance.pk})
    return list(made.generate_codes())


@operation
def remove(*, actor: Actor, at: datetime, factor_id: int) -> None:
    """Remove one of one's own factors; with the last one, the recovery codes go, too. A passkey that is an approval key
    is revoked as one.

    :raises NeedsMfa: unless a second factor was proved within the last 30 minutes.
    :raises NotFound: when it is not theirs.
    :raises Conflict: when it is the last of a kind that the sign-in rules ask this person to have.
    """
    account = own_account(actor, act="factor.change")
    _demand_mfa(actor, at=at)
    # Locked first, as by whoever counts an approval that the key signed.
    keys = approval_keys.locked_of(actor.id, factor_id=factor_id)
    row = Authenticator.objects.select_for_update().filter(pk=factor_id, user_id=account.pk).first()
    if row is None:
        raise NotFound("There is no such second factor of yours.")
    kind = row.type
    if kind != Authenticator.Type.RECOVERY_CODES:
        rules = enforcing.current()
        owed = enforcing.owed(actor.id, rules=rules, at=at, without=row.pk)
        if owed and not enforcing.owed(actor.id, rules=rules, at=at):
            what = "a passkey" if owed == "passkey" else "a second factor"
            raise Conflict(f"The sign-in rules ask you to have {what}.", remedy="Enrol another one first.")
    approval_keys.record_revocations(keys, actor=actor, at=at, because="factor")
    row.delete()
    if not has_factor(account):
        accounts.remove_factors(actor.id)
    record(action=actions.FACTOR_REMOVED, actor=actor, at=at, detail={"kind": kind, "factor": factor_id})


@operation
def rename(*, actor: Actor, at: datetime, factor_id: int, name: str) -> None:
    """Give one of one's own passkeys another name.

    :raises NeedsMfa: unless a second factor was proved within the last 30 minutes.
    :raises NotFound: when there is no such passkey of theirs.
    :raises Invalid: for a name that is empty or longer than 60 characters.
    """
    account = own_account(actor, act="factor.change")
    _demand_mfa(actor, at=at)
    rows = Authenticator.objects.select_for_update().filter(user_id=account.pk, type=Authenticator.Type.WEBAUTHN)
    row = rows.filter(pk=factor_id).first()
    if row is None:
        raise NotFound("There is no such passkey of yours.")
    row.data = {**row.data, "name": clean_name(name, limit=60)}
    row.save(update_fields=["data"])
    record(action=actions.FACTOR_RENAMED, actor=actor, at=at, detail={"kind": "passkey", "factor": row.pk})


def new_factors(person_id: str, *, since: datetime) -> tuple[FactorView, ...]:
    """What was enrolled lately: shown at sign-in, so that whoever did not do it notices."""
    return tuple(factor for factor in factors_of(person_id) if factor.created_at >= since)


def use_code(account: Account, code: str, *, at: datetime) -> Literal["totp", "recovery_code"]:
    """Accept a code of the authenticator app or a recovery code, once; says which it was.

    :raises Invalid: when it is neither, or was used before.
    """
    code = "".join(code.split())
    with write_door():
        rows = Authenticator.objects.select_for_update().filter(user_id=account.pk)
        row = rows.filter(type=Authenticator.Type.TOTP).first()
        if row is not None and _use_totp(row, code, at=at):
            return "totp"
        row = rows.filter(type=Authenticator.Type.RECOVERY_CODES).first()
        if row is not None and RecoveryCodes(row).validate_code(code):
            Authenticator.objects.filter(pk=row.pk).update(last_used_at=at)
            return "recovery_code"
    raise _wrong_code()


def use_totp(account: Account, code: str, *, at: datetime) -> None:
    """Accept a code of the authenticator app, once.

    :raises Invalid: when it is none, or was used before.
    """
    with write_door():
        row = Authenticator.objects.select_for_update().filter(user_id=account.pk, type=Authenticator.Type.TOTP).first()
        if row is not None and _use_totp(row, code, at=at):
            return
    raise _wrong_code()


def use_passkey(answer: str, *, state: dict[str, Any] | None, account: Account | None, at: datetime) -> Account:
    """Accept a passkey's answer, and say whose it is (which may be nobody active: the caller checks).

    :raises Invalid: when the answer is not valid.
    """
    with write_door():
        used = webauthn.answered(answer, state=state, account=account)
        row = Authenticator.objects.select_for_update().get(pk=used.authenticator.pk)
        row.data = {**row.data, "sign_count": used.sign_count}
        row.last_used_at = at
        row.save(update_fields=["data", "last_used_at"])
    return Account.objects.select_related("person").get(pk=row.user_id)


def _use_totp(row: Authenticator, code: str, *, at: datetime) -> bool:
    """RFC 6238, section 5.2: a code is accepted once, so its counter must be later than the last one's."""
    counter = _matching_counter(get_adapter().decrypt(row.data["secret"]), code, at=at)
    if counter is None or counter <= row.data.get("last_counter", -1):
        return False
    row.data = {**row.data, "last_counter": counter}
    row.last_used_at = at
    row.save(update_fields=["data", "last_used_at"])
    return True


def _matching_counter(secret: str, code: str, *, at: datetime) -> int | None:
    """The time step whose code this is: the present one or a neighbour (RFC 6238, section 6)."""
    code = "".join(code.split())
    now = int(at.timestamp()) // int(app_settings.TOTP_PERIOD)
    for counter in (now, now - 1, now + 1):
        if hmac.compare_digest(format_hotp_value(hotp_value(secret, counter)).encode(), code.encode()):
            return counter
    return None


def _may_enrol(actor: Actor, password: str, *, at: datetime) -> Account:
    """A hijacked session must not enrol a factor: the password is asked for, or a recent second factor."""
    account = own_account(actor, act="factor.change")
    if not has_factor(account):
        _confirm_first(actor, account, password, at=at)
    else:
        _demand_mfa(actor, at=at)
    return account


def _confirm_first(actor: Actor, account: Account, password: str, *, at: datetime) -> None:
    """Before the first factor: the password, or for who has none, that the provider has just vouched for this session:
    an older one, perhaps stolen, gains nothing when its person signs in elsewhere.

    :raises Invalid: when the password is wrong, or they signed in too long ago.
    """
    if account.has_usable_password():
        confirm_password(account, password)
    elif actor.began_at is None or at - actor.began_at > FRESH_SIGN_IN:
        raise Invalid(
            "You signed in too long ago to enrol your first second factor.",
            remedy="Sign out, sign in again through your provider, and enrol it within 15 minutes.",
        )


def _demand_mfa(actor: Actor, *, at: datetime) -> None:
    if not actor.proved(at=at):
        raise NeedsMfa(
            "This needs a second factor, proved a short while ago.",
            permission="factor.change",
            remedy="Confirm it is you, then try again.",
        )


def _wrong_code() -> Invalid:
    return Invalid(
        "The code is not right.",
        fields={"code": "This code is wrong or was used before. Codes change every 30 seconds; check the clock."},
    )
