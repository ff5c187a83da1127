"""A strict Ed25519 verifier in plain Python (RFC 8032 section 5.1.7), so that a bundle needs only Python.

Strict means that a signature has one accepted spelling: S < L, the public key and R in canonical form
(y < p, no "minus zero"), public keys of small order refused, and the equation without cofactor. Whatever this
accepts, every conforming implementation accepts; a changed byte is never accepted.
Verifying handles public data only, hence nothing here needs to run in constant time. It cannot sign.
Speed: a few hundred verifications a second.
"""

from hashlib import sha512

# Parameters of edwards25519, RFC 8032 section 5.1.
P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
_D = -121665 * pow(121666, -1, P) % P
_SQRT_M1 = pow(2, (P - 1) // 4, P)

Point = tuple[int, int, int, int]
"""Extended homogeneous coordinates (X, Y, Z, T) with x = X/Z, y = Y/Z, xy = T/Z (section 5.1.4)."""

_NEUTRAL: Point = (0, 1, 1, 0)


def verify(*, public_key: bytes, message: bytes, signature: bytes) -> bool:
    """Tell whether ``signature`` (64 bytes) over ``message`` is of ``public_key`` (32 bytes).

    False for anything malformed; never raises for bytes.
    """
    if len(public_key) != 32 or len(signature) != 64:
        return False
    key_point = _decompress(public_key)
    if key_point is None or _is_small_order(key_point):
        return False
    r_bytes, s = signature[:32], int.from_bytes(signature[32:], "little")
    if s >= L:
        return False
    k = int.from_bytes(sha512(r_bytes + public_key + message).digest(), "little") % L
    # S*B = R + k*A, checked as encode(S*B - k*A) == R: an R that is not in canonical form never matches.
    return _compress(_double_multiply(s, _BASE, k, _negate(key_point))) == r_bytes


def _add(a: Point, b: Point) -> Point:
    x1, y1, z1, t1 = a
    x2, y2, z2, t2 = b
    aa = (y1 - x1) * (y2 - x2) % P
    bb = (y1 + x1) * (y2 + x2) % P
    cc = 2 * t1 * t2 * _D % P
    dd = 2 * z1 * z2 % P
    e, f, g, h = bb - aa, dd - cc, dd + cc, bb + aa
    return (e * f % P, g * h % P, f * g % P, e * h % P)


def _double(a: Point) -> Point:
    x, y, z, _ = a
    aa, bb, cc = x * x % P, y * y % P, 2 * z * z % P
    h = aa + bb
    e = h - (x + y) * (x + y) % P
    g = aa - bb
    f = cc + g
    return (e * f % P, g * h % P, f * g % P, e * h % P)


def _negate(a: Point) -> Point:
    return (P - a[0], a[1], a[2], P - a[3])


def _double_multiply(s: int, base: Point, k: int, point: Point) -> Point:
    """Return s*base + k*point with one chain of doublings."""
    both = _add(base, point)
    result = _NEUTRAL
    for bit in range(max(s.bit_length(), k.bit_length()) - 1, -1, -1):
        result = _double(result)
        if s >> bit & 1:
            result = _add(result, both if k >> bit & 1 else base)
        elif k >> bit & 1:
            result = _add(result, point)
    return result


def _is_small_order(a: Point) -> bool:
    x, y, z, _ = _double(_double(_double(a)))
    return x % P == 0 and (y - z) % P == 0


def _compress(a: Point) -> bytes:
    inverse = pow(a[2], -1, P)
    x, y = a[0] * inverse % P, a[1] * inverse % P
    return (y | (x & 1) << 255).to_bytes(32, "little")


def _decompress(data: bytes) -> Point | None:
    """Decode a point (RFC 8032 section 5.1.3); None if it is not on the curve or not canonical."""
    y = int.from_bytes(data, "little")
    sign = y >> 255
    y &= (1 << 255) - 1
    if y >= P:
        return None
    u, v = (y * y - 1) % P, (_D * y * y + 1) % P
    x = u * pow(v, 3, P) * pow(u * pow(v, 7, P), (P - 5) // 8, P) % P
    square = v * x * x % P
    if square == P - u and u != 0:
        x = x * _SQRT_M1 % P
    elif square != u:
        return None
    if x == 0 and sign:
        return None
    if x & 1 != sign:
        x = P - x
    return (x, y, 1, x * y % P)


def _base_point() -> Point:
    point = _decompress((4 * pow(5, -1, P) % P).to_bytes(32, "little"))
    if point is None:
        raise ArithmeticError("the base point is not on the curve")
    return point


_BASE = _base_point()
