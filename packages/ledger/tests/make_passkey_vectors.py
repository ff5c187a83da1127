"""Writes conformance/ledger/passkeys.json: ``python make_passkey_vectors.py DIRECTORY [RECORDED]``.

``RECORDED`` is JSON of an approval and its key as a browser made them: ``test_signing_browser.py`` among the server's
tests leaves it in test-results/signing/recorded.json. Without it the recorded part is kept as it is.
"""

import json
import sys
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from ensign_ledger.approval import About, approval_challenge, enrolment_challenge, shown_digest
from ensign_ledger.cose import EDDSA, ES256, RS256, parse_key
from ensign_ledger.passkey import Assertion, problem
from ensign_ledger.testing_passkeys import SimulatedPasskey

SHOWN = {
    "project": "shop",
    "environment": "production",
    "title": "Widen the rollout",
    "reason": "The canary was fine.",
    "sentences": ["Rollout of new-checkout in production goes from 10 % to 50 % of users."],
    "rows": [{"path": "new-checkout in production › rollout", "before": "10 %", "after": "50 %"}],
    "nonce": "5a" * 32,
}
SAID = {"nonce": "6b" * 32, "issued": "2026-01-01T00:00:00.000000Z", "expires": "2026-01-01T00:05:00.000000Z"}


def statements() -> dict[str, Any]:
    """Every kind of statement with its digest."""
    shown = shown_digest(**SHOWN)
    about = {
        "log": "log.example/ensign", "request": "crq_1", "round": 1, "approver": "usr_bo",
        "digest": sha256(b"change").hexdigest(), "policy": "pol_1@3",
    }  # fmt: skip
    key = {
        "log": "log.example/ensign", "key": "apk_1", "owner": "usr_bo", "credential": sha256(b"id").hexdigest(),
        "host": "flags.example.com", "origin": "https://flags.example.com", **SAID,
    }  # fmt: skip
    public = SimulatedPasskey().public_key
    return {
        "shown": {"of": SHOWN, "digest": shown},
        "approval": {
            "of": {**about, **SAID, "shown": shown},
            "challenge": approval_challenge(About(**about), shown=shown, **SAID).hex(),
        },
        "enrolment": {
            "of": {**key, "public_key": public.hex()},
            "challenge": enrolment_challenge(**key, public_key=public).hex(),
        },
    }


def case(what: str, passkey: SimulatedPasskey, answer: Assertion, **other: Any) -> dict[str, Any]:
    """One answer and what a verifier must say of it."""
    said = {"challenge": bytes(range(32)), "host": passkey.host, "origin": passkey.origin, **other}
    key = said.pop("public_key", passkey.public_key)
    return {
        "what": what,
        "public_key": key.hex(),
        "challenge": said["challenge"].hex(),
        "host": said["host"],
        "origin": said["origin"],
        "authenticator_data": answer.authenticator_data.hex(),
        "client_data": answer.client_data.decode(),
        "signature": answer.signature.hex(),
        "good": problem(answer, key=parse_key(key), **said) is None,
    }


def cases() -> list[dict[str, Any]]:
    """Good and bad answers."""
    asked = bytes(range(32))
    made = {name: SimulatedPasskey(algorithm) for name, algorithm in
            (("ES256", ES256), ("EdDSA", EDDSA), ("RS256", RS256))}  # fmt: skip
    key = made["ES256"]
    honest = key.sign(asked)
    lies: dict[str, dict[str, Any]] = {
        "no user verification": {"flags": 0x01},
        "no user presence": {"flags": 0x04},
        "another origin": {"client_data": {"origin": "https://evil.example"}},
        "a subdomain": {"client_data": {"origin": "https://www.flags.example.com"}},
        "another port": {"client_data": {"origin": "https://flags.example.com:8443"}},
        "within a page of another site": {"client_data": {"crossOrigin": True}},
        "the answer of a registration": {"client_data": {"type": "webauthn.create"}},
        "bound to another host": {"host": "example.com"},
        "authenticator data cut short": {"length": 36},
        "a new key within": {"flags": 0x45, "extra": bytes(60)},
        "extension data without its flag": {"extra": b"\xa0"},
        "backed up, yet not to be backed up": {"flags": 0x15},
    }
    found = [case(f"{name}, honest", passkey, passkey.sign(asked)) for name, passkey in made.items()]
    found += [
        case("a synchronised passkey", key, key.sign(asked, flags=0x1D)),
        case("with extension data", key, key.sign(asked, flags=0x85, extra=b"\xa1\x61a\x01")),
        case("client data with a further member", key, key.sign(asked, client_data={"later": "unknown"})),
        case("another challenge", key, honest, challenge=bytes(32)),
        case("the key of somebody else", key, honest, public_key=SimulatedPasskey(seed=5).public_key),
        case("bytes after the signature", key, replace(honest, signature=honest.signature + b"\0")),
        case("a signature cut short", key, replace(honest, signature=honest.signature[:-1])),
        case("no signature", key, replace(honest, signature=b"")),
    ]
    return found + [case(what, key, key.sign(asked, **lie)) for what, lie in lies.items()]


if __name__ == "__main__":
    path = Path(sys.argv[1]) / "passkeys.json"
    recorded = Path(sys.argv[2]) if len(sys.argv) > 2 else path
    kept = json.loads(recorded.read_text())
    kept = kept["recorded"] if recorded == path else kept
    text = json.dumps({"statements": statements(), "answers": cases(), "recorded": kept}, indent=1, ensure_ascii=False)
    path.write_text(text + "\n")
