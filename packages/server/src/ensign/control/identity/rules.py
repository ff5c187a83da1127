"""The rules of signing in, as values: who may sign in how, for how long, and from where. Pure; no Django."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, Final, Literal

from ensign.control.kernel import clock
from ensign.control.kernel.errors import Invalid

Local = Literal["everybody", "listed", "nobody"]
Demand = Literal["nobody", "powerful", "everybody"]

LOCALS: Final[Mapping[Local, str]] = MappingProxyType(
    {"everybody": "everybody", "listed": "only the people listed", "nobody": "nobody"}
)
DEMANDS: Final[Mapping[Demand, str]] = MappingProxyType(
    {"nobody": "nobody has to", "powerful": "administrators and approvers have to", "everybody": "everybody has to"}
)
_STRICTNESS: Final[Mapping[Demand, int]] = MappingProxyType({"nobody": 0, "powerful": 1, "everybody": 2})

#: Ways to sign in that rest on an account of Ensign's own. Others (an identity provider, emergency access) do not.
LOCAL_WAYS: Final = frozenset({"password", "totp", "recovery_code", "passkey", "invitation"})

#: Lowest and highest value of each number.
BOUNDS: Final[Mapping[str, tuple[int, int]]] = MappingProxyType(
    {
        "grace_days": (0, 90),
        "idle_minutes": (5, 720),
        "session_hours": (1, 24),
        "step_up_minutes": (1, 30),
        "personal_token_days": (1, 365),
        "service_token_days": (1, 365),
        "trace_days": (30, 730),
    }
)
NETWORKS_MAX: Final = 200
LISTED_MAX: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What holds. The defaults hold until somebody decides otherwise.

    ``listed`` are ids of people; ``demanded_at`` is since when ``factor`` or ``passkeys`` ask for as much as they do:
    the grace period runs from there. Networks are CIDRs in canonical form; an empty list allows every address.
    The idle limit of an hour is NIST SP 800-63B-4's for two factors (section 2.2.3); 12 hours are half of its overall
    limit, so that a working day needs one signing in.
    """

    local: Local = "everybody"
    listed: tuple[str, ...] = ()
    factor: Demand = "nobody"
    passkeys: bool = False
    grace_days: int = 7
    demanded_at: datetime | None = None
    idle_minutes: int = 60
    session_hours: int = 12
    step_up_minutes: int = 30
    networks: tuple[str, ...] = ()
    service_networks: tuple[str, ...] = ()
    personal_token_days: int = 365
    service_token_days: int = 365
    trace_days: int = 400

    @property
    def idle(self) -> timedelta:
        """How long a session lives without being used."""
        return timedelta(minutes=self.idle_minutes)

    @property
    def lifetime(self) -> timedelta:
        """How long a session lives, however busy it is."""
        return timedelta(hours=self.session_hours)

    @property
    def step_up(self) -> timedelta:
        """For how long a proved second factor counts."""
        return timedelta(minutes=self.step_up_minutes)

    @property
    def due_at(self) -> datetime | None:
        """When people who must have a factor are led to enrol before anything else; None: nobody must."""
        return None if self.demanded_at is None else self.demanded_at + timedelta(days=self.grace_days)

    @property
    def demands(self) -> bool:
        """Whether anybody must have a factor."""
        return self.factor != "nobody" or self.passkeys

    def token_days(self, kind: Literal["personal", "service", "federated"]) -> int:
        """How long a token of this kind may live."""
        return self.personal_token_days if kind == "personal" else self.service_token_days

    def allows_way(self, way: str, person_id: str) -> bool:
        """Whether this person may sign in this way."""
        if way not in LOCAL_WAYS or self.local == "everybody":
            return True
        return self.local == "listed" and person_id in self.listed

    def allows_address(self, address: str, *, service: bool = False) -> bool:
        """Whether a request may come from this network address; an unknown address is in no list."""
        return within(self.service_networks if service else self.networks, address)

    def to_state(self) -> dict[str, Any]:
        """As the governed row keeps it."""
        state: dict[str, Any] = asdict(self)
        for name in ("listed", "networks", "service_networks"):
            state[name] = list(state[name])
        state["demanded_at"] = None if self.demanded_at is None else clock.text(self.demanded_at)
        return state


def from_state(state: Mapping[str, Any]) -> Rules:
    """The inverse of :meth:`Rules.to_state`; what an older row does not say is as by default."""
    given = {name: value for name, value in state.items() if name in Rules.__dataclass_fields__}
    for name in ("listed", "networks", "service_networks"):
        given[name] = tuple(given.get(name, ()))
    if given.get("demanded_at"):
        given["demanded_at"] = clock.parse(given["demanded_at"])
    return Rules(**given)


