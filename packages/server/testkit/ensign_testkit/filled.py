"""An installation with one of everything, for looking at pages: ``python -m ensign_testkit.filled DATA_DIR``.

Prints JSON: the ids that addresses need. Everything is made through the real operations; only invitations are left out.
Run in a process of its own, as Django serves one database at a time.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

PASSWORD = "correct horse battery staple"
LONG = "checkout.payment-methods.experimental-instant-settlement-for-returning-customers-in-the-nordics-2026"
LONG_NAME = "Payments and settlement for returning customers in the Nordics and the Baltics, second attempt, 2026"
MANY = "many"
"""The key of a project with 1,000 flags (only with ``--many``)."""


@dataclass(frozen=True, kw_only=True)
class Filled:
    """What was made."""

    request: str
    applied: str
    rejected: str
    draft: str
    kill: str
    incident: str
    emergency: str
    person: str
    invited: str
    group: str
    service: str
    grant: str
    narrowed: str
    role: str
    strategy: str
    client_token: str
    personal_token: str
    invitation: str
    reset: str
    service_token: str
    rule: str
    provider: str
    left: str
    gone: str
    directory_token: str
    erased: str
    asked: str
    exception: str
    alert: str
    judged: str
    safeguard: str
    fired: str
    integration: str
    tickets: str


def fill(*, many: bool) -> Filled:
    """Fill the migrated, empty database of the settings."""
    # Deferred: Django must be set up before its models are imported.
    from ensign.control.access import custom_roles, groups, people, service_accounts
    from ensign.control.access import tokens as api_tokens
    from ensign.control.access.custom_roles import RoleWish
    from ensign.control.access.domain import Narrowing, Scope
    from ensign.control.access.grants import Wish, give
    from ensign.control.access.tokens import TokenWish
    from ensign.control.changes import operations as door
    from ensign.control.changes.domain.content_operations import StrategyAdd, StrategyUpdate, VariantsSet
    from ensign.control.changes.domain.flag_operations import FlagEnable
    from ensign.control.changes.domain.settings_operations import SegmentSet
    from ensign.control.flags.domain import Payload, Variant
    from ensign.control.flags.operations import create_flag
    from ensign.control.incidents import operations as incidents
    from ensign.control.kernel import clock
    from ensign.control.privacy import erasure
    from ensign.control.projects.operations import create_project
    from ensign.control.projects.tokens import create_token
    from ensign.control.segments.domain import Constraint
    from ensign.control.segments.operations import create_segment

    from ensign_testkit import reaching
    from ensign_testkit.people import add_person
    from ensign_testkit.providers import add_identity, add_provider
    from ensign_testkit.targets import rollout

    at = clock.now() - timedelta(hours=3)

    def person(name: str, *roles: str) -> Any:
        return add_person(name, *roles, at=at, password=PASSWORD)

    ada = person("Ada Admin", "admin", "developer", "approver")
    dan, rev = person("Dan Dev", "developer"), person("Rev Reviewer", "approver")
    person("Vi Viewer", "viewer")
    person("Nils Nobody")
    person("Wolfeschlegelsteinhausenbergerdorff-Featherstonehaugh von und zu Hohenzollern-Sigmaringen, Bartholomew")
    invited = people.invite(actor=ada, at=at, email="ida@example.com", name="Ida Invited")
    group = groups.create(actor=ada, at=at, name="Checkout team")
    groups.add_member(actor=ada, at=at, group_id=group.id, person_id=dan.id)
    okta = add_provider(
        "okta", shape="okta", secret="x", status="disabled", domains=["example.com", "example.org"], at=at,
        settings={"issuer": "https://example.okta.com", "client_id": "0oa1b2c3d4", "scopes": "openid email groups"},
        mapping=[("eng-checkout", group.id)],
    )  # fmt: skip
    add_identity(okta, dan.id, "00u1a2b3c4d5e6f7g8", at=at)
    service = service_accounts.create(actor=ada, at=at, name="deploy-pipeline", purpose="Ships", owner=dan.id)
    grant = give(actor=ada, at=at, subject=group.id, wish=Wish(role="viewer"))
    lead = RoleWish(
        name="Team lead",
        description="Runs a team's flags and gives its people their roles.",
        permissions=["project:read", "project:access:grant", "flag:create", "change:draft", "change:switch"],
        assigns=["developer", "viewer"],
    )
    custom_roles.create(actor=ada, at=at, key="team-lead", wish=lead, cloned_from="developer")
    mine = api_tokens.create_personal(actor=ada, at=at, wish=TokenWish(name="Laptop", days=10))
    create_project(actor=ada, at=at, key="shop", name="Web shop", description="What customers buy in.",
                   preset="small-team")  # fmt: skip
    create_project(actor=ada, at=at, key="payments-nordics", name=LONG_NAME, preset="solo",
                   compensating_control="Every Friday the log is read with the customer.")  # fmt: skip
    create_project(actor=ada, at=at, key="empty", name="Empty", preset="small-team")
    client = create_token(
        actor=ada, at=at, name="web", type="backend", projects=["shop"], environment="production",
        expires_at=at + timedelta(days=7),
    )  # fmt: skip
    tagged = Narrowing(types=frozenset({"release"}), tags=frozenset({"payments", "team:checkout"}))
    narrowed = give(
        actor=ada, at=at, subject=dan.id, reason="Runs the checkout team while Ida is away.",
        wish=Wish(role="team-lead", scope=Scope("shop"), narrowing=tagged, ends_at=at + timedelta(days=30)),
    )  # fmt: skip
    made = _credentials(ada, service.id, at=at)
    for key in ("new-checkout", "search-ranking-v3", "old-login", LONG):
        create_flag(actor=dan, at=at, project="shop", key=key, description="One page instead of three.",
                    tags=("team:checkout",))  # fmt: skip
    create_segment(actor=dan, at=at, project="shop", key="nordics", name="Customers in the Nordics")

    def propose(
        environment: str,
        *operations: Any,
        by: Any = dan,
        wish: Any = "apply",
        title: str = "",
        tickets: tuple[str, ...] = (),
    ) -> Any:
        return door.propose(actor=by, at=at, project="shop", environment=environment, operations=operations,
                            title=title, reason="The canary was fine.", wish=wish, tickets=tickets)  # fmt: skip

    where = Constraint(context_name="country", operator="IN", values=("SE", "NO"))
    for environment in ("development", "staging"):
        propose(environment, SegmentSet(segment="nordics", constraints=(where,)))
        propose(environment, StrategyAdd(flag="new-checkout", strategy=rollout(100)), FlagEnable(flag="new-checkout"))
    first = replace(rollout(10), constraints=(where,), title="Nordics first")
    variants = (Variant(name="control", weight=500), Variant(name="one-page", weight=500,
                payload=Payload(type="json", value='{"steps": 1}')))  # fmt: skip
    launch = propose(
        "production", StrategyAdd(flag="new-checkout", strategy=first), FlagEnable(flag="new-checkout"),
        VariantsSet(flag="new-checkout", variants=variants), title="Begin with 10 % of the Nordics",
    )  # fmt: skip

    def applied(done: Any) -> None:
        door.review(actor=rev, at=at, request_id=done.request.id, decision="approve", digest=done.request.digest,
                    text="Ran the checkout suite on staging.")  # fmt: skip
        door.apply(actor=dan, at=at, request_id=done.request.id)

    applied(launch)
    applied(propose("production", StrategyAdd(flag="old-login", strategy=rollout(100)), FlagEnable(flag="old-login"),
                    title="Old login for everybody"))  # fmt: skip
    killed = incidents.kill(
        actor=dan, at=clock.now(), project="shop", environment="production", flag="old-login", now=clock.now
    )
    from ensign.control.flags import queries as flags

    live = flags.config("new-checkout", "production").config.strategies[0]
    wider = replace(live, parameters={**live.parameters, "rollout": "50"})
    waiting = propose("production", StrategyUpdate(flag="new-checkout", strategy=wider), title="Half of the Nordics",
                      tickets=("PAY-142", "https://wiki.example.com/nordics"))  # fmt: skip
    stopped = propose("production", FlagEnable(flag="search-ranking-v3"), title="Ranking for all " + LONG[:60])
    door.review(actor=rev, at=at, request_id=stopped.request.id, decision="reject", digest=stopped.request.digest,
                text="Not before the sale.")  # fmt: skip
    draft = propose("production", FlagEnable(flag=LONG), by=ada, wish="draft", title="Draft of a long key")
    reaching.fill("shop", at=clock.now())
    bea = person("Bea Admin", "admin")
    leavers = [person(name, "viewer") for name in ("Lea Left", "Gus Gone", "Ella Erased")]
    for leaver in leavers:
        people.deactivate(actor=ada, at=at, person_id=leaver.id, reason="Last day")
    left, gone, erased = (leaver.id for leaver in leavers)

    def asks(who: str, by: Any) -> Any:
        return erasure.ask(actor=by, at=at, person_id=who, reason="They asked us to", early=True)

    asks(gone, bea)
    erasure.confirm(actor=bea, at=at, erasure_id=asks(erased, ada).id)
    if many:
        create_project(actor=ada, at=at, key=MANY, name="A thousand flags", preset="open")
        for number in range(1000):
            create_flag(actor=dan, at=at, project=MANY, key=f"flag-{number:04}-of-the-thousand")
    return Filled(
        request=waiting.request.id, applied=launch.request.id, rejected=stopped.request.id, draft=draft.request.id,
        kill=killed.kill.id, person=dan.id, invited=invited.person.id, group=group.id, service=service.id,
        grant=grant.id, narrowed=narrowed.id, role="team-lead",
        strategy=live.id, client_token=client.row.id, personal_token=mine.token.id,
        invitation=invited.link, service_token=made.token, rule=made.rule,
        reset=people.make_reset_link(actor=ada, at=clock.now(), person_id=dan.id).link,
        provider=okta.id, left=left, gone=gone, erased=erased,
        directory_token=made.directory,
        **_duties(ada, dan, at=at),
        **_incident(ada, dan, person("Ray Responder", "responder"), killed.kill.id, at=clock.now()),
        **_alerts(dan, rev, bea, at=at),
        **_integrations(ada, at=at),
    )  # fmt: skip


def _alerts(dan: Any, rev: Any, bea: Any, *, at: datetime) -> dict[str, str]:
    """One of every kind that waits, one that is overdue, one that was judged."""
    # Deferred: Django must be set up before its models are imported.
    from ensign.control.kernel import clock
    from ensign.control.monitoring import operations

    from ensign_testkit.alerting import an_alert, guarded, one_of_each

    for found in one_of_each(dan.id, rev.id):
        an_alert(at=clock.now(), found=found)
    judged = an_alert(at=at, project="shop", caused_by=(dan.id,), subject="judged")
    operations.triage(actor=bea, at=at, alert_id=judged.id, verdict="unexpected", follow_up="INC-12",
                      reason="Dan had lent his laptop; the change was reverted.")  # fmt: skip
    late = an_alert(at=at - timedelta(days=9), project="shop", caused_by=(dan.id, rev.id), subject="late")
    made = guarded(dan, project="shop", environment="production", flag="new-checkout", at=at)
    return {
        "alert": late.id, "judged": judged.id, "safeguard": made["safeguard"], "fired": made["fired_safeguard"],
    }  # fmt: skip


def _integrations(ada: Any, *, at: datetime) -> dict[str, str]:
    """A webhook with a message that waits, a ticket system, and everything told to whom it concerns."""
    # Deferred: Django must be set up before its models are imported.
    from ensign.control.integrations import follower, operations
    from ensign.control.integrations.operations import Wish

    hook = operations.make(
        actor=ada, at=at, kind="webhook", project="shop",
        wish=Wish(name="Release channel's bot", url="https://1.1.1.1/hook", topics=("review", "emergency")),
    ).integration.id  # fmt: skip
    operations.try_out(actor=ada, at=at, id=hook)
    jira = Wish(name="Jira of the shop", base_url="https://tickets.example.com", prefixes=("PAY", "OPS"))
    tickets = operations.make(actor=ada, at=at, kind="jira", project="shop", wish=jira).integration.id
    follower.follow(at=at)
    return {"integration": hook, "tickets": tickets}


def _duties(ada: Any, dan: Any, *, at: datetime) -> dict[str, str]:
    """A role that somebody asked for, and an exception that waits for a second person."""
    # Deferred: Django must be set up before its models are imported.
    from ensign.control.access import exceptions, requests
    from ensign.control.access.domain import ORGANISATION

    asked = requests.ask(
        actor=dan, at=at, role="auditor", scope=ORGANISATION, lasts=timedelta(hours=8), reason="The audit of March"
    )
    exception = exceptions.propose(
        actor=ada, at=at, subject=dan.id, pairs=["policy-approve"], scope=ORGANISATION,
        reason="Two of us are on leave.", control="The log is read with the customer every Friday.",
        expires_at=at + timedelta(days=30),
    )  # fmt: skip
    return {"asked": asked.id, "exception": exception.id}


def _incident(ada: Any, dan: Any, ray: Any, kill: str, *, at: datetime) -> dict[str, str]:
    """An incident with everything that can belong to one, and two that are over; a trigger, a plan of drills."""
    # Deferred: Django must be set up before its models are imported.
    from ensign.control.changes.domain.flag_operations import FlagEnable
    from ensign.control.incidents import drills, incidents, opening, triggers

    def declare(title: str, **more: Any) -> str:
        return incidents.declare(
            actor=dan, at=at, title=title, severity="sev2", project_keys=["shop"], environment="production", **more
        ).incident.id

    for minutes in (40, 95):
        noticed = at - timedelta(minutes=minutes)
        over = declare("Search is slow", began_at=noticed - timedelta(minutes=12), detected_at=noticed)
        incidents.mitigate(
            actor=dan, at=at, incident_id=over, when=noticed + timedelta(minutes=9), text="Switched the ranking off."
        )
        incidents.resolve(actor=dan, at=at, incident_id=over)
    one = declare("Nobody can sign in", suspected_flag="old-login", kills=[kill], text="Errors at 40 %.")
    incidents.update(actor=ada, at=at, incident_id=one, text="The old login was retired too early.")
    ray = replace(ray, mfa_at=at)
    opened = opening.break_glass(
        actor=ray, at=at, incident_id=one, project="shop", environment="production",
        reason="Nobody who approves is awake, and nobody can sign in.",
    )  # fmt: skip
    opening.propose_emergency(
        actor=ray, at=at, emergency_id=opened.id, operations=(FlagEnable(flag="old-login"),), title="Old login back"
    )
    opening.end(actor=ray, at=at, emergency_id=opened.id)
    incidents.follow_up(
        actor=dan, at=at, incident_id=one, text="Warn before a flag is retired that is still asked for.", owner=dan.id,
        due=(at + timedelta(days=9)).date(),
    )  # fmt: skip
    place: dict[str, Any] = {"project": "shop", "environment": "production"}
    triggers.make(actor=ada, at=at, name="Alertmanager", flag="new-checkout", **place)
    triggers.make(actor=ada, at=at, name="The old pager", flag="new-checkout", mode="secret", **place)
    plan = drills.plan(actor=ada, at=at, flag="new-checkout", project="shop", environment="development")
    drills.run(actor=ada, at=at, plan_id=plan.id, now=lambda: at)
    return {"incident": one, "emergency": opened.id}


@dataclass(frozen=True, kw_only=True)
class _Credentials:
    token: str
    directory: str
    rule: str


def _credentials(ada: Any, service: str, *, at: datetime) -> _Credentials:
    """Tokens in every state, and a rule for a CI, all of the service account."""
    # Deferred: Django must be set up before its models are imported.
    from ensign.control.access import rotation, tokens
    from ensign.control.access.tokens import TokenWish
    from ensign.control.federation import operations as federation
    from ensign.control.federation.domain import GITHUB, RuleWish
    from ensign.control.projects import token_rotation
    from ensign.control.projects.tokens import create_token
    from ensign.control.scim import tokens as directory

    first = tokens.create_for_service(
        actor=ada, at=at, service_account_id=service, wish=TokenWish(name="deploy", purpose="GitLab, group variables")
    )
    rotation.rotate(actor=ada, at=at, token_id=first.token.id)
    second = tokens.create_for_service(
        actor=ada, at=at, service_account_id=service,
        wish=TokenWish(name="nightly", permissions=frozenset({"project:read"}), renew_days=90),
    )  # fmt: skip
    edge = create_token(actor=ada, at=at, name="Oslo", type="edge", projects=["shop"], environment="production")
    token_rotation.rotate_token(actor=ada, at=at, id=edge.row.id)
    rule = federation.create(
        actor=ada, at=at, service_account_id=service,
        wish=RuleWish(name="deploy from main", shape="github", issuer=GITHUB, audience="https://ensign.example.com",
                      claims={"repository": "acme/shop", "sub": "repo:acme/shop:environment:*"}),
    )  # fmt: skip
    idp = directory.create(actor=ada, at=at, name="Okta")
    return _Credentials(token=second.token.id, directory=idp.token.id, rule=rule.id)


def main() -> None:
    """Migrate and fill the data directory that is named."""
    os.environ["ENSIGN_DATA_DIR"] = sys.argv[1]
    os.environ["DJANGO_SETTINGS_MODULE"] = "ensign.settings"
    import django  # deferred: settings read the environment that was set above

    django.setup()
    from ensign.control.audit import boot
    from ensign.control.kernel import clock

    boot.migrate(at=clock.now() - timedelta(hours=4))
    sys.stdout.write(json.dumps(fill(many="--many" in sys.argv).__dict__))


if __name__ == "__main__":
    main()
