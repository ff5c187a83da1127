"""Two projects alike, ``shop`` and ``bank``, with one of everything in every environment, and people of every role.

What stands in an address in braces is looked up here (:meth:`World.names`): keys of the place, ids of what is there.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.test import Client
from ensign.control.access import custom_roles, exceptions, groups, people, requests, service_accounts, two_people
from ensign.control.access import tokens as api_tokens
from ensign.control.access.actions import GRANT_GIVEN
from ensign.control.access.custom_roles import RoleWish
from ensign.control.access.domain import ANY_FLAG, ORGANISATION, Scope
from ensign.control.access.grants import Wish, give
from ensign.control.access.roles import ROLES
from ensign.control.access.tokens import TokenWish
from ensign.control.audit.ledger import record
from ensign.control.changes import operations as door
from ensign.control.changes.domain.content_operations import StrategyAdd
from ensign.control.changes.domain.flag_operations import FlagEnable
from ensign.control.changes.domain.ramp_operations import RampPlan, RampStep
from ensign.control.federation import operations as federation
from ensign.control.federation.domain import GITHUB, RuleWish
from ensign.control.flags import queries as flags
from ensign.control.flags.operations import create_flag
from ensign.control.identity.approval_keys import queries as approval_keys
from ensign.control.incidents import drills, opening, triggers
from ensign.control.incidents import incidents as declaring
from ensign.control.incidents import operations as incidents
from ensign.control.integrations import operations as integrations
from ensign.control.integrations.models import Delivery
from ensign.control.integrations.operations import Wish as Wanted
from ensign.control.kernel import clock
from ensign.control.kernel.actor import Actor
from ensign.control.kernel.transactions import write_door
from ensign.control.privacy import erasure
from ensign.control.projects.operations import create_project
from ensign.control.projects.tokens import create_token
from ensign.control.publishing.models import Revision
from ensign.control.releases import operations as releases
from ensign.control.releases import queries as ramps
from ensign.control.releases import templating
from ensign.control.scim import tokens as directory
from ensign.control.segments.operations import create_segment

from ensign_testkit.alerting import an_alert, guard_account, guarded
from ensign_testkit.passkeys import signer
from ensign_testkit.people import add_person, sign_in
from ensign_testkit.people import give as put_grant
from ensign_testkit.providers import add_identity, add_provider
from ensign_testkit.targets import rollout

OWN, OTHER = "shop", "bank"
PROJECTS = (OWN, OTHER)
ENVIRONMENTS = ("development", "staging", "production")
ORGANISATION_ONLY = frozenset({"admin"})
"""Roles that are not given in a single environment."""


_serial = itertools.count()


@dataclass(frozen=True, kw_only=True)
class Caller:
    """Somebody who tries: their roles and where these were given ("" for the organisation), or what keeps them out."""

    name: str
    roles: frozenset[str] = frozenset()
    place: str = ""
    out: str = ""
    """``anonymous``, ``disabled`` or ``expired``: nobody, somebody deactivated, somebody whose roles have run out."""
    token: bool = False
    """Whether they call with a token of their own, narrowed to the place, while their roles are organisation-wide."""
    part: str = ""
    """``author`` wrote the requests of the world, ``approver`` approved those that are approved."""

    @property
    def project(self) -> str | None:
        return self.place.partition("/")[0] or None

    @property
    def environment(self) -> str | None:
        return self.place.partition("/")[2] or None


def callers() -> tuple[Caller, ...]:
    """Everybody who tries every route."""
    every = frozenset(ROLES)
    found = [
        Caller(name="nobody signed in", out="anonymous"),
        Caller(name="somebody without any role"),
        Caller(name="somebody deactivated who has every role", roles=every, out="disabled"),
        Caller(name="somebody whose every role has run out", roles=every, out="expired"),
        Caller(name="who wrote the requests", roles=frozenset({"developer"}), part="author"),
        Caller(name="who approved the requests", roles=frozenset({"approver"}), part="approver"),
        Caller(name="somebody with every role", roles=every),
        Caller(name=f"somebody with every role in {OWN}", roles=every, place=OWN),
        Caller(name="somebody with every role, by token", roles=every, token=True),
        Caller(name=f"somebody with every role, by a token for {OWN}", roles=every, place=OWN, token=True),
    ]
    for role in ROLES:
        for place in ("", OWN, f"{OWN}/development", f"{OWN}/production"):
            if "/" not in place or role not in ORGANISATION_ONLY:
                name = f"{role} in {place or 'the organisation'}"
                found += [Caller(name=name, roles=frozenset({role}), place=place)]
    return tuple(found)


@dataclass(frozen=True, kw_only=True)
class World:
    """What was made. ``facts`` by place ("" for the organisation): what its addresses' braces stand for."""

    at: datetime
    facts: Mapping[str, dict[str, str]]
    clients: Mapping[str, Client]
    ids: Mapping[str, str] = field(default_factory=dict)

    def names(self, project: str | None, environment: str | None) -> dict[str, str]:
        """Everything that can stand in braces in this place."""
        found = dict(self.facts[""])
        if project is not None:
            found |= self.facts[project] | {"project": project}
        if environment is not None:
            found |= self.facts[f"{project}/{environment}"] | {"environment": environment}
        return found


