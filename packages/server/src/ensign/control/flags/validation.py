"""Whether a flag may be written, and its one canonical form (semantics, section 12). Pure.

Every error names the field's path (``strategies[0].constraints[1].value``) and what to write instead.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from ensign_engine.validate import canonical_number, check_cidr

from ensign.control.access.domain import TIERS
from ensign.control.flags import strategies as known
from ensign.control.flags import weights
from ensign.control.flags.domain import LIFETIMES, Dependency, FlagConfig, Override, Payload, Strategy, Variant
from ensign.control.kernel import ids
from ensign.control.kernel.errors import Invalid
from ensign.control.segments import validation as constraints
from ensign.control.segments.validation import Caution, Errors, text_problem

MAX_STRATEGIES = 30
MAX_VARIANTS = 100
MAX_LIST = 1_000
MAX_PAYLOAD = 65_536
MAX_TAGS = 20
MAX_SEGMENTS = 5
PAYLOADS = ("string", "json", "csv", "number")

#: What ``encodeURIComponent`` leaves as it is: SDKs put the name into addresses.
_NAME = re.compile(r"[A-Za-z0-9_.!~*'()-]{1,100}\Z")
_PERCENT = re.compile(r"(0|[1-9][0-9]?|100)\Z")
_STICKINESS = re.compile(r"[A-Za-z0-9_.-]{1,100}\Z")
_TAG = re.compile(r"[A-Za-z0-9_.:/-]{1,50}\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class Parent:
    """What a dependency needs to know about the flag that it names, in the same environment.

    ``configured`` is whether it was ever changed there: until then SDKs don't know it.
    """

    project: str
    configured: bool = True
    archived: bool = False
    has_parents: bool = False
    variants: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What the content of a flag in one environment is checked against.

    ``segments`` are the keys of segments defined in the environment; ``known_segments`` those that exist at all.
    ``parents`` are the flags that dependencies name and that exist; ``children`` those that depend on this one.
    """

    flag: str
    project: str
    environment: str
    default_stickiness: str = "default"
    segments: frozenset[str] = frozenset()
    known_segments: frozenset[str] = frozenset()
    parents: Mapping[str, Parent] = field(default_factory=dict)
    children: frozenset[str] = frozenset()


def check_flag_key(key: str, *, name: str = "key") -> str:
    """``key``, trimmed, when a flag or variant may be named so.

    :raises Invalid: naming the field ``name``.
    """
    trimmed = key.strip()
    problem = name_problem(trimmed)
    if problem:
        raise Invalid("This name cannot be used.", fields={name: problem})
    return trimmed


def name_problem(name: str) -> str | None:
    """What is wrong with the name of a flag or variant, or None."""
    if not name:
        return "Write a name."
    if len(name) > 100:
        return f"It has {len(name)} characters; at most 100 fit."
    if name in {".", ".."}:
        return "A name cannot be a dot or two: addresses cannot hold it."
    if not _NAME.match(name):
        return "Use letters without accents, digits, and - _ . ! ~ * ' ( ): SDKs put the name into addresses."
    return None


def check_tags(tags: Sequence[str]) -> tuple[str, ...]:
    """The tags trimmed, sorted, without repetition.

    :raises Invalid: naming ``tags``.
    """
    cleaned = tuple(sorted({t for tag in tags if (t := tag.strip())}))
    bad = next((tag for tag in cleaned if not _TAG.match(tag)), None)
    if bad is not None:
        message = f"“{bad[:60]}”: use 1 to 50 letters, digits and - _ . : / only."
        raise Invalid("A tag cannot be used.", fields={"tags": message})
    if len(cleaned) > MAX_TAGS:
        raise Invalid("There are too many tags.", fields={"tags": f"At most {MAX_TAGS} fit; there are {len(cleaned)}."})
    return cleaned


def check_tier(tier: str) -> str:
    """``tier`` when it is a risk tier.

    :raises Invalid: naming ``tier``.
    """
    if tier not in TIERS:
        raise Invalid("There is no such risk tier.", fields={"tier": f"Choose one of {', '.join(TIERS)}."})
    return tier


