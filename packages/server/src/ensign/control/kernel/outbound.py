"""The guard on every outgoing URL: resolve once, refuse what is not a public address, connect to that very address.

``ipaddress.is_global`` on Python 3.11 passes some embedded and site-local addresses, so those are denied by name.
Addresses of the operator's own network are allowed by ``ENSIGN_OUTBOUND_ALLOW`` (comma-separated networks).
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

import urllib3

from ensign.control.kernel.errors import Invalid

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

#: NAT64, 6to4, Teredo, IETF protocol assignments, site-local: public in name, private in effect.
_DENIED: tuple[Network, ...] = tuple(
    ipaddress.ip_network(text)
    for text in ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32", "192.0.0.0/24", "fec0::/10")
)
_REMEDY = "Use a public https address, or let the operator allow the network with ENSIGN_OUTBOUND_ALLOW."


def networks(text: str) -> list[Network]:
    """Parse a comma-separated list of networks.

    :raises ValueError: naming the part that is no network.
    """
    return [ipaddress.ip_network(part.strip()) for part in text.split(",") if part.strip()]


def allowed(address: Address, allow: Sequence[Network]) -> bool:
    """Whether an outgoing connection to ``address`` is permitted."""
    mapped = getattr(address, "ipv4_mapped", None)
    if mapped is not None:
        return allowed(mapped, allow)
    if any(address in network for network in allow if network.version == address.version):
        return True
    if any(address in network for network in _DENIED if network.version == address.version):
        return False
    return address.is_global and not address.is_multicast


def within(address: str, allow: Sequence[Network]) -> bool:
    """Whether an address lies in one of the networks that were allowed by name."""
    found = ipaddress.ip_address(address)
    found = getattr(found, "ipv4_mapped", None) or found
    return any(found in network for network in allow if network.version == found.version)


@dataclass(frozen=True, slots=True)
class Target:
    """A URL with the one address that it may be reached at."""

    url: str
    scheme: str
    host: str
    port: int
    path: str
    address: str


def check(url: str, *, allow: Sequence[Network] = ()) -> Target:
    """Resolve ``url`` and refuse it unless every address that it resolves to is permitted.

    :raises Invalid: saying what is wrong with the URL.
    """
    try:
        parts = urlsplit(url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError as error:
        raise Invalid(f"{url!r} is not a URL: {error}", remedy="Give a full https URL.") from error
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username or parts.password:
        raise Invalid("An outgoing URL is http or https, names a host and holds no password.", remedy=_REMEDY)
    try:
        found = {row[4][0] for row in socket.getaddrinfo(parts.hostname, port, type=socket.SOCK_STREAM)}
    except OSError as error:
        raise Invalid(f"The host {parts.hostname} cannot be resolved.", remedy="Check the spelling.") from error
    addresses = [ipaddress.ip_address(str(text).partition("%")[0]) for text in found]
    if not addresses or not all(allowed(address, allow) for address in addresses):
        raise Invalid(f"The host {parts.hostname} is not a public address.", remedy=_REMEDY)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(url, parts.scheme, parts.hostname, port, path, str(sorted(addresses, key=str)[0]))


def post(target: Target, body: bytes, *, headers: dict[str, str], timeout: float = 10.0) -> int:
    """POST ``body`` to the checked address, following no redirects; returns the status code.

    :raises OSError: when the connection fails.
    """
    pool: urllib3.HTTPConnectionPool
    if target.scheme == "https":
        pool = urllib3.HTTPSConnectionPool(
            target.address, target.port, assert_hostname=target.host, server_hostname=target.host
        )
    else:
        pool = urllib3.HTTPConnectionPool(target.address, target.port)
    host = target.host if target.port in {80, 443} else f"{target.host}:{target.port}"
    try:
        with pool:
            response = pool.request(
                "POST", target.path, body=body, headers={"Host": host, **headers},
                timeout=timeout, retries=False, redirect=False,
            )  # fmt: skip
            return response.status
    except urllib3.exceptions.HTTPError as error:
        raise OSError(str(error)) from error