def build() -> World:
    """Fill the migrated, empty database of the settings."""
    at = clock.now() - timedelta(minutes=5)
    ada = add_person("Ada Admin", *ROLES, at=at)
    add_person("Ada Second", "admin", at=at)
    dan = add_person("Dan Dev", "developer", at=at)
    rev = add_person("Rev Reviewer", "approver", at=at)
    facts: dict[str, dict[str, str]] = {"": _organisation(ada, dan, at=at)}
    for project in PROJECTS:
        create_project(actor=ada, at=at, key=project, name=project.title(), preset="small-team")
        facts[project] = _project(project, ada, dan, at=at)
        for environment in ENVIRONMENTS:
            facts[f"{project}/{environment}"] = _environment(project, environment, dan, rev, at=at)
            facts[f"{project}/{environment}"] |= _incident(project, environment, ada, dan, rev, at=at)
    clients = {caller.name: _client(caller, ada, at=at) for caller in callers() if not caller.part}
    for caller in callers():
        if caller.part:
            clients[caller.name] = sign_in(
                Client(raise_request_exception=False), dan if caller.part == "author" else rev
            )
    return World(at=at, facts=facts, clients=clients)


def _client(caller: Caller, ada: Actor, *, at: datetime) -> Client:
    """A session or a token of somebody new who is what ``caller`` says."""
    if caller.out == "anonymous":
        return Client(raise_request_exception=False)
    number = next(_serial)
    actor = add_person(f"Caller {number}", at=at, email=f"caller{number}@example.com")
    project, environment = (None, None) if caller.token else (caller.project, caller.environment)
    ends_at = at - timedelta(hours=1) if caller.out == "expired" else None
    for role in sorted(caller.roles):
        put_grant(actor.id, role, project=project, environment=environment, ends_at=ends_at)
    if caller.token:
        wish = TokenWish(name="the table", days=5, scope=Scope(caller.project, caller.environment))
        text = api_tokens.create_personal(actor=actor, at=at, wish=wish).text
        return Client(raise_request_exception=False, headers={"Authorization": f"Bearer {text}"})
    client = sign_in(Client(raise_request_exception=False), actor)
    if caller.out == "disabled":
        people.deactivate(actor=ada, at=at, person_id=actor.id)
    return client


def _providers(member: Actor, *, at: datetime) -> dict[str, str]:
    settings = {"issuer": "http://127.0.0.1:9", "client_id": "ensign", "scopes": "openid"}
    made = {
        "provider": add_provider("active", settings=settings, secret="x", domains=["active.example"], at=at),
        "idle_provider": add_provider("idle", settings=settings, secret="x", status="disabled", at=at),
        "enforced_provider": add_provider("enforced", settings=settings, domains=["x.example"], enforced=True, at=at),
        "alone_provider": add_provider("alone", settings=settings, domains=[], trusted_by=member.id, at=at),
    }
    identity = add_identity(made["provider"], member.id, at=at)
    return {**{name: one.id for name, one in made.items()}, "provider_key": "active", "identity_id": identity}


