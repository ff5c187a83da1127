"""The canonical JSON profile in which entries, documents and manifests are written.

It is a strict subset of RFC 8785 (JSON Canonicalization Scheme), chosen so that one value has exactly one
spelling and no number can be read in two ways:

* object keys match ``[a-z0-9_]+``; with ``free_keys=True`` any string is a key (documents whose keys are
  user data), sorted by UTF-16 code units as RFC 8785 section 3.2.3 demands;
* numbers are integers with ``|n| < 2**53``; there are no floats, hence no ``1.0``, ``-0`` or ``NaN``;
* strings hold neither lone surrogates (RFC 8785 section 3.2.2.2) nor U+0000 (PostgreSQL cannot store it);
* nesting is at most ``MAX_DEPTH`` deep.

Under this profile ``json.dumps(sort_keys=True, separators=(",", ":"), ensure_ascii=False)`` gives the same
bytes as RFC 8785; outside it the two diverge, which is why a value is checked before it is written.
The exact bytes are what the log commits to: store them, never re-serialise them.
"""

import json
import re
from collections.abc import Callable, Mapping
from operator import itemgetter
from typing import Any

MAX_ENTRY = 65_535
"""Largest entry in bytes: the limit of C2SP tlog-tiles, whose entry bundles use a 16-bit length."""

MAX_DEPTH = 64
"""Deepest nesting of objects and arrays; a scalar at the top has depth 0."""

MAX_INT = 2**53 - 1
"""Largest magnitude of an integer (RFC 8785 section 3.2.2.3: exact in an IEEE 754 double)."""

_KEY = re.compile(r"[a-z0-9_]+").fullmatch
_KEYS = re.compile(r"[a-z0-9_]*").fullmatch
_NUMBER = re.compile(r"[0-9]{1,15}").sub
_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), sort_keys=True, allow_nan=False)
_ENCODER_IN_ORDER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False)


class CanonicalError(ValueError):
    """A value or text is outside the profile; ``path`` names the place, ``$`` being the top."""

    def __init__(self, message: str, *, path: str = "$") -> None:
        super().__init__(f"{path}: {message}")
        self.path = path


def encode(value: Any, *, free_keys: bool = False) -> bytes:
    """Return the canonical UTF-8 bytes of ``value`` (no trailing newline).

    Accepts ``None``, ``bool``, ``int``, ``str``, lists, tuples and mappings of these.
    Raises CanonicalError, naming the path, for anything outside the profile.
    """
    if not free_keys and _fits(value, 0):
        text = _ENCODER.encode(value)
        # Strings are judged by what became of them: U+0000 is written as an escape (perhaps a false alarm:
        # an escaped backslash before u0000), a lone surrogate has no UTF-8. The slow way then names the path.
        if "\\u0000" not in text:
            try:
                return text.encode("utf-8")
            except UnicodeEncodeError:
                pass
    plain = _plain(value, "$", free_keys, 0)
    # Both calls give RFC 8785 bytes: ASCII keys sort alike by code point and by UTF-16 unit; free keys
    # were put in UTF-16 order by _plain, since above the Basic Multilingual Plane the two orders differ.
    encoder = _ENCODER_IN_ORDER if free_keys else _ENCODER
    return encoder.encode(plain).encode("utf-8")


def decode(data: bytes, *, free_keys: bool = False) -> Any:
    """Return the value whose canonical form is exactly ``data``.

    Refuses, with CanonicalError, everything else: another spelling or order, white space, duplicate keys,
    floats, NaN, invalid UTF-8, trailing bytes. Encoding again and comparing is the whole rule, so that no
    second parser has to agree with the first.
    """
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise CanonicalError(f"not UTF-8 at byte {error.start}") from None
    try:
        value = json.loads(text)
    except RecursionError:
        raise CanonicalError(f"nested more than {MAX_DEPTH} deep") from None
    except ValueError as error:  # also Python's limit on the digits of an integer
        raise CanonicalError(f"not JSON: {error}") from None
    shape = None if free_keys else _Shape(text)
    if shape is not None and shape.known():
        return value
    again = encode(value, free_keys=free_keys)
    if again != data:
        raise CanonicalError(_difference(data, again))
    if shape is not None:
        shape.remember()
    return value


