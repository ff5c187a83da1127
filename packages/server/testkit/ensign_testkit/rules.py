"""Hypothesis strategies for rulesets and contexts, in the wire's shape.

The pools are small on purpose: values meet each other often, so generated flags are on about as often as off.
`odd=True` mixes in what a server would refuse at write time and an engine must survive all the same.
"""

from typing import Any

from hypothesis import strategies as st

Json = dict[str, Any]

NAMES = ("alpha", "beta", "gamma", "delta", "höhe", "with space")
FIELDS = ("userId", "sessionId", "remoteAddress", "environment", "appName", "country", "plan", "build", "age")
IDENTIFIERS = ("1", "2", "7", "42", "abc", "ABC", "ünï", "日本", "user-123")
WORDS = ("", "fr", "FR", "pro", "free", "production", "a.b", "ß", "İx", "ends-pro", "pro-starts", " pro ")
NUMBERS = ("1", "1.0", "-3", "+5", "1e3", "0", "007", "5.25", "1000")
ODD_NUMBERS = ("", "abc", "1.2.3", "NaN", "inf", "0x10", " 5", "5.", ".5", "1_0")
VERSIONS = ("1.2.3", "1.2.3-beta.1", "1.2.3-beta.11", "1.2.3+b1", "2.0.0", "0.0.1", "10.0.0")
ODD_VERSIONS = ("", "1.2", "v1.2.3", "1.2.3.4", "01.2.3", "abc")
DATES = ("2026-01-01T00:00:00Z", "2026-01-01T01:00:00.000+01:00", "2030-06-15T12:30:00.500Z")
ODD_DATES = ("", "2026-01-01", "2026-01-01T00:00Z", "tomorrow", "1700000000", "2026-13-01T00:00:00Z")
PATTERNS = ("^fr", "(?i)FR", "pro$", "[0-9]+", "^$", "a.b", "[[:alpha:]]{2}")
ODD_PATTERNS = ("(", "(?=x)", "\\w+", "\\d", "\\bpro", "x{2000}", "\\1")
NETWORKS = ("10.0.0.0/8", "10.9.9.9/8", "192.168.0.1", "2001:db8::/32", "::1", "0.0.0.0/0")
ODD_NETWORKS = ("", "010.0.0.1", "10.1", "10.0.0.0/33", " 10.0.0.0/8 ", "10.0.0.0/255.0.0.0", "text", "fe80::1%eth0")
ADDRESSES = ("10.1.2.3", "192.168.0.1", "2001:db8::7", "::1", "::ffff:10.1.2.3", "0:0:0:0:0:0:0:1")
STICKINESS = ("default", "userId", "sessionId", "country", "random")

_LIST = ("IN", "NOT_IN", "STR_STARTS_WITH", "STR_ENDS_WITH", "STR_CONTAINS")
_SINGLE = (
    *((f"NUM_{op}", NUMBERS, ODD_NUMBERS) for op in ("EQ", "GT", "GTE", "LT", "LTE")),
    *((f"SEMVER_{op}", VERSIONS, ODD_VERSIONS) for op in ("EQ", "GT", "GTE", "LT", "LTE")),
    ("DATE_AFTER", DATES, ODD_DATES),
    ("DATE_BEFORE", DATES, ODD_DATES),
    ("REGEX", PATTERNS, ODD_PATTERNS),
)
_TEXTS = IDENTIFIERS + WORDS + NUMBERS + VERSIONS + DATES + ADDRESSES


def _pool(usual: tuple[str, ...], strange: tuple[str, ...], *, odd: bool) -> st.SearchStrategy[str]:
    return st.sampled_from(usual + strange if odd else usual)