def _duties(ada: Actor, dan: Actor, newcomer: Actor, *, at: datetime) -> dict[str, str]:
    """A request that waits, one that one person granted alone, an exception that is proposed and one in force."""
    wanted = {"pairs": ["policy-approve"], "scope": ORGANISATION, "reason": "two of us", "control": "read on Mondays"}
    end = at + timedelta(days=20)
    made = [
        exceptions.propose(actor=ada, at=at, subject=newcomer.id, expires_at=end, **wanted).id  # type: ignore[arg-type]  # of one shape
        for _ in range(2)
    ]
    exceptions.approve(actor=add_person("Ex Other", "admin", at=at), at=at, exception_id=made[1])
    asked = requests.ask(
        actor=dan, at=at, role="auditor", scope=ORGANISATION, lasts=timedelta(hours=1), reason="an audit"
    )
    role = two_people.asked("approver", ORGANISATION, ANY_FLAG)
    plan = two_people.Plan(kind="grant", subject=newcomer.id, roles=(role,))
    with write_door():
        alone, _ = two_people.sole(actor=ada, at=at, plan=plan, reason="two of us", grant=None)
        record(action=GRANT_GIVEN, actor=ada, at=at, staged=[alone])
    return {
        "access_request": asked.id,
        "sole_request": alone.id,
        "proposal": made[0],
        "exception": made[1],
        "approve": "approve",
        "soon": clock.text(end),
        "soon_day": f"{end:%Y-%m-%d}",
    }


def _approval_key(owner: Actor, *, at: datetime) -> str:
    signer(owner, at=at)
    return approval_keys.of_person(owner.id)[0].id


def _organisation(ada: Actor, dan: Actor, *, at: datetime) -> dict[str, str]:
    member = add_person("Mel Member", "viewer", at=at)
    gone = add_person("Gil Gone", at=at)
    people.deactivate(actor=ada, at=at, person_id=gone.id)
    leaver = add_person("Lea Left", at=at)
    people.deactivate(actor=ada, at=at, person_id=leaver.id)
    asked = erasure.ask(actor=ada, at=at, person_id=leaver.id, reason="they asked us to", early=True)
    invited = people.invite(actor=ada, at=at, email="ida@example.com", name="Ida Invited")
    group = groups.create(actor=ada, at=at, name="Team")
    groups.add_member(actor=ada, at=at, group_id=group.id, person_id=member.id)
    newcomer = add_person("Nia New", at=at)
    service = service_accounts.create(actor=ada, at=at, name="pipeline", purpose="Ships", owner=dan.id)
    idle = service_accounts.create(actor=ada, at=at, name="idle", purpose="Shipped", owner=dan.id)
    service_accounts.disable(actor=ada, at=at, service_account_id=idle.id)
    token = api_tokens.create_for_service(
        actor=ada, at=at, service_account_id=service.id, wish=TokenWish(name="deploy", days=10)
    )
    said = RuleWish(
        name="main", shape="github", issuer=GITHUB, audience="https://e", claims={"repository": "acme/shop"}
    )
    rule = federation.create(actor=ada, at=at, service_account_id=service.id, wish=said)
    grant = give(actor=ada, at=at, subject=member.id, wish=Wish(role="auditor"))
    custom_roles.create(
        actor=ada, at=at, key="flipper", wish=RoleWish(name="Flipper", permissions=["project:read", "change:switch"])
    )
    return {
        **_providers(member, at=at),
        "rule": rule.id,
        **_duties(ada, dan, newcomer, at=at),
        "member": member.id,
        "approval_key": _approval_key(member, at=at),
        "gone": gone.id,
        "erasure_id": asked.id,
        "users": "Users",
        "directory_token": directory.create(actor=ada, at=at, name="idp").token.id,
        "invited": invited.person.id,
        "newcomer": newcomer.id,
        "owner": dan.id,
        "group": group.id,
        "service": service.id,
        "idle_service": idle.id,
        "service_token": token.token.id,
        "org_grant": grant.id,
        "custom_role": "flipper",
        "org_alert": an_alert(at=at).id,
        "guard_account": guard_account(dan.id, at=at),
        "zero": "0",
        "no_number": "999999",
        "no_link": "x" * 43,
    }


