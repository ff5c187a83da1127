"""What a client is told when it is made, checked at once: this is the only place that raises."""

import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from ensign_engine import Ruleset, RulesetError

from ensign_sdk.types import Impression

if TYPE_CHECKING:
    from ensign_sdk._internal.trust import Trust

CustomStrategy = Callable[[Mapping[str, str], Any], bool]
Document = Mapping[str, Any] | bytes | str | os.PathLike[str]
"""Rules in the wire format: as objects, as JSON in bytes (the quickest), or the path of a file with that JSON."""

BUILT_IN = (
    "default", "userWithId", "gradualRolloutUserId", "gradualRolloutSessionId", "gradualRolloutRandom",
    "flexibleRollout", "remoteAddress", "applicationHostname",
)  # fmt: skip


class Endpoint(NamedTuple):
    """Where the server is. `base` is the path up to and including `/api`, without a slash at its end."""

    secure: bool
    host: str
    port: int
    base: str

    @classmethod
    def parse(cls, url: object) -> "Endpoint":
        """From the address of a server, with or without `/api`. Raises ValueError saying what is wrong with it."""
        if not isinstance(url, str) or not url.strip():
            raise ValueError("url is missing: give the address of your Ensign server, e.g. https://flags.example.com")
        try:
            parts = urlsplit(url.strip())
            port = parts.port
        except ValueError as problem:
            raise ValueError(f"url {url!r} cannot be used: {problem}") from None
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError(f"url {url!r} must look like https://flags.example.com")
        if parts.username is not None or parts.query or parts.fragment:
            raise ValueError("url must not hold a user name, a query or a fragment; the token has an option of its own")
        path = "/".join(part for part in parts.path.split("/") if part)
        for ending in ("client/features", "features"):
            path = path.removesuffix(ending).rstrip("/")
        base = f"/{path}" if path == "api" or path.endswith("/api") else f"/{path}/api".replace("//", "/")
        if any(character <= " " or character > "~" for character in base):
            raise ValueError(f"url {url!r} holds characters that must be percent-encoded")
        secure = parts.scheme == "https"
        return cls(secure, parts.hostname, port or (443 if secure else 80), base)

    @property
    def origin(self) -> str:
        """The address without the path, for messages."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.secure else 'http'}://{host}:{self.port}"


class Config(NamedTuple):
    """A checked configuration; times are in seconds."""

    endpoint: Endpoint
    token: str
    app_name: str
    environment: str | None
    instance_id: str
    refresh_interval: float
    metrics_interval: float
    timeout: float
    cache_dir: Path | None
    bootstrap: Document | None
    custom_strategies: Mapping[str, CustomStrategy]
    on_impression: Callable[[Impression], object] | None
    what_is_sent: Callable[[bytes], object] | None
    streaming: bool
    trust: "Trust | None" = None

    @property
    def sends_metrics(self) -> bool:
        """A metrics interval of 0 means that no counts leave the process."""
        return self.metrics_interval > 0

    def headers(self, connection_id: str) -> dict[str, str]:
        """What every request says about this client (wire contracts, section 2)."""
        from urllib.parse import quote  # here: evaluating needs none of it

        from ensign_sdk.version import SDK, SPEC, VERSION  # here: evaluating needs none of it

        return {
            "Authorization": self.token,
            "User-Agent": f"ensign-sdk-python/{VERSION}",
            "unleash-appname": quote(self.app_name, safe=" !#$&'()*+,/:;=?@[]"),
            "unleash-instanceid": self.instance_id,
            "unleash-connection-id": connection_id,
            "unleash-sdk": SDK,
            "unleash-interval": str(int(self.refresh_interval * 1000)),
            "Unleash-Client-Spec": SPEC,
            **({} if self.trust is None else {"Ensign-Signed": "1"}),
        }


def configured(
    *,
    url: object,
    token: object,
    app_name: object,
    environment: object,
    instance_id: object,
    refresh_interval: object,
    metrics_interval: object,
    timeout: object,
    cache_dir: str | os.PathLike[str] | bool | None,
    bootstrap: Document | None,
    custom_strategies: Mapping[str, CustomStrategy] | None,
    on_impression: Callable[[Impression], object] | None,
    what_is_sent: Callable[[bytes], object] | None,
    streaming: object,
    public_key: str | Iterable[str] | None = None,
    projects: Iterable[str] | None = None,
) -> Config:
    """The configuration. Raises ValueError naming the option and the remedy."""
    if not isinstance(token, str) or not token.strip():
        raise ValueError("token is missing: make a backend token for this environment in Ensign")
    token = token.strip()
    if any(not "!" <= character <= "~" for character in token):
        raise ValueError("token holds characters that no token has; was it pasted with a line break?")
    for name, function in (("on_impression", on_impression), ("what_is_sent", what_is_sent)):
        if function is not None and not callable(function):
            raise ValueError(f"{name} must be a function")
    if not isinstance(streaming, bool):
        raise ValueError("streaming must be True or False")
    return Config(
        endpoint=Endpoint.parse(url),
        token=token,
        app_name=_label("app_name", app_name),
        environment=None if environment is None else _label("environment", environment),
        instance_id=os.urandom(8).hex() if instance_id is None else _header("instance_id", instance_id),
        refresh_interval=_seconds("refresh_interval", refresh_interval, least=0.05),
        metrics_interval=_seconds("metrics_interval", metrics_interval, least=0.0),
        timeout=_seconds("timeout", timeout, least=0.05),
        cache_dir=_directory(cache_dir),
        bootstrap=bootstrap,
        custom_strategies=strategies(custom_strategies),
        on_impression=on_impression,
        what_is_sent=what_is_sent,
        streaming=streaming,
        trust=trusting(public_key, projects=projects, token=token),
    )


def trusting(given: object, *, projects: object = None, token: str = "") -> "Trust | None":
    """What checks signatures, if a public key is given. Raises ValueError."""
    if isinstance(projects, str) or not (projects is None or isinstance(projects, Iterable)):
        raise ValueError("projects must be a list of project keys")
    wanted = None if projects is None else tuple(projects)
    if given is None:
        if wanted is not None:
            raise ValueError("projects says what must be signed; give public_key, too")
        return None
    from ensign_sdk._internal.trust import Trust, keys_of, place_of  # deferred: who verifies nothing loads nothing

    named, environment = place_of(token)
    projects = named if wanted is None else wanted
    return Trust(keys_of(given), environment=environment, projects=projects, named=wanted is not None)


def strategies(given: object) -> Mapping[str, CustomStrategy]:
    """Custom strategies, checked. Raises ValueError."""
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise ValueError("custom_strategies must map names to functions of (parameters, context)")
    for name, function in given.items():
        if not isinstance(name, str) or not callable(function):
            raise ValueError(f"custom_strategies[{name!r}] must be a function of (parameters, context)")
        if name in BUILT_IN:
            raise ValueError(f"custom_strategies[{name!r}] would replace a built-in strategy; choose another name")
    return dict(given)


def parsed(document: Document, option: str, **options: Any) -> Ruleset:
    """The ruleset of a document or of the file that holds it. Raises ValueError naming `option`."""
    try:
        source: Any = document if isinstance(document, Mapping) else read_bytes(document)
        return Ruleset.parse(source, **options)
    except (OSError, TypeError) as problem:
        raise ValueError(f"{option} cannot be read: {problem}") from problem
    except RulesetError as problem:
        raise ValueError(f"{option} is no ruleset: {problem}") from problem


def read_bytes(document: bytes | str | os.PathLike[str]) -> bytes:
    """The JSON of a document in bytes, or of the file that holds it. Raises OSError and TypeError."""
    return document if isinstance(document, bytes) else Path(document).read_bytes()


def _label(option: str, value: object) -> str:
    if not isinstance(value, str) or not 0 < len(value.strip()) <= 200:
        raise ValueError(f"{option} must be a text of 1 to 200 characters")
    if any(character < " " or "\ud800" <= character <= "\udfff" for character in value):
        raise ValueError(f"{option} must not hold control characters")
    return value.strip()


def _header(option: str, value: object) -> str:
    text = _label(option, value)
    if any(character > "~" for character in text):
        raise ValueError(f"{option} must be plain ASCII")
    return text


def _seconds(option: str, value: object, *, least: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= 86_400:
        raise ValueError(f"{option} must be a number of seconds from {least:g} to 86400")
    return float(value)


def _directory(given: str | os.PathLike[str] | bool | None) -> Path | None:
    """Where to keep rules: `given`, or nowhere for False, or the user's cache directory."""
    if given is False:
        return None
    if given is None or given is True:
        cache = os.environ.get("XDG_CACHE_HOME", "")
        return Path(cache if os.path.isabs(cache) else os.path.expanduser("~/.cache")) / "ensign"
    try:
        return Path(given)
    except TypeError:
        raise ValueError("cache_dir must be a path, or False for none") from None
