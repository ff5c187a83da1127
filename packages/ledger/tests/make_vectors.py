"""Writes conformance/ledger/*.json: ``python packages/ledger/tests/make_vectors.py DIRECTORY``.

The vectors are fixed; run this only to add to them, and review the difference.
"""

import json
import sys
import tempfile
from hashlib import sha256
from pathlib import Path
from typing import Any

from ensign_ledger import canonical, merkle
from ensign_ledger.canonical import CanonicalError
from ensign_ledger.checkpoint import Checkpoint
from ensign_ledger.manifest import parse_manifest
from ensign_ledger.testing import SimulatedLog, sample_log

ACCEPTED: list[tuple[Any, bool]] = [
    ({}, False),
    ([], False),
    (None, False),
    (True, False),
    (0, False),
    (-1, False),
    (2**53 - 1, False),
    ("", False),
    ({"b": 1, "a": [True, None, "x"]}, False),
    ({"_": 0, "0": 1, "a_b": 2, "ab": 3}, False),
    ({"text": '"\\/\b\f\n\r\t\x01\x7f\u2028\u20ac\U0001f600'}, False),
    ({"text": "\\u0000"}, False),
    ({"\ufb33": 1, "\U0001f600": 2, "B": 3, "": 4, "a b": 5}, True),
]
REFUSED = [
    '{"a":1,"a":1}',
    '{"b":1,"a":2}',
    '{"a": 1}',
    '{"a":1}\n',
    '{"A":1}',
    '{"":1}',
    '{"a":1.0}',
    '{"a":1e2}',
    '{"a":-0}',
    '{"a":9007199254740992}',
    '{"a":NaN}',
    '{"a":"\\u0041"}',
    '{"a":"\\/"}',
    '{"a":"\\u000A"}',
    '{"a":"\\ud800"}',
    '{"a":"\\u0000"}',
    "[" * 65 + "]" * 65,
    "",
]


def canonical_vectors() -> dict[str, Any]:
    accepted = [{"hex": canonical.encode(value, free_keys=free).hex(), "free_keys": free} for value, free in ACCEPTED]
    for text in REFUSED:
        try:
            canonical.decode(text.encode())
        except CanonicalError:
            continue
        raise SystemExit(f"accepted: {text}")
    return {"accepted": accepted, "refused": REFUSED}


def merkle_vectors() -> dict[str, Any]:
    data = [b"", b"\x00", b"\x10", b"\x20\x21", b"\x30\x31", b"@ABC", b"PQRSTUVW", b"`abcdefghijklmno"]
    leaves = [merkle.leaf_hash(item) for item in data]
    return {
        "data": [item.hex() for item in data],
        "leaves": [leaf.hex() for leaf in leaves],
        "roots": [merkle.root(leaves[:size]).hex() for size in range(len(leaves) + 1)],
        "inclusion": [
            {"index": i, "size": n, "proof": [h.hex() for h in merkle.inclusion_proof(leaves, i, n)]}
            for n in range(1, 9)
            for i in range(n)
        ],
        "consistency": [
            {"first": m, "second": n, "proof": [h.hex() for h in merkle.consistency_proof(leaves, m, n)]}
            for n in range(1, 9)
            for m in range(1, n + 1)
        ],
    }


def checkpoint_vectors() -> dict[str, Any]:
    signer = SimulatedLog().signer
    point = Checkpoint(signer.key.name, 7, bytes(range(32)))
    good = signer.sign_checkpoint(point).decode()
    return {
        "seed": signer.seed.hex(),
        "public_key": signer.key.public_key.hex(),
        "vkey": signer.key.vkey,
        "fingerprint": signer.key.fingerprint,
        "origin": point.origin,
        "size": point.size,
        "root": point.root.hex(),
        "note": good,
        "refused": [
            good[:-1],
            good + "\n",
            good.replace("\n7\n", "\n07\n"),
            good.replace("\n7\n", "\n8\n"),
            good.replace("Hh8=\n", "Hh9=\n"),
            good.replace("=\n\n", "=\nextension\n\n"),
            good.replace("\u2014", "-"),
        ],
    }


def bundle_vectors() -> dict[str, Any]:
    """A good bundle whose verify.py is one line, so that the vector does not change with the code."""
    log = sample_log()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "bundle"
        log.bundle(folder, low=1, anchors=[log.anchor(3)])
        files = {path.name: path.read_text() for path in folder.iterdir()}
    files["verify.py"] = "# the verifier stands here\n"
    manifest = json.loads(files.pop("manifest.json"))
    manifest["files"] = [
        {"name": name, "sha256": sha256(text.encode()).hexdigest(), "size": len(text.encode())}
        for name, text in sorted(files.items())
    ]
    draft = parse_manifest(canonical.encode(manifest))
    files["manifest.json"] = draft.signed(log.signer.sign(draft.message())).encode().decode()
    return {
        "key": log.signer.key.fingerprint,
        "files": dict(sorted(files.items())),
        "exit_code": 0,
        "changes": [
            {"file": "entries.jsonl", "old": "flg_a", "new": "flg_b", "invalid": [1, 8]},
            {"file": "entries.jsonl", "old": '"seq":2', "new": '"seq":3', "invalid": [1, 7, 8]},
            {"file": "documents.jsonl", "old": "more", "new": "less", "invalid": [1, 11, 12]},
            {"file": "checkpoint.end", "old": "\n4\n", "new": "\n5\n", "invalid": [1, 5]},
            {"file": "checkpoint.start", "old": "\n1\n", "new": "\n0\n", "invalid": [1, 4]},
            {"file": "frontier.json", "old": '"size":1', "new": '"size":2', "invalid": [1, 6]},
            {"file": "consistency.json", "old": '"first":1', "new": '"first":2', "invalid": [1, 9]},
            {"file": "anchors.jsonl", "old": '"root":"', "new": '"root":"0', "invalid": [1, 16]},
            {"file": "keys.txt", "old": " 0 -", "new": " 2 -", "invalid": [1, 4]},
            {"file": "verify.py", "old": "stands", "new": "stood", "invalid": [1]},
            {"file": "manifest.json", "old": '"documents":"all"', "new": '"documents":"none"', "invalid": [2]},
        ],
    }


def main() -> None:
    target = Path(sys.argv[1])
    for name, value in {
        "canonical": canonical_vectors(),
        "merkle": merkle_vectors(),
        "checkpoint": checkpoint_vectors(),
        "bundle": bundle_vectors(),
    }.items():
        (target / f"{name}.json").write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
