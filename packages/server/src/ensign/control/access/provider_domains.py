"""The e-mail domains that an identity provider may vouch for."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from ensign.control.kernel.errors import Invalid

DOMAINS_MAX: Final = 50

_DOMAIN: Final = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]{1,62}\Z")
#: Where anybody gets an address: whoever is routed by these is nobody's employee.
_PUBLIC: Final = frozenset(
    {
        "gmail.com", "googlemail.com", "outlook.com", "hotmail.com", "live.com", "msn.com", "yahoo.com", "icloud.com",
        "me.com", "aol.com", "proton.me", "protonmail.com", "gmx.de", "gmx.net", "web.de", "mail.ru", "qq.com",
    }
)  # fmt: skip


def clean_domains(given: Sequence[str]) -> list[str]:
    """They in lower case, once each, in order.

    :raises Invalid: for what is no domain or everybody's, or for too many.
    """
    found = sorted({text.strip().lower().removeprefix("@") for text in given} - {""})
    for domain in found:
        if not _DOMAIN.match(domain) or len(domain) > 253:
            raise Invalid(
                "A domain is not valid.", fields={"domains": f"Write domains like example.com, not {domain}."}
            )
        if domain in _PUBLIC:
            text = f"Anybody gets an address at {domain}; name your organisation's own domains."
            raise Invalid("A domain is everybody's.", fields={"domains": text})
    if len(found) > DOMAINS_MAX:
        raise Invalid("There are too many domains.", fields={"domains": f"At most {DOMAINS_MAX}."})
    return found
