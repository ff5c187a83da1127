"""`ensign tokens exchange`: the identity of a CI job for a short-lived token (RFC 8693), without any stored secret."""

from __future__ import annotations

import json
import os
from typing import Annotated, Any
from urllib.parse import urlencode, urlsplit

import typer
import urllib3

from ensign.cli.client import TIMEOUT
from ensign.cli.frame import Json, show
from ensign.cli.remote_access import tokens
from ensign.control.kernel import errors

_GRANT = "urn:ietf:params:oauth:grant-type:token-exchange"
_ID_TOKEN = "urn:ietf:params:oauth:token-type:id_token"  # noqa: S105  # a name of RFC 8693


@tokens.command()
def exchange(
    service_account: Annotated[
        str, typer.Option(help="Its name or id; needed where several rules let the job in.")
    ] = "",
    audience: Annotated[str, typer.Option(help="For whom GitHub makes the ID token. Else ENSIGN_URL.")] = "",
    as_json: Json = False,
) -> None:
    """In a CI job: exchange the job's ID token for a token of a service account, and print that alone.

    GitHub Actions: with `permissions: id-token: write`. GitLab and others: the ID token in ENSIGN_ID_TOKEN.
    """
    url = _address(os.environ.get("ENSIGN_URL", "http://localhost:8000"), "ENSIGN_URL")
    pool = urllib3.PoolManager(timeout=TIMEOUT, retries=False)
    form = {"grant_type": _GRANT, "subject_token": _id_token(pool, audience or url), "subject_token_type": _ID_TOKEN}
    if service_account:
        form["audience"] = service_account
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
    status, body = _send(pool, "POST", f"{url}/api/v1/oidc/token-exchange", headers, urlencode(form).encode())
    if status != 200:
        _complain(status, body)
    show(body, as_json=as_json, text=str(body["access_token"]))


def _id_token(pool: urllib3.PoolManager, audience: str) -> str:
    """The job's ID token, from where its CI puts it."""
    if given := os.environ.get("ENSIGN_ID_TOKEN", "").strip():
        return given
    address = os.environ.get("ACTIONS_ID_TOKEN_REQUEST_URL", "")
    secret = os.environ.get("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "")
    if not address or not secret:
        raise errors.Unauthenticated(
            "There is no ID token of a job here.",
            remedy="GitHub: give the job `permissions: id-token: write`. GitLab: `id_tokens: ENSIGN_ID_TOKEN: aud: …`.",
        )
    _address(address, "ACTIONS_ID_TOKEN_REQUEST_URL")
    headers = {"Authorization": f"Bearer {secret}", "Accept": "application/json"}
    joined = f"{address}{'&' if '?' in address else '?'}{urlencode({'audience': audience})}"
    status, body = _send(pool, "GET", joined, headers, None)
    if status != 200 or not isinstance(body.get("value"), str):
        raise errors.Unavailable(f"GitHub gave no ID token (status {status}).", remedy="Run the job again.")
    return str(body["value"])


def _address(text: str, name: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise errors.Invalid(f"{name} is not an address.", remedy="Set it to https://ensign.example.com")
    return text.rstrip("/")


def _send(
    pool: urllib3.PoolManager, method: str, url: str, headers: dict[str, str], body: bytes | None
) -> tuple[int, dict[str, Any]]:
    host = urlsplit(url).netloc
    try:
        answer = pool.request(method, url, headers=headers, body=body, redirect=False)
        found = json.loads(answer.data) if answer.data else {}
    except urllib3.exceptions.HTTPError as error:
        raise errors.Unavailable(f"{host} does not answer.", remedy="Check ENSIGN_URL, and the network.") from error
    except ValueError as error:
        raise errors.Unavailable(f"{host} does not answer as it should.", remedy="Check ENSIGN_URL.") from error
    return answer.status, found if isinstance(found, dict) else {}


def _complain(status: int, body: dict[str, Any]) -> None:
    """The refusal as the same error as everywhere else."""
    said = str(body.get("error_description") or body.get("detail") or f"The server answered {status}.")
    code = str(body.get("code") or "error")
    said = said if code == "error" else f"{said} ({code})"
    if status == 503:
        raise errors.Unavailable(said, code=code)
    if status == 429:
        raise errors.RateLimited(said, retry_after=60)
    raise errors.Unauthenticated(
        said, code=code, remedy="Look at the rule's page under the service account: “Try a token”."
    )