def check_type(type: str) -> str:
    """``type`` when it is a flag type.

    :raises Invalid: naming ``type``.
    """
    if type not in LIFETIMES:
        raise Invalid("There is no such flag type.", fields={"type": f"Choose one of {', '.join(LIFETIMES)}."})
    return type


def check_config(config: FlagConfig, *, about: Surroundings) -> FlagConfig:
    """The canonical form of a flag's content in one environment.

    Trims, orders and fills in what SDKs need (group, stickiness, weights), and switches the flag off when all of its
    strategies are disabled, as an empty list would mean everybody.

    :raises Invalid: naming every field that is wrong, with the remedy.
    """
    errors = Errors()
    if len(config.strategies) > MAX_STRATEGIES:
        errors.add("strategies", f"There are {len(config.strategies)} strategies; at most {MAX_STRATEGIES} fit.")
    made = tuple(
        _strategy(s, about=about, path=f"strategies[{i}]", errors=errors) for i, s in enumerate(config.strategies)
    )
    seen: set[str] = set()
    for place, strategy in enumerate(made):
        if strategy.id in seen:
            errors.add(f"strategies[{place}].id", "Two strategies have the same id. Give the copy a new one.")
        seen.add(strategy.id)
    stickiness = config.variants[0].stickiness if config.variants else "default"
    variants = _variants(config.variants, stickiness=stickiness, overrides=True, path="variants", errors=errors)
    dependencies = _dependencies(config.dependencies, about=about, errors=errors)
    errors.raise_if_any("The flag cannot be saved like this.")
    enabled = config.enabled and not (made and all(s.disabled for s in made))
    return FlagConfig(enabled=enabled, strategies=made, variants=variants, dependencies=dependencies)


def _strategy(strategy: Strategy, *, about: Surroundings, path: str, errors: Errors) -> Strategy:
    kind = known.TYPES.get(strategy.name)
    parameters: Mapping[str, str] = {}
    if not ids.is_id(strategy.id) or not strategy.id.startswith("str_"):
        errors.add(f"{path}.id", "A strategy's id has the form str_… as Ensign makes it.")
    if kind is None:
        errors.add(
            f"{path}.name", f"There is no strategy type “{strategy.name[:40]}”. Choose one of {', '.join(known.TYPES)}."
        )
    else:
        parameters = _parameters(strategy, kind, about=about, path=f"{path}.parameters", errors=errors)
    title = strategy.title.strip()
    if title and (problem := text_problem(title)):
        errors.add(f"{path}.title", problem)
    keys = tuple(dict.fromkeys(strategy.segments))
    if len(keys) > MAX_SEGMENTS:
        errors.add(f"{path}.segments", f"A strategy takes at most {MAX_SEGMENTS} segments.")
    for place, key in enumerate(keys):
        _segment(key, about=about, path=f"{path}.segments[{place}]", errors=errors)
    return replace(
        strategy,
        title=title,
        parameters=parameters,
        constraints=constraints.check_constraints(strategy.constraints, path=f"{path}.constraints", errors=errors),
        segments=keys,
        variants=_variants(
            strategy.variants,
            stickiness=parameters.get("stickiness", "default"),
            overrides=False,
            path=f"{path}.variants",
            errors=errors,
        ),
    )


def _segment(key: str, *, about: Surroundings, path: str, errors: Errors) -> None:
    if key not in about.known_segments:
        errors.add(path, f"There is no segment “{key[:40]}” in this project.")
    elif key not in about.segments:
        errors.add(
            path,
            f"The segment “{key}” has no constraints in {about.environment} yet. Define it there first:"
            " an undefined segment would switch the strategy off.",
        )


def _parameters(
    strategy: Strategy, kind: known.StrategyType, *, about: Surroundings, path: str, errors: Errors
) -> dict[str, str]:
    unknown = set(strategy.parameters) - {p.name for p in kind.parameters}
    for name in sorted(unknown):
        errors.add(f"{path}.{name[:40]}", f"The strategy “{kind.name}” takes no such parameter. Remove it.")
    return {
        p.name: _parameter(p, str(strategy.parameters.get(p.name, "")).strip(), about=about, path=path, errors=errors)
        for p in kind.parameters
    }


