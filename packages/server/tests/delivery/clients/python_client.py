"""Unleash's Python SDK as a contract program (`ensign_testkit.programs` says what it answers)."""

import json
import sys
import time

from UnleashClient import UnleashClient

given = json.loads(sys.argv[1])
client = UnleashClient(
    url=given["url"],
    app_name=given["app"],
    custom_headers={"Authorization": given["token"]},
    refresh_interval=1,
    metrics_interval=1,
    cache_directory=given["folder"],
    experimental_mode={"type": given["mode"]},
)
client.initialize_client()
deadline = time.monotonic() + 10
while not client.is_enabled(given["watch"]) and time.monotonic() < deadline:
    time.sleep(0.05)  # a stream's first event comes after `initialize_client` has returned


def answer(flag: str, context: dict[str, object]) -> list[object]:
    """[on, variant, payload] of one flag for one context."""
    variant = client.get_variant(flag, dict(context))
    return [client.is_enabled(flag, dict(context)), variant["name"], variant.get("payload")]


def say(value: object) -> None:
    """One line."""
    print(json.dumps(value), flush=True)


client.impact_metrics.define_counter("sales", "Sales")
client.impact_metrics.increment_counter("sales", 3)
client.impact_metrics.define_gauge("stock", "Stock")
client.impact_metrics.update_gauge("stock", 7)
client.impact_metrics.define_histogram("wait", "Seconds")
client.impact_metrics.observe_histogram("wait", 0.3)
say("ready")
for line in sys.stdin:
    match line.strip():
        case "watch":
            say(client.is_enabled(given["watch"], dict(given["contexts"][0])))
        case "answers":
            say([[answer(flag, context) for context in given["contexts"]] for flag in given["flags"]])
        case "end":
            time.sleep(1.5)  # the SDK sends counts once a second
            client.destroy()
            say("ended")
            break