class _Shape:
    """What a JSON text is apart from the contents of its strings and the digits of its numbers.

    A log's entries have few shapes, and encoding each entry again costs more than parsing it. Let a text be JSON,
    in UTF-8, without a backslash or a minus sign outside strings. Cut at its quotation marks, every other part is a
    string; strings without escapes have one spelling (JSON forbids control characters in them). Whether the
    text is canonical then depends on the parts between the strings, numbers of up to 15 digits being equal, and on
    the strings that are keys. If a text with the same of both was found canonical, so is this one.
    """

    _LARGEST = 512
    _known: dict[str, tuple[Callable[[list[str]], Any], Any]] = {}  # a bounded cache of facts

    def __init__(self, text: str) -> None:
        self._parts = text.split('"')
        skeleton = '"'.join(self._parts[::2])
        self._usable = "\\" not in text and "-" not in skeleton
        self._skeleton = _NUMBER("0", skeleton)

    def known(self) -> bool:
        """Whether a text of this shape was found canonical."""
        found = self._known.get(self._skeleton) if self._usable else None
        return found is not None and found[0](self._parts) == found[1]

    def remember(self) -> None:
        """Note that a text of this shape is canonical."""
        parts = self._parts
        keys = [i for i in range(1, len(parts) - 1, 2) if parts[i + 1].startswith(":")]
        if not self._usable or not keys:
            return
        if len(self._known) >= self._LARGEST:
            self._known.clear()
        pick = itemgetter(*keys)
        self._known[self._skeleton] = pick, pick(parts)


def _fits(value: Any, depth: int) -> bool:
    """Tell quickly whether a value of plain types is in the profile, strings aside; False decides nothing."""
    kind = type(value)
    if kind is dict:
        try:
            if depth >= MAX_DEPTH or "" in value or _KEYS("".join(value)) is None:
                return False
        except TypeError:  # a key that is no string, only possible when encoding
            return False
        items = value.values()
    elif kind is list:
        if depth >= MAX_DEPTH:
            return False
        items = value
    else:
        return kind is str or value is None or kind is bool or (kind is int and -MAX_INT <= value <= MAX_INT)
    for item in items:
        kind = type(item)
        if kind is not str and item is not None and not _fits(item, depth + 1):
            return False
    return True


def _plain(value: Any, path: str, free_keys: bool, depth: int) -> Any:
    """Check ``value`` and return it made of plain dicts and lists; dicts are sorted if ``free_keys``."""
    kind = type(value)
    if kind is str:
        if not value.isascii() or "\0" in value:
            _check_text(value, path)
        return value
    if value is None or kind is bool:
        return value
    if isinstance(value, int):
        if not -MAX_INT <= value <= MAX_INT:
            raise CanonicalError("integer outside the range of +-(2**53 - 1)", path=path)
        return int(value)
    if isinstance(value, str):
        _check_text(value, path)
        return str.__str__(value)
    if depth >= MAX_DEPTH and isinstance(value, (Mapping, list, tuple)):
        raise CanonicalError(f"nested more than {MAX_DEPTH} deep", path=path)
    if isinstance(value, Mapping):
        return _plain_mapping(value, path, free_keys, depth)
    if isinstance(value, (list, tuple)):
        return [_plain(item, f"{path}[{i}]", free_keys, depth + 1) for i, item in enumerate(value)]
    if isinstance(value, float):
        raise CanonicalError("floats have no place in the canonical profile", path=path)
    raise CanonicalError(f"{kind.__name__} is not a JSON value", path=path)


def _plain_mapping(value: Mapping[Any, Any], path: str, free_keys: bool, depth: int) -> dict[str, Any]:
    plain: dict[str, Any] = {}
    for key, item in value.items():
        if not isinstance(key, str):
            raise CanonicalError(f"key {key!r} is not a string", path=path)
        if free_keys:
            _check_text(key, path)
        elif _KEY(key) is None:
            raise CanonicalError(f"key {key[:80]!r} does not match [a-z0-9_]+", path=path)
        plain[key] = _plain(item, f"{path}.{key}", free_keys, depth + 1)
    if free_keys:
        return dict(sorted(plain.items(), key=lambda pair: pair[0].encode("utf-16-be")))
    return plain


def _check_text(value: str, path: str) -> None:
    if "\0" in value:
        raise CanonicalError("U+0000 in a string", path=path)
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        raise CanonicalError("lone surrogate in a string", path=path) from None


def _difference(data: bytes, again: bytes) -> str:
    at = next((i for i, (a, b) in enumerate(zip(data, again, strict=False)) if a != b), None)
    place = min(len(data), len(again)) if at is None else at
    return f"not the canonical form (or a key occurs twice): first difference at byte {place}"
