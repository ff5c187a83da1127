"""Reading what SDKs report, leniently: real ones send nulls and numbers as dates (wire contracts, 3.4 to 3.6)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from ensign.delivery.http import bad_data
from ensign.delivery.state import State
from ensign.delivery.tokens import ALL, Token
from ensign.delivery.usage import CountKey, Usage

MAX_NAME = 100
MAX_COUNT = 10**9
MAX_AGE = timedelta(days=7)
MAX_TOGGLES = 20_000
REFUSALS = frozenset({"unsigned", "altered", "older", "foreign", "missing", "proof"})
"""Why an SDK that verifies signatures refuses rules (docs/reference/signed-rulesets.md)."""


MAX_SEEN_TOKENS = 1_000


def record_metrics(
    body: object, *, token: Token, state: State, usage: Usage, sdk: str, instance: str, at: datetime
) -> None:
    """Take in a metrics report (3.5). Raises Refusal (400) when it cannot be understood at all."""
    report = _report(body)
    bucket = report.get("bucket")
    app = _register(report, token=token, usage=usage, sdk=sdk, instance=instance, at=at)
    usage.impact.take(report.get("impactMetrics"), app=app, environment=token.environment)
    _refused(report.get("refusedRulesets"), usage)
    if bucket is None:
        return  # impact metrics alone
    if not isinstance(bucket, dict):
        raise bad_data("The bucket must be an object.", path="bucket")
    toggles = bucket.get("toggles")
    if toggles is None:
        return
    if not isinstance(toggles, dict):
        raise bad_data("The toggles must be an object.", path="bucket.toggles")
    if len(toggles) > MAX_TOGGLES:
        raise bad_data(f"More than {MAX_TOGGLES} toggles in one report.", path="bucket.toggles")
    hour = _hour(bucket.get("stop"), at)
    projects = projects_by_flag(state, token)
    for name, counts in toggles.items():
        if storable(name) and isinstance(counts, dict):
            _count(usage, token=token, project=projects.get(name), flag=name, app=app, hour=hour, counts=counts)


def record_bulk(body: object, *, token: Token, state: State, usage: Usage, at: datetime) -> None:
    """Take in what an edge collected (3.6). Rows of another environment than the token's are dropped."""
    if not isinstance(body, dict):
        raise bad_data("The body must be a JSON object.")
    applications, metrics = body.get("applications"), body.get("metrics")
    if not isinstance(applications, list) or not isinstance(metrics, list):
        raise bad_data("`applications` and `metrics` must be lists.")
    if len(applications) + len(metrics) > MAX_TOGGLES:
        raise bad_data(f"More than {MAX_TOGGLES} rows in one report.")
    for row in _objects(applications):
        name = storable(row.get("appName"), limit=200)
        if name is not None and row.get("environment") in {token.environment, None}:
            _seen(usage, token=token, app=name, sdk=_text(row.get("sdkVersion")), instance=_instance(row), at=at)
    usage.impact.take(body.get("impactMetrics"), app=None, environment=token.environment, origin="edge")
    projects = projects_by_flag(state, token)
    for row in _objects(metrics):
        flag, app = storable(row.get("featureName")), storable(row.get("appName"), limit=200)
        if flag is not None and app is not None and row.get("environment") == token.environment:
            hour = _hour(row.get("timestamp"), at)
            _count(usage, token=token, project=projects.get(flag), flag=flag, app=app, hour=hour, counts=row)


def record_registration(body: object, *, token: Token, usage: Usage, sdk: str, instance: str, at: datetime) -> None:
    """Take in a registration (3.4). Only `appName` is asked for: SDKs differ in everything else."""
    _register(_report(body), token=token, usage=usage, sdk=sdk, instance=instance, at=at)


def seen_tokens(body: object) -> list[str]:
    """The tokens that an edge says were used there (3.6)."""
    texts = body.get("seenTokens") if isinstance(body, dict) else None
    return [text for text in texts[:MAX_SEEN_TOKENS] if isinstance(text, str)] if isinstance(texts, list) else []