def _parameter(parameter: known.Parameter, value: str, *, about: Surroundings, path: str, errors: Errors) -> str:
    where = f"{path}.{parameter.name}"
    if parameter.kind == "percentage":
        if not _PERCENT.match(value):
            errors.add(where, "Write a whole number from 0 to 100, without a sign or “%”.")
        return value
    if parameter.kind == "stickiness":
        value = value or about.default_stickiness
        if not _STICKINESS.match(value):
            errors.add(where, "Write default, random, or a field of the context such as userId.")
        return value
    if parameter.kind == "group":
        value = value or about.flag
        if problem := text_problem(value):
            errors.add(where, problem)
        return value
    return _listed(value, addresses=parameter.kind == "addresses", where=where, errors=errors)


def _listed(value: str, *, addresses: bool, where: str, errors: Errors) -> str:
    entries = tuple(dict.fromkeys(e for entry in re.split(r"[,\n]", value) if (e := entry.strip())))
    if not entries:
        errors.add(where, "List at least one entry.")
    if len(entries) > MAX_LIST:
        errors.add(
            where, f"The list has {len(entries):,} entries; at most {MAX_LIST:,} fit. Use a segment or a rollout."
        )
    for entry in entries:
        problem = text_problem(entry) or (check_cidr(entry) if addresses else None)
        if problem:
            errors.add(where, f"“{entry[:40]}”: {problem}")
            break
    return ",".join(entries)


def _variants(
    variants: Sequence[Variant], *, stickiness: str, overrides: bool, path: str, errors: Errors
) -> tuple[Variant, ...]:
    if len(variants) > MAX_VARIANTS:
        errors.add(path, f"There are {len(variants)} variants; at most {MAX_VARIANTS} fit.")
        return tuple(variants)
    names: set[str] = set()
    made: list[Variant] = []
    stickiness = stickiness.strip() or "default"
    if not _STICKINESS.match(stickiness):
        errors.add(f"{path}[0].stickiness", "Write default, random, or a field of the context such as userId.")
    for place, variant in enumerate(variants):
        where = f"{path}[{place}]"
        name = variant.name.strip()
        if problem := name_problem(name):
            errors.add(f"{where}.name", problem)
        elif name in names:
            errors.add(f"{where}.name", f"There are two variants named “{name}”. Give one another name.")
        elif name == "disabled":
            errors.add(f"{where}.name", "SDKs use the name “disabled” for “no variant”. Choose another.")
        names.add(name)
        if variant.weight_type not in {"variable", "fix"}:
            errors.add(f"{where}.weight_type", "Choose variable or fix.")
        if not 0 <= variant.weight <= weights.TOTAL:
            errors.add(f"{where}.weight", "A weight is 0 to 1000 thousandths (0 to 100 %).")
        if variant.overrides and not overrides:
            errors.add(
                f"{where}.overrides", "A strategy's variants take no overrides: use a strategy with a constraint."
            )
        payload = _payload(variant.payload, path=f"{where}.payload", errors=errors)
        forced = tuple(
            _override(o, path=f"{where}.overrides[{i}]", errors=errors) for i, o in enumerate(variant.overrides)
        )
        made.append(replace(variant, name=name, stickiness=stickiness, payload=payload, overrides=forced))
    return weights.normalise(made, path=path, errors=errors)


def _payload(payload: Payload | None, *, path: str, errors: Errors) -> Payload | None:
    if payload is None:
        return None
    value = payload.value
    if payload.type not in PAYLOADS:
        errors.add(f"{path}.type", f"Choose one of {', '.join(PAYLOADS)}.")
    if len(value) > MAX_PAYLOAD:
        errors.add(f"{path}.value", f"It has {len(value):,} characters; at most {MAX_PAYLOAD:,} fit.")
    elif any((ord(c) < 32 and c not in "\n\t\r") or 0xD800 <= ord(c) <= 0xDFFF for c in value):
        errors.add(f"{path}.value", "Remove the control characters.")
    elif not value and payload.type != "string":
        errors.add(f"{path}.value", "Write a value, or remove the payload.")
    elif payload.type == "json":
        try:
            json.loads(value, parse_constant=_no_constant)
        except (ValueError, RecursionError) as error:
            errors.add(f"{path}.value", f"This is not JSON: {str(error)[:120]}.")
    elif payload.type == "number":
        try:
            return Payload(type="number", value=_payload_number(value))
        except ValueError as error:
            errors.add(f"{path}.value", str(error))
    return payload


