"""For the tests of applications that use flags: a fake client, rules in a few words, a pytest fixture.

>>> from ensign_sdk.testing import FakeClient, variant, when
>>> fake = FakeClient({"menu": True, "limit": variant("high", payload=100), "beta": when(plan="gold")})
>>> fake.is_enabled("beta", {"plan": "gold"}), fake.get_variant("limit").payload
(True, {'type': 'number', 'value': '100'})

A real client on rules of the same kind: `Client.offline(document({"menu": True}))`.
"""

from ensign_sdk.testing.fake import Asked, FakeClient, UnknownFlagError
from ensign_sdk.testing.rules import Flags, Meaning, Rule, document, rollout, split, variant, when

__all__ = [
    "Asked",
    "FakeClient",
    "Flags",
    "Meaning",
    "Rule",
    "UnknownFlagError",
    "document",
    "rollout",
    "split",
    "variant",
    "when",
]
