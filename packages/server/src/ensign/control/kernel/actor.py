"""Who acts. Built by the interface from a session or token, passed explicitly to every operation."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from ensign.control.kernel import clock

ActorKind = Literal["person", "service", "system", "anonymous"]
Via = Literal["session", "token", "cli", "system", "setup"]

#: How long a proved second factor counts at most; sign-in rules may shorten it.
RECENT_MFA = timedelta(minutes=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """An immutable identity. ``id`` is pseudonymous (``usr_…``, ``svc_…``, ``sys_…``): it stands in the log.

    ``mfa_at`` is when this session last proved a second factor; tokens never carry one. ``mfa_window`` is for how long
    that counts (sign-in rules shorten it, never lengthen it); ``weak_mfa`` says that the rules ask this person for a
    passkey and what was proved is none. ``began_at`` is when this session began.
    """

    kind: ActorKind
    id: str
    via: Via
    token_id: str | None = None
    mfa_at: datetime | None = None
    mfa_window: timedelta = RECENT_MFA
    weak_mfa: bool = False
    began_at: datetime | None = None

    @property
    def interactive(self) -> bool:
        """Whether a human being sits in a session of the UI: only such actors approve."""
        return self.kind == "person" and self.via == "session"

    def recent_mfa(self, *, at: datetime) -> bool:
        """Whether a second factor that counts for approving and administering was proved within the window."""
        return self.proved(at=at) and not self.weak_mfa

    def proved(self, *, at: datetime) -> bool:
        """Whether any second factor was proved within the window: enough to change one's own factors."""
        window = min(self.mfa_window, RECENT_MFA)
        return self.interactive and self.mfa_at is not None and -clock.SKEW <= at - self.mfa_at <= window

    def to_entry(self) -> dict[str, str]:
        """The form in which the actor stands in a ledger entry."""
        body = {"kind": self.kind, "id": self.id, "via": self.via}
        if self.token_id is not None:
            body["token"] = self.token_id
        return body


def system(name: str) -> Actor:
    """The actor for what Ensign does by itself, e.g. ``system("scheduler")`` -> ``sys_scheduler``."""
    return Actor(kind="system", id=f"sys_{name}", via="system")


ANONYMOUS = Actor(kind="anonymous", id="anonymous", via="session")
