"""A log in memory, for tests: appends well-formed entries and writes real bundles from any range of them."""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

from ensign_ledger.bundle import write_bundle
from ensign_ledger.canonical import encode
from ensign_ledger.checkpoint import Checkpoint, LogKey
from ensign_ledger.entry import encode_entry, timestamp
from ensign_ledger.manifest import Manifest
from ensign_ledger.merkle import Frontier, consistency_proof, leaf_hash
from ensign_ledger.sign import Signer


class SimulatedLog:
    """Everything is public and may be broken on purpose; nothing here depends on the clock or on chance.

    Entries are one second apart. Documents get a nonce from their position, which a real log never does.
    """

    def __init__(self, *, origin: str = "log.example/ensign", seed: bytes = b"\x01" * 32) -> None:
        self.origin = origin
        self.signer = Signer(name=origin, seed=seed)
        self.entries: list[bytes] = []
        self.documents: dict[str, bytes] = {}
        self._objects: dict[str, tuple[int, str]] = {}

    def document(self, value: Mapping[str, Any]) -> str:
        """Keep a document and return its digest (hex)."""
        nonce = sha256(f"{self.origin} {len(self.documents)}".encode()).hexdigest()[:32]
        data = encode({**value, "nonce": nonce}, free_keys=True)
        digest = sha256(data).hexdigest()
        self.documents[digest] = data
        return digest

    def touch(self, name: str, value: Mapping[str, Any]) -> dict[str, Any]:
        """Return the touch of an object's next version, whose document is ``value``."""
        version, before = self._objects.get(name, (0, None))
        after = self.document(value)
        self._objects[name] = (version + 1, after)
        return {"object": name, "version": version + 1, "before": before, "after": after}

    def entry(self, action: str, **fields: Any) -> dict[str, Any]:
        """Return the next entry without appending it; ``fields`` override anything."""
        seq = len(self.entries)
        return {
            "v": 1,
            "log": self.origin,
            "seq": seq,
            "ts": self.moment(seq),
            "actor": {"kind": "person", "id": "usr_ada", "via": "session"},
            "action": action,
            "touch": [],
            **fields,
        }

    def append(self, action: str, **fields: Any) -> dict[str, Any]:
        """Append a well-formed entry and return it."""
        entry = self.entry(action, **fields)
        self.entries.append(encode_entry(entry))
        return entry

    def change(self, name: str, value: Mapping[str, Any], *, approvers: Sequence[str] = ("usr_bo",)) -> None:
        """Append an applied change request by usr_ada on a protected environment."""
        seq = len(self.entries)
        digest = sha256(encode(dict(value), free_keys=True)).hexdigest()
        self.append(
            "change_request.applied",
            touch=[self.touch(name, value)],
            where={"project": "shop", "environment": "production", "protected": True},
            approval={
                "request": f"crq_{seq}",
                "author": "usr_ada",
                "contributors": ["usr_ada", "usr_cy"],
                "approvers": [
                    {"id": who, "at": self.moment(seq - 1), "digest": digest, "via": "session"} for who in approvers
                ],
                "required": 1,
                "digest": digest,
                "policy": "pol_default@1",
                "mode": "request",
            },
            reason={"commit": self.document({"text": "more customers"})},
        )

    @staticmethod
    def moment(seq: int) -> str:
        """Return the time of the entry with that number."""
        return timestamp(datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=seq))

    def leaves(self) -> list[bytes]:
        """Return the leaf hashes."""
        return [leaf_hash(data) for data in self.entries]

    def frontier(self, size: int) -> Frontier:
        """Return the tree of the first ``size`` entries."""
        tree = Frontier()
        for leaf in self.leaves()[:size]:
            tree.append(leaf)
        return tree

    def checkpoint(self, size: int) -> bytes:
        """Return the signed checkpoint at that size."""
        return self.signer.sign_checkpoint(Checkpoint(self.origin, size, self.frontier(size).root()))

    def anchor(self, size: int, *, kind: str = "file") -> bytes:
        """Return a line of anchors.jsonl."""
        root = self.frontier(size).root().hex()
        return encode({"kind": kind, "size": size, "root": root, "at": self.moment(size)})

    def bundle(self, out: Path, *, low: int = 0, high: int | None = None, **overrides: Any) -> Manifest:
        """Write the bundle of entries [low, high) with all documents; ``overrides`` go to write_bundle."""
        last = len(self.entries) if high is None else high
        wanted = {name for data in self.entries[low:last] for name in re.findall(r"[0-9a-f]{64}", data.decode())}
        arguments: dict[str, Any] = {
            "entries": self.entries[low:last],
            "frontier": self.frontier(low),
            "start": self.checkpoint(low),
            "end": self.checkpoint(last),
            "consistency": consistency_proof(self.leaves(), low, last) if low else [],
            "keys": [LogKey(self.signer.key)],
            "signer": self.signer,
            "documents": [data for digest, data in self.documents.items() if digest in wanted],
            "claim": "all",
        }
        return write_bundle(out=out, **{**arguments, **overrides})


def sample_log() -> SimulatedLog:
    """Return a small log: set-up, a flag, an applied change request, a denial."""
    log = SimulatedLog()
    log.append("workspace.created", actor={"kind": "system", "id": "setup", "via": "setup"})
    log.append("flag.created", touch=[log.touch("flag:flg_a", {"key": "a", "rollout": 10})])
    log.change("flag:flg_a", {"key": "a", "rollout": 50})
    log.append("access.denied", actor={"kind": "anonymous", "via": "token"}, detail={"permission": "flag:read"})
    return log