def projects_by_flag(state: State, token: Token) -> Mapping[str, str]:
    """The project of every flag that the token may see, built once per state."""
    key = ("projects", token.environment, token.projects)
    found: Mapping[str, str] | None = state.memo.get(key)
    if found is None:
        rulesets = state.scope(None if token.projects == ALL else token.projects, token.environment)
        found = {feature.name: ruleset.project for ruleset in rulesets for feature in ruleset.features}
        state.memo[key] = found
    return found


def storable(name: object, *, limit: int = MAX_NAME) -> str | None:
    """`name` when both databases can hold it and it may be a name at all, else None."""
    if not isinstance(name, str) or not 0 < len(name) <= limit:
        return None
    if any(character < " " or "\ud800" <= character <= "\udfff" for character in name):
        return None
    return name


def _report(body: object) -> dict[str, Any]:
    if not isinstance(body, dict):
        raise bad_data("The body must be a JSON object.")
    return body


def _objects(rows: list[Any]) -> Iterator[dict[str, Any]]:
    return (row for row in rows if isinstance(row, dict))


def _register(report: dict[str, Any], *, token: Token, usage: Usage, sdk: str, instance: str, at: datetime) -> str:
    app = storable(report.get("appName"), limit=200)
    if app is None:
        raise bad_data("`appName` must be a text of 1 to 200 characters.", path="appName")
    instance = _text(report.get("connectionId")) or instance or _instance(report)
    _seen(usage, token=token, app=app, sdk=_text(report.get("sdkVersion")) or sdk, instance=instance, at=at)
    return app


def _seen(usage: Usage, *, token: Token, app: str, sdk: str, instance: str, at: datetime) -> None:
    for project in token.projects:
        usage.seen(
            project=project, environment=token.environment, app_name=app,
            sdk=storable(sdk) or "unknown", instance=instance, at=at,
        )  # fmt: skip


def _count(
    usage: Usage, *, token: Token, project: str | None, flag: str, app: str, hour: datetime, counts: dict[str, Any]
) -> None:
    known = project is not None
    # An unknown name belongs to no project; the token's stands for it, so that its owner gets to see it.
    where = project if project is not None else token.projects[0]
    yes, no = _number(counts.get("yes")), _number(counts.get("no"))
    if yes or no:
        usage.count(CountKey(where, token.environment, flag, app, hour, "", known), yes=yes, no=no)
    variants = counts.get("variants")
    if isinstance(variants, dict):
        for variant, number in list(variants.items())[:MAX_NAME]:
            times = _number(number)
            if times and storable(variant):
                usage.count(CountKey(where, token.environment, flag, app, hour, variant, known), yes=times, no=0)


def _refused(reported: object, usage: Usage) -> None:
    """Rules that an SDK refused are refusals, too; what it calls the reason is one of ours or nothing."""
    if isinstance(reported, dict):
        for reason in REFUSALS & reported.keys():
            times = min(_number(reported[reason]), 1_000)
            if times:
                usage.refused(f"sdk ruleset {reason}", times)


def _number(value: object) -> int:
    """A count; anything that is no positive number is 0, and nobody reports more than a thousand million at once."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
        return 0
    return int(min(value, MAX_COUNT))


def _text(value: object) -> str:
    return value[:100] if isinstance(value, str) else ""


def _instance(report: dict[str, Any]) -> str:
    return _text(report.get("instanceId")) or "default"


def _hour(value: object, at: datetime) -> datetime:
    """The hour of `value`, a date text of any precision or a Unix time in s or ms; the present one if implausible."""
    instant = at
    try:
        if isinstance(value, str):
            # Python's SDK sends nanoseconds, of which datetime reads the first six digits.
            instant = datetime.fromisoformat(value[:40])
        elif isinstance(value, int | float) and not isinstance(value, bool):
            instant = datetime.fromtimestamp(value / 1000 if value > 10**11 else value, UTC)
    except (ValueError, OverflowError, OSError):
        instant = at
    instant = instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant
    try:
        instant = instant.astimezone(UTC)
    except OverflowError:
        instant = at
    if not at - MAX_AGE <= instant <= at + timedelta(hours=1):
        instant = at
    return instant.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
