"""Reading rules into frozen values."""

from __future__ import annotations

from ensign.control.federation.domain import RuleView
from ensign.control.federation.models import FederationRule
from ensign.control.kernel import clock
from ensign.control.kernel.errors import NotFound


def view(row: FederationRule) -> RuleView:
    """A rule's row as a value."""
    state = row.state
    return RuleView(
        id=row.pk,
        service_account=state["service_account"],
        name=state["name"],
        shape=state["shape"],
        issuer=state["issuer"],
        audience=state["audience"],
        claims=state["claims"],
        permissions=None if state["permissions"] is None else tuple(state["permissions"]),
        edition=state["edition"],
        project=state["project"],
        environment=state["environment"],
        minutes=state["minutes"],
        status=state["status"],
        created_by=state["created_by"],
        created_at=clock.parse(state["created_at"]),
        changed_by=state["changed_by"],
        version=row.version,
    )


def rule(id: str) -> RuleView:
    """One rule.

    :raises NotFound: when there is none.
    """
    row = FederationRule.objects.filter(pk=id).first()
    if row is None:
        raise NotFound("There is no such rule.", remedy="See the service account's page.")
    return view(row)


def rules(*, service_account: str | None = None, ended: bool = False) -> list[RuleView]:
    """Rules, oldest first; ended ones only if asked for."""
    rows = FederationRule.objects.order_by("pk")
    if service_account is not None:
        rows = rows.filter(service_account=service_account)
    if not ended:
        rows = rows.filter(status="active")
    return [view(row) for row in rows]


def trusting(issuer: str) -> list[RuleView]:
    """The rules in force that trust an issuer, spelled exactly so."""
    return [view(row) for row in FederationRule.objects.filter(issuer=issuer, status="active").order_by("pk")]