@st.composite
def constraints(draw: st.DrawFn, *, odd: bool = False) -> Json:
    """One constraint on any field with any operator."""
    shape = draw(st.sampled_from(("list", "list", "single", "single", "cidr")))
    constraint: Json = {"contextName": draw(st.sampled_from(FIELDS)), "values": []}
    if shape == "list":
        operator, words = draw(st.sampled_from(_LIST)), st.sampled_from(IDENTIFIERS + WORDS)
        constraint |= {"operator": operator, "values": draw(st.lists(words, min_size=0 if odd else 1, max_size=4))}
        if not odd:
            constraint["values"] = [item for item in constraint["values"] if item] or ["pro"]
    elif shape == "single":
        operator, usual, strange = draw(st.sampled_from(_SINGLE))
        constraint |= {"operator": operator, "value": draw(_pool(usual, strange, odd=odd))}
        if operator.startswith("DATE"):
            constraint["contextName"] = draw(st.sampled_from(("currentTime", "currentTime", "build")))
    else:
        entries = _pool(NETWORKS, ODD_NETWORKS, odd=odd)
        constraint |= {"operator": "IN_CIDR", "values": draw(st.lists(entries, min_size=0 if odd else 1, max_size=3))}
        constraint["contextName"] = draw(st.sampled_from(("remoteAddress", "remoteAddress", "country")))
    if odd and draw(st.integers(0, 19)) == 0:
        constraint["operator"] = "NO_SUCH_OPERATOR"
    if draw(st.booleans()):
        constraint["inverted"] = draw(st.booleans())
    if draw(st.booleans()):
        constraint["caseInsensitive"] = draw(st.booleans())
    return constraint


@st.composite
def variants(draw: st.DrawFn, *, overrides: bool, odd: bool = False) -> list[Json]:
    """Up to four variants with positive weights (with `odd`, also zero)."""
    stickiness = draw(st.sampled_from(STICKINESS))
    found: list[Json] = []
    for name in draw(st.lists(st.sampled_from(("blue", "green", "red", "höher")), max_size=4, unique=True)):
        variant: Json = {"name": name, "weight": draw(st.integers(0 if odd else 1, 1000)), "stickiness": stickiness}
        if draw(st.booleans()):
            variant["payload"] = {"type": "string", "value": draw(st.sampled_from(WORDS))}
        if overrides and draw(st.integers(0, 3)) == 0:
            values = draw(st.lists(st.sampled_from(IDENTIFIERS), min_size=1, max_size=3))
            variant["overrides"] = [{"contextName": draw(st.sampled_from(FIELDS)), "values": values}]
        found.append(variant)
    return found


@st.composite
def strategies(draw: st.DrawFn, *, odd: bool = False) -> Json:
    """One strategy of any built-in kind (with `odd`, also unknown ones and odd parameters)."""
    kinds = ["default", "userWithId", "flexibleRollout", "flexibleRollout", "gradualRolloutUserId"]
    kinds += ["gradualRolloutSessionId", "gradualRolloutRandom", "remoteAddress"]
    kind = draw(st.sampled_from([*kinds, "home-made"] if odd else kinds))
    percentages = [str(number) for number in (0, 1, 10, 35, 50, 99, 100)]
    percentage = draw(st.sampled_from([*percentages, "101", "55.5", "", "+7", "007", "-1"] if odd else percentages))
    strategy: Json = {"name": kind, "parameters": {}}
    group = draw(st.sampled_from(("g1", "gruppe-ö", "")))
    match kind:
        case "flexibleRollout":
            stickiness = draw(st.sampled_from((*STICKINESS, "") if odd else STICKINESS))
            strategy["parameters"] = {"rollout": percentage, "stickiness": stickiness, "groupId": group}
        case "gradualRolloutUserId" | "gradualRolloutSessionId" | "gradualRolloutRandom":
            strategy["parameters"] = {"percentage": percentage, "groupId": group}
        case "userWithId":
            strategy["parameters"] = {"userIds": draw(st.sampled_from(("1,2, 7", "abc", " user-123 ,x", "", "42")))}
        case "remoteAddress":
            strategy["parameters"] = {"IPs": draw(st.sampled_from(("10.0.0.0/8, ::1", "192.168.0.1", "x", "")))}
    if odd and draw(st.integers(0, 5)) == 0 and strategy["parameters"]:
        del strategy["parameters"][draw(st.sampled_from(sorted(strategy["parameters"])))]
    strategy["constraints"] = draw(st.lists(constraints(odd=odd), max_size=3))
    if draw(st.integers(0, 2)) == 0:
        strategy["segments"] = draw(st.lists(st.integers(1, 4 if odd else 2), max_size=2))
    if draw(st.integers(0, 2)) == 0:
        strategy["variants"] = draw(variants(overrides=False, odd=odd))
        for variant in strategy["variants"]:
            if not odd:
                variant["stickiness"] = strategy["parameters"].get("stickiness", "default")
    return strategy


