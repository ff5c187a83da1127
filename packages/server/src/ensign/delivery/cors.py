"""Cross-origin rules of the front-end API and of OFREP (wire contracts, 4.4 and 6.5)."""

from __future__ import annotations

from ensign.delivery.http import Header, Request, Response

FRONTEND_METHODS = b"GET, HEAD, PUT, PATCH, POST, DELETE"
FRONTEND_HEADERS = b"authorization, content-type, if-none-match"
VARY: Header = (b"vary", b"Origin, Accept-Encoding")


class Cors:
    """Allows `origins`; `*` alone allows every one.

    `methods` and `headers` are what a request may have (a preflight's wishes are reflected), `exposed` is what a page
    may read of an answer.
    """

    def __init__(
        self,
        origins: tuple[str, ...],
        *,
        methods: bytes = FRONTEND_METHODS,
        headers: bytes = FRONTEND_HEADERS,
        exposed: bytes = b"ETag",
    ) -> None:
        self._methods, self._headers, self._exposed = methods, headers, exposed
        self._all = "*" in origins
        self._origins = frozenset(origin.rstrip("/").lower() for origin in origins)

    def headers(self, request: Request) -> tuple[Header, ...]:
        """What every answer carries; nothing but `Vary` for an origin that is not allowed."""
        origin = request.header(b"origin")
        if self._all:
            allowed = b"*"
        elif origin and origin.lower() in self._origins:
            allowed = origin.encode("latin-1")
        else:
            return (VARY,)
        return (
            VARY,
            (b"access-control-allow-origin", allowed),
            (b"access-control-allow-credentials", b"true"),
            (b"access-control-expose-headers", self._exposed),
        )

    def preflight(self, request: Request) -> Response:
        """The answer to OPTIONS: 204, without asking for a token, as browsers send none."""
        headers = self.headers(request)
        if len(headers) > 1:
            wanted = request.headers.get(b"access-control-request-headers", self._headers)
            headers = (
                *headers,
                (b"access-control-allow-methods", self._methods),
                (b"access-control-allow-headers", wanted),
                (b"access-control-max-age", b"86400"),
            )
        return Response(204, b"", headers)