def _project(project: str, ada: Actor, dan: Actor, *, at: datetime) -> dict[str, str]:
    flag, spare, segment = f"{project}-checkout", f"{project}-spare", f"{project}-nordics"
    for key in (flag, spare):
        create_flag(actor=dan, at=at, project=project, key=key)
    create_segment(actor=dan, at=at, project=project, key=segment, name="Nordics")
    token = create_token(
        actor=ada,
        at=at,
        name="web",
        type="backend",
        projects=[project],
        environment="production",
        expires_at=at + timedelta(days=7),
    )
    member = add_person(f"Pim of {project}", at=at)
    grant = give(actor=ada, at=at, subject=member.id, wish=Wish(role="viewer", scope=Scope(project)))
    steps = (RampStep(percent=5, hold=60), RampStep(percent=100))
    template = templating.make(actor=dan, at=at, project=project, name="Careful", steps=steps)
    return {
        **_integrations(project, ada, at=at),
        "template": template.id,
        "flag": flag,
        "spare": spare,
        "segment": segment,
        "client_token": token.row.id,
        "project_grant": grant.id,
        "project_member": member.id,
        "alert": an_alert(at=at, project=project).id,
    }


def _integrations(project: str, ada: Actor, *, at: datetime) -> dict[str, str]:
    """A webhook with a message that was sent, and a ticket system."""
    hook = integrations.make(
        actor=ada, at=at, kind="webhook", project=project, wish=Wanted(name="Hook", url="https://1.1.1.1/hook")
    ).integration.id
    jira = Wanted(name="Tickets", base_url="https://tickets.example.com")
    sent = integrations.try_out(actor=ada, at=at, id=hook)
    Delivery.objects.filter(pk=sent.pk).update(status="sent")
    return {
        "integration": hook,
        "tickets": integrations.make(actor=ada, at=at, kind="jira", project=project, wish=jira).integration.id,
        "delivery": sent.pk,
    }