def revised(before: Rules, wanted: Rules, *, at: datetime) -> Rules:
    """``wanted``, checked and in canonical form; the grace period begins anew when more is asked for than before.

    :raises Invalid: naming each field that is out of bounds.
    """
    wrong: dict[str, str] = {}
    for name, (low, high) in BOUNDS.items():
        if not low <= getattr(wanted, name) <= high:
            wrong[name] = f"Choose {low} to {high}."
    if wanted.local not in LOCALS:
        wrong["local"] = f"Choose one of {', '.join(LOCALS)}."
    if wanted.factor not in DEMANDS:
        wrong["factor"] = f"Choose one of {', '.join(DEMANDS)}."
    if wanted.local == "listed" and not wanted.listed:
        wrong["listed"] = "Name at least one person, or allow nobody."
    if len(wanted.listed) > LISTED_MAX:
        wrong["listed"] = f"List at most {LISTED_MAX} people."
    networks: dict[str, Any] = {}
    for name in ("networks", "service_networks"):
        try:
            networks[name] = canonical_networks(getattr(wanted, name))
        except ValueError as error:
            wrong[name] = str(error)
    if wrong:
        raise Invalid("Some of these rules are not possible.", fields=wrong)
    listed = tuple(sorted(set(wanted.listed))) if wanted.local == "listed" else ()
    return replace(wanted, listed=listed, demanded_at=_demanded(before, wanted, at=at), **networks)


def _demanded(before: Rules, wanted: Rules, *, at: datetime) -> datetime | None:
    if not wanted.demands:
        return None
    grown = _STRICTNESS[wanted.factor] > _STRICTNESS[before.factor] or (wanted.passkeys and not before.passkeys)
    return at if grown or before.demanded_at is None else before.demanded_at


def canonical_networks(texts: Iterable[str]) -> tuple[str, ...]:
    """CIDRs (or single addresses) in canonical form, sorted, each once.

    :raises ValueError: with a sentence about the one that is none.
    """
    found = set()
    for text in texts:
        try:
            found.add(str(ipaddress.ip_network(text.strip(), strict=False)))
        except ValueError:
            raise ValueError(f"“{text.strip()[:60]}” is no address range like 192.0.2.0/24 or 2001:db8::/32.") from None
    if len(found) > NETWORKS_MAX:
        raise ValueError(f"List at most {NETWORKS_MAX} ranges.")
    return tuple(sorted(found))


def within(networks: Iterable[str], address: str) -> bool:
    """Whether ``address`` lies in one of ``networks``, or none is listed. IPv4 written as IPv6 counts as IPv4."""
    listed = tuple(networks)
    if not listed:
        return True
    try:
        asked = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(asked, ipaddress.IPv6Address) and asked.ipv4_mapped is not None:
        asked = asked.ipv4_mapped
    return any(asked in ipaddress.ip_network(text) for text in listed)


#: Member -> what people call it, in the order in which it is shown.
TITLES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "local": "Sign in with an account of Ensign's own",
        "listed": "People listed for it",
        "factor": "Have a second factor",
        "passkeys": "Approvers use passkeys",
        "grace_days": "Time to enrol",
        "idle_minutes": "Sessions end when unused for",
        "session_hours": "Sessions end after",
        "step_up_minutes": "A proved second factor counts for",
        "networks": "People come from",
        "service_networks": "Service accounts come from",
        "personal_token_days": "Personal tokens live at most",
        "service_token_days": "Tokens of service accounts live at most",
        "trace_days": "Network addresses of sign-ins are kept for",
    }
)
_UNITS: Final = (("_days", "day"), ("_hours", "hour"), ("_minutes", "minute"))


def in_words(rules: Rules, names: Mapping[str, str]) -> dict[str, str]:
    """Each member in plain words, by the keys of :data:`TITLES`; ``names`` are those of the people listed."""
    said = {
        "local": LOCALS[rules.local],
        "listed": ", ".join(names.get(id, id) for id in rules.listed) or "nobody",
        "factor": DEMANDS[rules.factor],
        "passkeys": "yes, nothing else counts" if rules.passkeys else "not necessarily",
        "networks": ", ".join(rules.networks) or "anywhere",
        "service_networks": ", ".join(rules.service_networks) or "anywhere",
    }
    for name in BOUNDS:
        number = getattr(rules, name)
        unit = next(unit for suffix, unit in _UNITS if name.endswith(suffix))
        said[name] = f"{number} {unit}" + ("" if number == 1 else "s")
    return {name: said[name] for name in TITLES}


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One rule that differs: what it is called, and both values in words."""

    member: str
    title: str
    before: str
    after: str


def differences(before: Rules, after: Rules, names: Mapping[str, str]) -> tuple[Difference, ...]:
    """What differs between two versions of the rules, in the order of :data:`TITLES`."""
    old, new = in_words(before, names), in_words(after, names)
    return tuple(
        Difference(member=name, title=title, before=old[name], after=new[name])
        for name, title in TITLES.items()
        if old[name] != new[name]
    )
