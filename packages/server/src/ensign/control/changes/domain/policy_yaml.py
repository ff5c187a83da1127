"""Policies of a project as YAML: one stable text for the same policies, and strict reading that names the line. Pure.

Groups stand by name, days and times as people write them; what always holds stands flat in its environment::

    version: 1
    project: shop
    environments:
      production:
        approvals: 2
        each_group: ["Payments"]
        rules:
          - name: "High risk"
            when:
              tiers: ["high"]
            demand:
              requires_tests: true
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from ensign.control.changes.domain.policy_reading import read_rules
from ensign.control.changes.domain.reading import Reader, refuse
from ensign.control.kernel.errors import Invalid
from ensign.control.projects.demands import APPROVAL_HOURS, Demand, Freeze, Hours, Rule, When
from ensign.control.projects.domain import PolicyRules
from ensign.control.projects.policy_words import DAYS, clock_time

MAX_SIZE = 262_144
_HEADER = """\
# Approval policies of the project {project}. Reading: docs/reference/policies.
# `ensign policies plan FILE` says what would have been decided differently over the last 90 days;
# `ensign policies apply FILE` proposes a change request for each environment that differs.
"""
#: What of a demand stands flat in its environment; the rest are members of the policy itself.
_FLAT = ("approvers", "each_group", "requires_ticket", "requires_tests", "signed", "approval_hours", "max_step",
         "progression")  # fmt: skip
_DAY_NAMES = tuple(day.lower() for day in DAYS)


def write(project: str, policies: Mapping[str, PolicyRules], *, names: Mapping[str, str]) -> str:
    """The text of ``policies`` (environment -> rules); ``names`` are those of groups by id."""
    document = {
        "version": 1,
        "project": project,
        "environments": {key: _policy(rules, names) for key, rules in policies.items()},
    }
    return _HEADER.format(project=project) + "\n".join(_lines(document, 0)) + "\n"


def _policy(rules: PolicyRules, names: Mapping[str, str]) -> dict[str, Any]:
    always = rules.always
    flat = _demand(always, names)
    return {
        "approvals": always.approvals,
        "requires_reason": always.requires_reason,
        "apply_on_last_approval": rules.apply_on_last_approval,
        "compensating_control": rules.compensating_control,
        "request_days": rules.request_days,
        "delay_hours": rules.delay_hours,
        **{name: flat[name] for name in _FLAT if name in flat},
        "rules": [_rule(rule, names) for rule in rules.rules],
        "freezes": [_freeze(freeze) for freeze in rules.freezes],
    }


def _demand(demand: Demand, names: Mapping[str, str]) -> dict[str, Any]:
    """What differs from a demand that asks for nothing."""
    found: dict[str, Any] = {}
    if demand.approvals:
        found["approvals"] = demand.approvals
    if demand.approvers:
        found["approvers"] = [
            {
                **({"roles": list(one.roles)} if one.roles else {}),
                **({"groups": [names.get(id, id) for id in one.groups]} if one.groups else {}),
                **({"owner": True} if one.owner else {}),
            }
            for one in demand.approvers
        ]
    if demand.each_group:
        found["each_group"] = [names.get(id, id) for id in demand.each_group]
    for name in ("requires_reason", "requires_ticket", "requires_tests", "signed"):
        if getattr(demand, name):
            found[name] = True
    if demand.approval_hours != APPROVAL_HOURS:
        found["approval_hours"] = demand.approval_hours
    if demand.max_step is not None:
        found["max_step"] = demand.max_step
    if demand.progression:
        found["progression"] = [{"environment": one.environment, "hours": one.hours} for one in demand.progression]
    return found


def _rule(rule: Rule, names: Mapping[str, str]) -> dict[str, Any]:
    return {"name": rule.name, "when": _when(rule.when), "demand": _demand(rule.demand, names)}


def _when(when: When) -> dict[str, Any]:
    found: dict[str, Any] = {
        name: list(getattr(when, name)) for name in ("operations", "flag_types", "tags", "tiers") if getattr(when, name)
    }
    for name in ("rollout_above", "step_above"):
        if getattr(when, name) is not None:
            found[name] = getattr(when, name)
    if when.hours is not None:
        found["hours"] = _hours(when.hours)
    return found


def _hours(hours: Hours) -> dict[str, Any]:
    return {
        "days": [_DAY_NAMES[day] for day in hours.days],
        "start": clock_time(hours.start),
        "end": clock_time(hours.end),
        "zone": hours.zone,
    }


def _freeze(freeze: Freeze) -> dict[str, Any]:
    if freeze.weekly is not None:
        return {"name": freeze.name, "weekly": _hours(freeze.weekly)}
    return {"name": freeze.name, "start": freeze.start, "end": freeze.end}


def _lines(value: Mapping[str, Any], depth: int) -> Iterator[str]:
    pad = "  " * depth
    for key, member in value.items():
        name = key if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_-]*", key) and key.lower() not in _WORDS else json.dumps(key)
        if isinstance(member, Mapping) and member:
            yield f"{pad}{name}:"
            yield from _lines(member, depth + 1)
        elif isinstance(member, list) and member and isinstance(member[0], Mapping):
            yield f"{pad}{name}:"
            for one in member:
                first, *rest = [*_lines(one, depth + 2)] or ["{}"]
                yield f"{pad}  - {first.strip()}"
                yield from rest
        else:
            yield f"{pad}{name}: {json.dumps(member, ensure_ascii=False)}"


#: What YAML 1.1 reads as something else than a text.
_WORDS = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What a file says: the project and, by environment, the policy that it should have."""

    project: str
    policies: Mapping[str, PolicyRules]


