"""Unleash's Python SDK in a process of its own: answers for every flag, follows one change, sends counts."""

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
)
client.initialize_client()


def answer(flag: str, context: dict[str, object]) -> list[object]:
    """[on, variant, payload] of one flag for one context."""
    variant = client.get_variant(flag, dict(context))
    return [client.is_enabled(flag, dict(context)), variant["name"], variant.get("payload")]


print(json.dumps([[answer(flag, context) for context in given["contexts"]] for flag in given["flags"]]), flush=True)
deadline = time.monotonic() + 30
while client.is_enabled(given["watch"]) and time.monotonic() < deadline:
    time.sleep(0.05)
time.sleep(1.5)  # the SDK sends counts once a second
client.destroy()
print(json.dumps("changed"), flush=True)