def _no_constant(name: str) -> None:
    raise ValueError(f"JSON knows no {name}")


def _payload_number(text: str) -> str:
    """Plain digits. What was written with a fraction keeps one: OpenFeature's clients tell 1 from 1.0."""
    plain = canonical_number(text)
    return f"{plain}.0" if "." in text and "." not in plain else plain


def _override(override: Override, *, path: str, errors: Errors) -> Override:
    name = override.context_name.strip()
    if problem := text_problem(name):
        errors.add(f"{path}.context_name", problem)
    values = tuple(dict.fromkeys(v for value in override.values if (v := value.strip())))
    if not values:
        errors.add(f"{path}.values", "List at least one value.")
    for place, value in enumerate(values):
        if problem := text_problem(value):
            errors.add(f"{path}.values[{place}]", f"“{value[:40]}”: {problem}")
            break
    return Override(context_name=name, values=values)


def _dependencies(dependencies: Sequence[Dependency], *, about: Surroundings, errors: Errors) -> tuple[Dependency, ...]:
    made: list[Dependency] = []
    if dependencies and about.children:
        names = ", ".join(sorted(about.children)[:5])
        errors.add(
            "dependencies",
            f"Other flags depend on this one ({names}), so it cannot depend on a flag itself:"
            " SDKs follow one level only.",
        )
    for place, dependency in enumerate(dependencies):
        where = f"dependencies[{place}]"
        problem = _dependency_problem(dependency, about=about)
        if problem is None and any(d.flag == dependency.flag for d in made):
            problem = "This flag is named twice. Keep one of them."
        if problem:
            errors.add(f"{where}.flag", problem)
        variants = tuple(sorted(set(dependency.variants))) if dependency.enabled else ()
        parent = about.parents.get(dependency.flag)
        missing = sorted(set(variants) - parent.variants - {"disabled"}) if parent is not None else []
        if missing:
            errors.add(
                f"{where}.variants", f"“{dependency.flag}” has no variant “{missing[0][:60]}” in {about.environment}."
            )
        made.append(Dependency(flag=dependency.flag, enabled=dependency.enabled, variants=variants))
    return tuple(sorted(made, key=lambda d: d.flag))


def _dependency_problem(dependency: Dependency, *, about: Surroundings) -> str | None:
    parent = about.parents.get(dependency.flag)
    if dependency.flag == about.flag:
        return "A flag cannot depend on itself."
    if parent is None:
        return f"There is no flag “{dependency.flag[:60]}”."
    if parent.project != about.project:
        return f"“{dependency.flag}” belongs to another project. Depend on a flag of {about.project}."
    if parent.archived:
        return f"“{dependency.flag}” is archived. Depend on a flag that is in use."
    if not parent.configured:
        return (
            f"“{dependency.flag}” was never configured in {about.environment}, so SDKs don't know it there."
            " Switch it on or off there first."
        )
    if parent.has_parents:
        return f"“{dependency.flag}” depends on a flag itself: SDKs follow one level only."
    return None


def warnings(config: FlagConfig) -> list[Caution]:
    """What a person should know about this content before it is published: lists that look like personal data."""
    found: list[Caution] = []
    for place, strategy in enumerate(config.strategies):
        where = f"strategies[{place}]"
        found += constraints.warnings(strategy.constraints, path=f"{where}.constraints")
        listed = strategy.parameters.get("userIds", "").split(",")
        found += constraints.personal_data(listed, field=f"{where}.parameters.userIds")
    for place, variant in enumerate(config.variants):
        for number, override in enumerate(variant.overrides):
            path = f"variants[{place}].overrides[{number}].values"
            found += constraints.personal_data(override.values, field=path)
    return found