def read(text: str, *, groups: Mapping[str, str]) -> Written:
    """A file; ``groups`` are ids by name. What is left out has its default; what is unknown is refused.

    :raises Invalid: naming the line and the member.
    """
    if len(text) > MAX_SIZE:
        raise refuse("yaml", f"is longer than {MAX_SIZE:,} characters")
    lines: dict[str, int] = {}
    value = _loaded(text, lines)
    try:
        return _document(value, groups)
    except Invalid as error:
        raise _with_line(error, lines) from None


def _with_line(error: Invalid, lines: Mapping[str, int]) -> Invalid:
    """The same with the line of the member that it names, or of what that stands in."""
    path = next(iter(error.fields), "")
    near = path
    while near and near not in lines:
        near = re.sub(r"(\.[^.\[]*|\[\d+\]|^[^.\[]*)$", "", near)
    line = lines.get(near)
    said = error.message if line is None else f"Line {line}: {error.message}"
    return Invalid(said, remedy=error.remedy, fields=error.fields)


def _loaded(text: str, lines: dict[str, int]) -> Any:
    try:
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
                line = 0 if event.start_mark is None else event.start_mark.line
                raise Invalid(f"Line {line + 1}: anchors and aliases are not read; write it out.")
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = "" if mark is None else f"Line {mark.line + 1}: "
        problem = getattr(error, "problem", None) or "it cannot be read"
        raise Invalid(f"{where}this is not YAML: {problem}.", fields={"yaml": "is not YAML"}) from None
    except RecursionError:
        raise Invalid("This is nested too deeply.", fields={"yaml": "is nested too deeply"}) from None
    if node is None:
        raise Invalid("The file is empty.", remedy="Begin with: ensign policies export.", fields={"yaml": "is empty"})
    return _plain(node, "", lines)


def _plain(node: yaml.Node, path: str, lines: dict[str, int]) -> Any:
    lines[path] = node.start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        found: dict[str, Any] = {}
        for key, member in node.value:
            name = key.value if isinstance(key, yaml.ScalarNode) else ""
            inner = f"{path}.{name}" if path else name
            if not name or name in found:
                said = "is written twice" if name else "is no name"
                raise Invalid(f"Line {key.start_mark.line + 1}: {inner or 'a key'} {said}.", fields={inner: said})
            lines[inner] = key.start_mark.line + 1
            found[name] = _plain(member, inner, lines)
            lines[inner] = key.start_mark.line + 1
        return found
    if isinstance(node, yaml.SequenceNode):
        return [_plain(one, f"{path}[{place}]", lines) for place, one in enumerate(node.value)]
    kind = node.tag.rpartition(":")[2]
    if kind == "null":
        return None
    if kind == "int" and re.fullmatch(r"-?\d+", node.value):
        return int(node.value)
    if kind == "bool" and node.value.lower() in {"true", "false"}:
        return node.value.lower() == "true"
    # Times, dates and YAML's many other spellings stay the texts that they are.
    return node.value


def _document(value: Any, groups: Mapping[str, str]) -> Written:
    reader = Reader(value, "")
    version = reader.integer("version")
    if version != 1:
        raise refuse("version", "must be 1")
    project = reader.text("project")
    places = reader.inner("environments", _object)
    reader.end()
    policies = {str(key): _read_policy(body, f"environments.{key}", groups) for key, body in places.items()}
    if not policies:
        raise refuse("environments", "names none")
    return Written(project=project, policies=policies)


