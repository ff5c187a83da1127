"""SAML as a kind of provider: its settings, checked. Neither python3-saml nor lxml is loaded before it is used."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from importlib.util import find_spec
from typing import Any, Final
from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from ensign.control.identity.sso import kinds
from ensign.control.identity.sso.domain import ProviderView, Purpose
from ensign.control.kernel import fetching
from ensign.control.kernel.errors import Invalid

#: What the settings of a SAML provider hold besides ``certificates``; the flags with what they are without a word.
TEXTS: Final = ("entity_id", "sign_on_url", "logout_url", "metadata_url", "email_attribute", "name_attribute")
FLAGS: Final[Mapping[str, bool]] = {
    "message_signed": True,
    "encrypted": False,
    "sha1": False,
    "idp_initiated": False,
    "any_name_id": False,
}
CERTIFICATES_MAX: Final = 6


def available() -> bool:
    """Whether this installation has the extra ``ensign[saml]``."""
    return find_spec("onelogin") is not None and find_spec("xmlsec") is not None


def register() -> None:
    """Offer SAML, where its libraries are installed. Once, while Django starts."""
    if available():
        kinds.register(
            "saml",
            kinds.KindOfProvider(
                title="SAML 2.0", begin=begin, clean=clean, addresses=addresses, lasting=("entity_id",)
            ),
        )


def begin(
    request: HttpRequest, provider: ProviderView, *, purpose: Purpose, target: str, hint: str, at: datetime
) -> HttpResponse:
    """Send the browser to the provider."""
    from ensign.control.identity.sso import saml_request  # deferred: python3-saml and libxml2 are an extra, and heavy

    return saml_request.begin(request, provider, purpose=purpose, target=target, hint=hint, at=at)


def addresses(provider: ProviderView) -> tuple[tuple[str, str], ...]:
    """What to enter at the provider."""
    base = f"{settings.PUBLIC_URL}/sso/{provider.key}"
    return (
        ("Metadata, also our entity ID (audience)", f"{base}/metadata"),
        ("Reply address (assertion consumer service)", f"{base}/acs"),
        ("Log-out address", f"{base}/slo"),
    )


def clean(shape: str, given: Mapping[str, Any]) -> dict[str, Any]:  # noqa: ARG001  # the signature is every kind's
    """The settings that are kept.

    ``metadata`` (XML as text) or a ``metadata_url`` says who the provider is and which certificates it signs with;
    else ``entity_id``, ``sign_on_url``, ``logout_url`` and ``certificates`` (PEM, one after another, or a list) do.

    :raises Invalid: naming the fields.
    """
    kept: dict[str, Any] = {name: str(given.get(name) or "").strip() for name in TEXTS}
    kept.update({name: bool(given.get(name, default)) for name, default in FLAGS.items()})
    pasted = str(given.get("metadata") or "").strip()
    fetch = kept["metadata_url"] and (given.get("read_again", True) or not kept["entity_id"])
    if pasted or fetch:
        from ensign.control.identity.sso import saml_metadata  # deferred: lxml is an extra, and heavy

        text = pasted or _fetched(kept["metadata_url"])
        found = saml_metadata.read(text, field="metadata" if pasted else "metadata_url")
        kept.update(entity_id=found.entity_id, sign_on_url=found.sign_on_url, logout_url=found.logout_url)
        kept["certificates"] = list(found.certificates)
    else:
        kept["certificates"] = _certificates(given.get("certificates"))
    _check(kept)
    return kept


def _check(kept: Mapping[str, Any]) -> None:
    wrong: dict[str, str] = {}
    if not kept["entity_id"] or len(kept["entity_id"]) > 1024:
        wrong["entity_id"] = "Enter the provider's entity ID, or its metadata."
    if not kept["certificates"]:
        wrong["certificates"] = "Paste the certificate that the provider signs with, or its metadata."
    elif len(kept["certificates"]) > CERTIFICATES_MAX:
        wrong["certificates"] = f"At most {CERTIFICATES_MAX}."
    for name in ("sign_on_url", "logout_url"):
        if (kept[name] or name == "sign_on_url") and not _address(kept[name]):
            wrong[name] = "Enter a full https address."
    if any(len(kept[name]) > 2048 for name in TEXTS):
        wrong["metadata_url"] = "One of the texts is too long."
    if wrong:
        raise Invalid("The provider's settings are not complete.", fields=wrong)


def _address(text: str) -> bool:
    """A full https address; http only while Ensign itself is tried out over http."""
    parts = urlsplit(text)
    schemes = {"https"} if urlsplit(settings.PUBLIC_URL).scheme == "https" else {"https", "http"}
    return parts.scheme in schemes and bool(parts.hostname) and text.isprintable() and " " not in text


def _certificates(given: Any) -> list[str]:
    from ensign.control.identity.sso import saml_metadata  # deferred: lxml is an extra, and heavy

    if isinstance(given, str):
        mark = "-----BEGIN CERTIFICATE-----"
        parts = [part.partition("-----END")[0] for part in given.split(mark)] if mark in given else given.split("\n\n")
    else:
        parts = [str(part) for part in given or []]
    found = [saml_metadata.clean_certificate(part) for part in parts if part.strip()]
    return list(dict.fromkeys(found))


def _fetched(url: str) -> str:
    try:
        answer = fetching.fetch(fetching.guarded(url), headers={"Accept": "*/*"}, limit=1024 * 1024)
    except Invalid as error:
        raise Invalid(error.message, fields={"metadata_url": error.message}, remedy=error.remedy) from error
    except OSError as error:
        raise Invalid(
            "The metadata cannot be read.", fields={"metadata_url": "The address does not answer."}
        ) from error
    if answer.status != 200:
        message = f"The address answers with {answer.status}."
        raise Invalid("The metadata cannot be read.", fields={"metadata_url": message})
    return answer.body.decode("utf-8", "replace")
