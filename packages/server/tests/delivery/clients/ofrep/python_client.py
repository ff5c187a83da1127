"""OpenFeature's Python SDK with the OFREP provider in a process of its own: every flag for every context, twice.

After the first round it asks for the watched flag until that is off, as there is nothing that tells it.
"""

import json
import sys
import time

from openfeature import api
from openfeature.contrib.provider.ofrep import OFREPProvider
from openfeature.evaluation_context import EvaluationContext

given = json.loads(sys.argv[1])
api.set_provider(OFREPProvider(given["url"], headers_factory=lambda: {"Authorization": f"Bearer {given['token']}"}))
client = api.get_client()
ask = {
    "boolean": client.get_boolean_details, "string": client.get_string_details, "integer": client.get_integer_details,
    "float": client.get_float_details, "object": client.get_object_details,
}  # fmt: skip


def answer(key: str, kind: str, default: object, attributes: dict[str, object]) -> dict[str, object]:
    """What the client says about one flag."""
    rest = {name: value for name, value in attributes.items() if name != "targetingKey"}
    details = ask[kind](key, default, EvaluationContext(attributes.get("targetingKey"), rest))
    error = None if details.error_code is None else details.error_code.value
    return {"value": details.value, "variant": details.variant, "reason": str(details.reason), "error": error}


def answers() -> list[list[dict[str, object]]]:
    """Those of all flags for all contexts."""
    return [[answer(*flag, context) for context in given["contexts"]] for flag in given["flags"]]


print(json.dumps(answers()), flush=True)
deadline = time.monotonic() + 30
while client.get_boolean_value(given["watch"], True) and time.monotonic() < deadline:
    time.sleep(0.05)
print(json.dumps(answers()), flush=True)