def _object(value: Any, path: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise refuse(path, "must be an object")
    return value


def _read_policy(body: Any, path: str, groups: Mapping[str, str]) -> PolicyRules:
    state = dict(_object(body, path))
    unknown = sorted(set(state) - _MEMBERS)
    if unknown:
        raise Invalid(
            f"{path} has no member {unknown[0]}.",
            remedy=f"Choose among {', '.join(sorted(_MEMBERS))}.",
            fields={f"{path}.{unknown[0]}": "is not known here"},
        )
    flat = {name: state.pop(name) for name in _FLAT if name in state}
    state["further"] = _from_demand(flat, path, groups)
    for name, read_one in (("rules", _from_rule), ("freezes", _from_freeze)):
        if isinstance(state.get(name), list):
            state[name] = [read_one(one, f"{path}.{name}[{n}]", groups) for n, one in enumerate(state[name])]
    try:
        reader = Reader(state, path)
        rules = read_rules(reader)
        reader.end()
    except Invalid as error:
        fields = {name.replace(".further", "", 1): text for name, text in error.fields.items()}
        raise Invalid(error.message.replace(".further", "", 1), remedy=error.remedy, fields=fields) from None
    return rules


_MEMBERS = frozenset(_FLAT) | {
    "approvals", "requires_reason", "apply_on_last_approval", "compensating_control", "request_days", "delay_hours",
    "rules", "freezes",
}  # fmt: skip


def _from_demand(value: Any, path: str, groups: Mapping[str, str]) -> Any:
    """A demand with ids of groups for their names; what has another shape is left for the strict reader to refuse."""
    if not isinstance(value, Mapping):
        return value
    found = dict(value)
    if isinstance(found.get("each_group"), list):
        found["each_group"] = _ids(found["each_group"], f"{path}.each_group", groups)
    if isinstance(found.get("approvers"), list):
        found["approvers"] = [
            {**one, "groups": _ids(one["groups"], f"{path}.approvers[{n}].groups", groups)}
            if isinstance(one, Mapping) and isinstance(one.get("groups"), list)
            else one
            for n, one in enumerate(found["approvers"])
        ]
    return found


def _ids(names: Sequence[Any], path: str, groups: Mapping[str, str]) -> list[Any]:
    known = set(groups.values())
    for place, name in enumerate(names):
        if isinstance(name, str) and name not in groups and name not in known:
            raise refuse(f"{path}[{place}]", f"“{name[:60]}” is no group")
    return [groups.get(name, name) if isinstance(name, str) else name for name in names]


def _from_rule(value: Any, path: str, groups: Mapping[str, str]) -> Any:
    if not isinstance(value, Mapping):
        return value
    found = dict(value)
    found["demand"] = _from_demand(found.get("demand"), f"{path}.demand", groups)
    when = found.get("when", {})
    if isinstance(when, Mapping):
        hours = when.get("hours")
        found["when"] = {**when, "hours": _from_hours(hours, f"{path}.when.hours")} if hours is not None else dict(when)
    return found


def _from_freeze(value: Any, path: str, _groups: Mapping[str, str]) -> Any:
    if not isinstance(value, Mapping) or value.get("weekly") is None:
        return value
    return {**value, "weekly": _from_hours(value["weekly"], f"{path}.weekly")}


def _from_hours(value: Any, path: str) -> Any:
    if not isinstance(value, Mapping):
        return value
    found = dict(value)
    if isinstance(found.get("days"), list):
        found["days"] = [_day(day, f"{path}.days[{n}]") for n, day in enumerate(found["days"])]
    for name, empty in (("start", 0), ("end", 1440)):
        found[name] = _minutes(found.get(name), f"{path}.{name}", empty)
    return found


def _day(value: Any, path: str) -> int:
    if not isinstance(value, str) or value.lower() not in _DAY_NAMES:
        raise refuse(path, f"must be one of {', '.join(_DAY_NAMES)}")
    return _DAY_NAMES.index(value.lower())


def _minutes(value: Any, path: str, empty: int) -> int:
    if value is None:
        return empty
    found = re.fullmatch(r"([01]?\d|2[0-4]):([0-5]\d)", value) if isinstance(value, str) else None
    if found is None:
        raise refuse(path, "must be a time of day such as 18:30")
    return int(found[1]) * 60 + int(found[2])
