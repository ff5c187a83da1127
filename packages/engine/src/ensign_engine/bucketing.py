"""Hashing identifiers into buckets (semantics, section 4; normative).

`murmur3_x86_32(utf8(group + ":" + identifier), seed)` as unsigned 32 bits; the bucket is
`hash % normaliser + 1`, so 1..normaliser. Golden vectors: conformance/bucketing.json.
"""

from collections.abc import Callable

import mmh3

ROLLOUT_SEED = 0
VARIANT_SEED = 86_028_157
ROLLOUT_NORMALISER = 100

unchecked_hash: Callable[[str, int, bool], int] = mmh3.hash
"""(text, seed, signed) -> hash; positional arguments, for speed.

Only for text that UTF-8 can carry: given a lone surrogate, which JSON can hold, mmh3 (5.3.1) ends the process
with a segmentation fault. Ask `isascii()` or `encode()` first, or call `hash32`, which is safe with any text."""


def well_formed(value: str) -> str:
    """`value` with lone surrogates, which UTF-8 cannot carry, replaced by U+FFFD as encoders commonly do."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return value


def hash32(group: str, identifier: str, seed: int = ROLLOUT_SEED) -> int:
    """The unsigned 32-bit hash of `group` and `identifier` joined by a colon, which is always there."""
    return unchecked_hash(well_formed(f"{group}:{identifier}"), seed, False)


def bucket(group: str, identifier: str, normaliser: int, seed: int = ROLLOUT_SEED) -> int:
    """The bucket, 1..`normaliser`, of `identifier` in `group`.

    Raises ValueError unless `normaliser` is positive.
    """
    if normaliser < 1:
        raise ValueError(f"a normaliser must be at least 1, not {normaliser}")
    return hash32(group, identifier, seed) % normaliser + 1
