"""ECDSA over P-256 with SHA-256 (FIPS 186-5 section 6.4.2) in plain Python, to verify only: it cannot sign.

A signature is the DER of ``SEQUENCE { r, s }`` (WebAuthn Level 2, section 6.5.5) in its one spelling: every other
encoding of the same two numbers is refused. Both ``s`` and ``n - s`` verify, as authenticators give either; nothing
of ours identifies anything by the bytes of a signature, so that second spelling gains nobody anything.
Verifying handles public data only, hence nothing here needs to run in constant time.
"""

from hashlib import sha256

# Parameters of P-256, SP 800-186 section 3.2.1.3; a = -3.
P = 2**256 - 2**224 + 2**192 + 2**96 - 1
N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_B = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
_G = (
    0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
    0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
    1,
)

Point = tuple[int, int, int]
"""Jacobian coordinates (X, Y, Z) with x = X/Z^2 and y = Y/Z^3; Z = 0 is the point at infinity."""

_INFINITY: Point = (1, 1, 0)


def on_curve(x: int, y: int, /) -> bool:
    """Tell whether (x, y) is a point of the curve, in its one spelling; there is no other subgroup (cofactor 1)."""
    return 0 <= x < P and 0 <= y < P and (y * y - (x * x - 3) * x - _B) % P == 0


def verify(*, public_key: tuple[int, int], message: bytes, signature: bytes) -> bool:
    """Tell whether ``signature`` (DER) over ``message`` is of the key at the point ``public_key``.

    False for anything malformed; never raises for bytes.
    """
    numbers = _numbers(signature)
    if numbers is None or not on_curve(*public_key):
        return False
    r, s = numbers
    if not (0 < r < N and 0 < s < N):
        return False
    w = pow(s, -1, N)
    e = int.from_bytes(sha256(message).digest(), "big")
    x, _, z = _double_multiply(e * w % N, r * w % N, (*public_key, 1))
    if z == 0:
        return False
    z2 = z * z % P
    # x(R) mod n equals r: x(R) is r, or r + n where that is still below p.
    return (x - r * z2) % P == 0 or (r + N < P and (x - (r + N) * z2) % P == 0)


def _numbers(der: bytes) -> tuple[int, int] | None:
    """r and s of a DER signature; None unless it is written exactly as DER demands."""
    if len(der) < 8 or der[0] != 0x30 or der[1] != len(der) - 2 or len(der) > 72:
        return None
    r, rest = _integer(der[2:])
    s, rest = _integer(rest)
    return None if r is None or s is None or rest else (r, s)


def _integer(data: bytes) -> tuple[int | None, bytes]:
    """A non-negative INTEGER in the shortest form (X.690 section 8.3) and what follows it."""
    if len(data) < 3 or data[0] != 2 or not 1 <= data[1] <= min(33, len(data) - 2):
        return None, b""
    body, rest = data[2 : 2 + data[1]], data[2 + data[1] :]
    if body[0] & 0x80 or (len(body) > 1 and body[0] == 0 and not body[1] & 0x80):
        return None, b""
    return int.from_bytes(body, "big"), rest


def _double(a: Point) -> Point:
    x, y, z = a
    delta, gamma = z * z % P, y * y % P
    beta = x * gamma % P
    alpha = 3 * (x - delta) * (x + delta) % P
    x3 = (alpha * alpha - 8 * beta) % P
    return x3, (alpha * (4 * beta - x3) - 8 * gamma * gamma) % P, ((y + z) ** 2 - gamma - delta) % P


def _add(a: Point, b: Point) -> Point:
    if a[2] == 0 or b[2] == 0:
        return b if a[2] == 0 else a
    x1, y1, z1 = a
    x2, y2, z2 = b
    z11, z22 = z1 * z1 % P, z2 * z2 % P
    u1, u2 = x1 * z22 % P, x2 * z11 % P
    s1, s2 = y1 * z2 * z22 % P, y2 * z1 * z11 % P
    if u1 == u2:
        return _double(a) if s1 == s2 else _INFINITY
    h, r = u2 - u1, s2 - s1
    hh = h * h % P
    hhh, v = h * hh % P, u1 * hh % P
    x3 = (r * r - hhh - 2 * v) % P
    return x3, (r * (v - x3) - s1 * hhh) % P, z1 * z2 * h % P


def _double_multiply(u: int, v: int, point: Point) -> Point:
    """u*G + v*point: one chain of doublings, two bits of each number at a time."""
    rows = [_INFINITY, point, _double(point), _add(_double(point), point)]
    columns = [_INFINITY, _G, _double(_G), _add(_double(_G), _G)]
    table = [_add(row, column) for row in rows for column in columns]
    result = _INFINITY
    for at in range(254, -1, -2):
        result = _double(_double(result))
        index = (v >> at & 3) << 2 | u >> at & 3
        if index:
            result = _add(result, table[index])
    return result