@st.composite
def flags(draw: st.DrawFn, name: str, *, odd: bool = False) -> Json:
    """One flag called `name`, which may depend on others of NAMES."""
    flag: Json = {
        "name": name,
        "type": "release",
        "project": "default",
        "enabled": draw(st.integers(0, 9)) > 0,
        "impressionData": draw(st.booleans()),
        "strategies": draw(st.lists(strategies(odd=odd), max_size=3)),
        "variants": draw(variants(overrides=True, odd=odd)),
    }
    if draw(st.integers(0, 3)) == 0:
        dependency: Json = {"feature": draw(st.sampled_from(NAMES))}
        if draw(st.booleans()):
            dependency["enabled"] = draw(st.booleans())
        if draw(st.booleans()) and (odd or dependency.get("enabled", True)):
            names = st.sampled_from(("blue", "green", "disabled"))
            dependency["variants"] = draw(st.lists(names, min_size=1, max_size=2))
        flag["dependencies"] = [dependency]
    return flag


@st.composite
def documents(draw: st.DrawFn, *, odd: bool = False) -> Json:
    """A full document with one to four flags and up to two segments."""
    names = draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=4, unique=True))
    segments = [
        {"id": number, "name": f"s{number}", "constraints": draw(st.lists(constraints(odd=odd), max_size=2))}
        for number in (1, 2)
    ]
    return {"version": 2, "features": [draw(flags(name, odd=odd)) for name in names], "segments": segments}


@st.composite
def contexts(draw: st.DrawFn, *, odd: bool = False) -> Json:
    """A context; with `odd`, values of every JSON type at both levels."""
    pools: dict[str, tuple[str, ...]] = {
        "userId": IDENTIFIERS,
        "sessionId": IDENTIFIERS,
        "remoteAddress": ADDRESSES,
        "environment": WORDS,
        "appName": WORDS,
        "currentTime": DATES,
        "country": _TEXTS,
        "plan": _TEXTS,
        "build": VERSIONS + DATES + ODD_VERSIONS,
        "age": NUMBERS + ODD_NUMBERS,
    }
    strange: st.SearchStrategy[Any] = st.one_of(
        st.none(), st.booleans(), st.integers(-5, 50), st.floats(), st.just(""), st.text(max_size=4), st.just(["x"])
    )
    context: Json = {}
    properties: Json = {}
    for field, pool in pools.items():
        usual = st.sampled_from(pool)
        values: st.SearchStrategy[Any] = st.one_of(usual, strange) if odd else st.sampled_from([v for v in pool if v])
        if draw(st.integers(0, 3)):
            custom = field not in {"userId", "sessionId", "remoteAddress", "environment", "appName", "currentTime"}
            (properties if custom and draw(st.integers(0, 3)) else context)[field] = draw(values)
        if odd and draw(st.integers(0, 5)) == 0:
            properties[field] = draw(values)
    if draw(st.booleans()) or properties:
        context["properties"] = properties
    if odd and draw(st.integers(0, 9)) == 0:
        context["properties"] = draw(strange)
    return context
