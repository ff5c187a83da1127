"""What the SDK reads from others, each as a function of bytes that must never raise; for hypothesis and for atheris.

`python fuzzed.py [atheris's options]` fuzzes them with coverage as a guide, until it is stopped or something raises.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ensign_engine import Evaluation, Ruleset
from ensign_engine.openfeature import Mapped
from ensign_sdk._internal import backoff
from ensign_sdk._internal.cache import DiskCache, Origin
from ensign_sdk._internal.poller import revision_of
from ensign_sdk._internal.sse import Parser
from ensign_sdk._internal.store import Store

GOOD = {"name": "good", "enabled": True, "strategies": []}
CONTEXTS: list[dict[str, Any]] = [{}, {"userId": "7", "properties": {"plan": "gold", "age": 7, "version": "1.2.3"}}]


def _store() -> Store:
    store = Store(Ruleset.parse({"features": [GOOD]}), lambda _: None)
    store.origin = Origin(None, "s", (1, 5))
    return store


def _asked(store: Store) -> None:
    """Every flag answers; and when nothing was taken in, the old one does."""
    rules = store.ruleset
    for context in CONTEXTS:
        for name in rules.names():
            mapped = Mapped(rules.table[name])
            answer = mapped.flag.choose(context)
            assert type(answer) is Evaluation
            assert answer.enabled is (mapped.flag.decide(context) != 0) or "random" in json.dumps(rules.to_document())
            mapped.resolution(answer)
            rules.explain(name, context).to_dict()
    rules.changed_since(_store().ruleset)


def document(data: bytes) -> None:
    """The answer to `GET /client/features`."""
    store = _store()
    if not store.offer(data, "server", Origin(None, "s", (1, 6))):
        assert store.ruleset.is_enabled("good")
        assert store.error
    _asked(store)


def delta(data: bytes) -> None:
    """The data of an event on the stream, applied twice to a ruleset whose flags were asked."""
    store = _store()
    _asked(store)
    text = data.decode("utf-8", "replace")
    if not store.apply(text, Origin(None, "s", (1, 6))):
        assert store.ruleset.is_enabled("good")
    _asked(store)
    store.apply(text, Origin(None, "s", (1, 7)))
    _asked(store)


def stream(data: bytes) -> None:
    """The bytes of a stream: however they are cut, the events are the same."""

    def read(pieces: list[bytes]) -> list[Any] | None:
        parser = Parser()
        try:
            return [event for piece in pieces for event in parser.feed(piece)]
        except ValueError:  # no UTF-8; the streamer hangs up
            return None

    whole = read([data])
    assert whole == read([data[place : place + 1] for place in range(len(data))])
    for event in whole or ():
        revision_of(event.revision)


def headers(data: bytes) -> None:
    """The headers that are read, with any text in them."""
    text = data.decode("latin-1")
    revision_of(text)
    assert 0 <= backoff.asked(text) <= backoff.LONGEST_ASKED


def cache(data: bytes) -> None:
    """The file of the disk cache."""
    with tempfile.TemporaryDirectory() as folder:
        kept = DiskCache(Path(folder), address="a", token="t", app_name="n")
        kept._path.write_bytes(data)
        kept.load()


READERS: dict[str, Callable[[bytes], None]] = {
    function.__name__: function for function in (document, delta, stream, headers, cache)
}

SEEDS: list[bytes] = [
    json.dumps({"version": 2, "features": [GOOD], "segments": [{"id": 1, "name": "s", "constraints": []}]}).encode(),
    json.dumps({"events": [{"type": "feature-updated", "eventId": 2, "feature": GOOD},
                           {"type": "segment-removed", "segmentId": 1}]}).encode(),
    b'event: unleash-updated\nid: 7\nrevision: 1.7\ndata: {"events": []}\n\n',
    b"Wed, 25 Nov 2026 13:00:00 GMT",
    b'{"etag": null, "scope": null, "revision": null, "sha256": "x"}\n{}',
]  # fmt: skip


def main() -> None:
    """Fuzz all of them, one input for all."""
    import atheris

    atheris.instrument_all()

    def every(data: bytes) -> None:
        for reader in READERS.values():
            reader(data)

    atheris.Setup(sys.argv, every)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
