"""Unleash's Python SDK in a process of its own: answers for every flag, again after a change, sends counts."""

import json
import sys
import time

from UnleashClient import UnleashClient

given = json.loads(sys.argv[1])
client = UnleashClient(
    url=given["url"],
    app_name="python-contract",
    custom_headers={"Authorization": given["token"]},
    refresh_interval=1,
    metrics_interval=1,
    cache_directory=sys.argv[2],
    experimental_mode={"type": given["mode"]},
)
client.initialize_client()
deadline = time.monotonic() + 30
while not client.is_enabled(given["watch"]) and time.monotonic() < deadline:
    time.sleep(0.05)  # a stream's first event comes after `initialize_client` has returned


def answer(flag: str, context: dict[str, object]) -> list[object]:
    """[on, variant, payload] of one flag for one context."""
    variant = client.get_variant(flag, dict(context))
    return [client.is_enabled(flag, dict(context)), variant["name"], variant.get("payload")]


def answers() -> list[object]:
    """Those of all flags for all contexts."""
    return [[answer(flag, context) for context in given["contexts"]] for flag in given["flags"]]


print(json.dumps(answers()), flush=True)
deadline = time.monotonic() + 30
while client.is_enabled(given["watch"]) and time.monotonic() < deadline:
    time.sleep(0.05)
print(json.dumps(answers()), flush=True)
time.sleep(1.5)  # the SDK sends counts once a second
client.destroy()
print(json.dumps("changed"), flush=True)