def _environment(project: str, environment: str, dan: Actor, rev: Actor, *, at: datetime) -> dict[str, str]:
    flag, spare = f"{project}-checkout", f"{project}-spare"

    def propose(*operations: Any, wish: Any = "submit") -> Any:
        return door.propose(
            actor=dan,
            at=at,
            project=project,
            environment=environment,
            operations=operations,
            title="A change",
            reason="For the table.",
            wish=wish,
        ).request

    def approve(request: Any) -> None:
        if request.status == "in_review":
            door.review(actor=rev, at=at, request_id=request.id, decision="approve", digest=request.digest)

    launch = propose(StrategyAdd(flag=flag, strategy=rollout(10)), FlagEnable(flag=flag))
    approve(launch)
    door.apply(actor=dan, at=at, request_id=launch.id)
    approved = propose(StrategyAdd(flag=spare, strategy=rollout(20)))
    approve(approved)
    review = propose(FlagEnable(flag=spare))
    draft = propose(StrategyAdd(flag=spare, strategy=rollout(30)), wish="draft")
    second = f"{project}-{environment}-old"
    create_flag(actor=dan, at=at, project=project, key=second)
    old = propose(StrategyAdd(flag=second, strategy=rollout(10)), FlagEnable(flag=second))
    approve(old)
    door.apply(actor=dan, at=at, request_id=old.id)
    killed = incidents.kill(actor=dan, at=at, project=project, environment=environment, flag=second, now=clock.now)

    def ramp(key: str) -> str:
        create_flag(actor=dan, at=at, project=project, key=key)
        strategy = rollout(1)
        plan = RampPlan(flag=key, strategy=strategy.id, steps=(RampStep(percent=5, hold=10_000), RampStep(percent=100)))
        ramped = propose(StrategyAdd(flag=key, strategy=strategy), FlagEnable(flag=key), plan)
        approve(ramped)
        door.apply(actor=dan, at=at, request_id=ramped.id)
        return ramps.ramps(request=ramped.id)[0].id

    running, paused = ramp(f"{project}-{environment}-up"), ramp(f"{project}-{environment}-held")
    releases.pause(actor=dan, at=at, ramp_id=paused)
    timed = propose(StrategyAdd(flag=spare, strategy=rollout(40)))
    door.schedule(actor=dan, at=at, request_id=timed.id, when=at + timedelta(days=30))
    newest = Revision.objects.filter(project=project, environment=environment).latest("number")
    talk = {"actor": dan, "at": at, "request_id": review.id}
    thread, settled = (door.comment(text="Why?", **talk) for _ in range(2))
    door.resolve(comment_id=settled, **talk)
    waits = {"review": review.id, "review_digest": review.digest, "thread": thread, "settled": settled}
    return {
        **(waits if review.status == "in_review" else {}),
        "approved": approved.id,
        **({"approved_by_somebody": approved.id} if approved.status == "in_review" else {}),
        "draft": draft.id,
        "applied": launch.id,
        "ramp": running,
        "paused_ramp": paused,
        "timed": timed.id,
        "kill_record": killed.kill.id,
        **guarded(dan, project=project, environment=environment, flag=flag, at=at),
        "number": str(newest.number),
        "strategy": flags.config(flag, environment).config.strategies[0].id,
    }


def _incident(project: str, environment: str, ada: Actor, dan: Actor, rev: Actor, *, at: datetime) -> dict[str, str]:
    """An incident that goes on and one that is over; an emergency access that ended and one that is open, both Ada's;
    an address that switches off; a plan of drills, and a drill of another one."""
    place: dict[str, Any] = {"project": project, "environment": environment}

    def declare() -> str:
        made = declaring.declare(
            actor=ada, at=at, title="It fails", severity="sev3", project_keys=[project], environment=environment
        )
        return made.incident.id

    def broken(incident: str) -> str:
        return opening.break_glass(
            actor=ada, at=at, incident_id=incident, reason="Nobody can pay any more.", **place
        ).id

    incident, over = declare(), declare()
    declaring.resolve(actor=ada, at=at, incident_id=over)
    todo = declaring.follow_up(
        actor=ada, at=at, incident_id=incident, text="Write a test.", owner=ada.id, due=at.date() + timedelta(days=9)
    )
    ended = broken(incident)
    opening.end(actor=ada, at=at, emergency_id=ended)
    flag = f"{project}-{environment}-drill"
    create_flag(actor=dan, at=at, project=project, key=flag)
    steps = (StrategyAdd(flag=flag, strategy=rollout(10)), FlagEnable(flag=flag))
    made = door.propose(
        actor=dan, at=at, operations=steps, title="A change", reason="For the table.", wish="submit", **place
    ).request
    if made.status == "in_review":
        door.review(actor=rev, at=at, request_id=made.id, decision="approve", digest=made.digest)
    door.apply(actor=dan, at=at, request_id=made.id)
    rehearsed = drills.plan(actor=ada, at=at, flag=flag, **place)
    return {
        "incident": incident,
        "resolved_incident": over,
        "todo": todo.incident.follow_ups[0].id,
        "emergency": ended,
        "open_emergency": broken(incident),
        "trigger": triggers.make(actor=ada, at=at, name="pager", flag=f"{project}-checkout", **place).trigger.id,
        "drill_plan": drills.plan(actor=ada, at=at, flag=f"{project}-checkout", **place).id,
        "drill": drills.run(actor=ada, at=at, plan_id=rehearsed.id, now=clock.now).id,
    }
