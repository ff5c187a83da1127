"""Hashing identifiers into buckets (semantics, section 4; normative).

`murmur3_x86_32(utf8(group + ":" + identifier), seed)` as unsigned 32 bits; the bucket is
`hash % normaliser + 1`, so 1..normaliser. Golden vectors: conformance/bucketing.json.
"""

from collections.abc import Callable

from mmh3 import mmh3_32_uintdigest

ROLLOUT_SEED = 0
VARIANT_SEED = 86_028_157
ROLLOUT_NORMALISER = 100

digest: Callable[[bytes, int], int] = mmh3_32_uintdigest
"""(data, seed) -> unsigned hash of *bytes*.

Never pass text to this library: `mmh3.hash` of a string with a lone surrogate (which JSON can carry) ends the
process with a segmentation fault (5.3.1). Encoding first raises UnicodeEncodeError instead, and is as fast."""


def well_formed(value: str) -> str:
    """`value` with lone surrogates, which UTF-8 cannot carry, replaced by U+FFFD as encoders commonly do."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return value


def hash32(group: str, identifier: str, seed: int = ROLLOUT_SEED) -> int:
    """The unsigned 32-bit hash of `group` and `identifier` joined by a colon, which is always there."""
    return digest(well_formed(f"{group}:{identifier}").encode(), seed)


def bucket(group: str, identifier: str, normaliser: int, seed: int = ROLLOUT_SEED) -> int:
    """The bucket, 1..`normaliser`, of `identifier` in `group`.

    Raises ValueError unless `normaliser` is positive.
    """
    if normaliser < 1:
        raise ValueError(f"a normaliser must be at least 1, not {normaliser}")
    return hash32(group, identifier, seed) % normaliser + 1
