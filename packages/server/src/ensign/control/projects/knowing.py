"""Whether what a policy names exists, and whether somebody could give what it asks for."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime

from ensign.control.access import catalogue, places
from ensign.control.access.decisions import standing_of
from ensign.control.access.domain import Scope
from ensign.control.access.permissions import Permission
from ensign.control.access.queries import who_can
from ensign.control.identity import queries as identity
from ensign.control.kernel.errors import Invalid
from ensign.control.projects import queries
from ensign.control.projects.demands import Demand, joined
from ensign.control.projects.domain import PolicyRules
from ensign.control.projects.policy_words import count

#: Ids of groups and people, as words about policies and owners carry them.
_NAMED = re.compile(r"\b(?:grp|usr)_[0-9a-z]{26}\b")


#: How sentences about what nobody could give begin.
UNMEETABLE = "Policy: "


def demands(rules: PolicyRules) -> Iterator[tuple[str, Demand]]:
    """Every demand of a policy with its path."""
    yield "further", rules.further
    for place, rule in enumerate(rules.rules):
        yield f"rules[{place}].demand", rule.demand


def require_known(rules: PolicyRules, *, project: str, environment: str) -> None:
    """Refuse groups, roles, flag types and environments that are not there; a progression comes from a lower one.

    :raises Invalid: naming the member.
    """
    found = dict(demands(rules))
    groups = {id: path for path, demand in found.items() for one in demand.approvers for id in one.groups} | {
        id: path for path, demand in found.items() for id in demand.each_group
    }
    active = {group.id for group in identity.groups() if group.status == "active"} if groups else set()
    for id, path in groups.items():
        if id not in active:
            raise Invalid("There is no such group.", fields={path: f"{id[:60]} is no active group: choose another."})
    roles = {key: path for path, demand in found.items() for one in demand.approvers for key in one.roles}
    known = {role.key for role in catalogue.roles()} if roles else set()
    for key, path in roles.items():
        if key not in known:
            raise Invalid(
                "There is no such role.", fields={path: f"{key[:60]} is no role: choose among {_some(known)}"}
            )
    _require_lower(found, project=project, environment=environment)
    types = places.flag_types()
    for place, rule in enumerate(rules.rules):
        unknown = [kind for kind in rule.when.flag_types if kind not in types]
        if unknown:
            path = f"rules[{place}].when.flag_types"
            raise Invalid("There is no such flag type.", fields={path: f"Choose among {', '.join(types)}."})


def _require_lower(found: Mapping[str, Demand], *, project: str, environment: str) -> None:
    if not any(demand.progression for demand in found.values()):
        return
    keys = [row.key for row in queries.environments(project)]
    lower = keys[: keys.index(environment)] if environment in keys else []
    for path, demand in found.items():
        for one in demand.progression:
            if one.environment not in lower:
                said = f"Choose an environment before this one: {', '.join(lower)}." if lower else (
                    "This is the first environment: nothing can run before it."
                )  # fmt: skip
                raise Invalid(f"Nothing comes here from {one.environment[:60]}.", fields={f"{path}.progression": said})


def _some(keys: Iterable[str]) -> str:
    found = sorted(keys)
    return ", ".join(found[:12]) + (", …" if len(found) > 12 else ".")


def unmeetable(rules: PolicyRules, *, project: str, environment: str, at: datetime) -> tuple[str, ...]:
    """What a policy asks for that nobody could give as things stand, in sentences; empty when all can be met.

    Whoever wrote a change cannot approve it, so that one more person than the number of approvals has to be there.
    """
    scope = Scope(project, environment)
    able = {one.subject for one in who_can(Permission.CHANGE_APPROVE, scope, at=at) if one.kind == "person"}
    cases = [("every change", rules.always)]
    cases += [(f"“{rule.name}”", joined([rules.always, rule.demand])) for rule in rules.rules]
    said: list[str] = []
    standing = (
        {id: standing_of(id, scope, at=at) for id in able} if any(d.approvers or d.each_group for _, d in cases) else {}
    )
    for name, demand in cases:
        if not demand.required:
            continue
        fit = {
            id
            for id in able
            if all(
                one.owner
                or not standing[id].roles.isdisjoint(one.roles)
                or not standing[id].groups.isdisjoint(one.groups)
                for one in demand.approvers
            )
        }
        if len(fit) < demand.required:
            said.append(
                f"{UNMEETABLE}{name}: {count(demand.required, 'approval')} asked for, but only"
                f" {len(fit)} {'person' if len(fit) == 1 else 'people'} could give one in {environment} now."
            )
        said += [
            f"{UNMEETABLE}{name}: nobody in the group {group} could approve in {environment} now."
            for group in demand.each_group
            if not any(group in standing[id].groups for id in fit)
        ]
    return tuple(spelled(dict.fromkeys(said)))


def names_of(demand: Demand) -> Mapping[str, str]:
    """Group id -> name, of the groups that a demand names; nothing is read where it names none."""
    ids = {*demand.each_group, *(id for one in demand.approvers for id in one.groups)}
    return _group_names(ids)


def _group_names(ids: Iterable[str]) -> dict[str, str]:
    wanted = set(ids)
    return identity.names(wanted) if wanted else {}


def spelled(texts: Iterable[str]) -> list[str]:
    """The texts with the names of groups and people in place of their ids, which nobody can read; in two queries."""
    found: Sequence[str] = list(texts)
    names = _group_names(id for text in found for id in _NAMED.findall(text))
    return [_NAMED.sub(lambda match: names.get(match[0], match[0]), text) if names else text for text in found]
