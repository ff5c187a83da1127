"""Re-deriving all: entries, tree, touches, documents, rows and what other apps add, compared with what is stored.

This is a checker apart from the writer: it trusts the entries' bytes alone, and them only as far as signed checkpoints
(and anchors, when given) go.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from ensign_ledger import canonical, merkle
from ensign_ledger.checkpoint import CheckpointError, parse_checkpoint
from ensign_ledger.entry import EntryError, decode_entry

from ensign.control.audit import anchors, checkpoints, schema
from ensign.control.audit.ledger import record
from ensign.control.audit.models import Checkpoint, Document, Entry, Pending, Redaction, Touch
from ensign.control.audit.registry import action, governed_models
from ensign.control.audit.staging import digest
from ensign.control.kernel.actor import Actor
from ensign.control.kernel.transactions import write_door

DRIFT_CHECKED = action("drift.checked", "compared the rows with the log")

_CHUNK = 5_000
MAX_FINDINGS = 1_000


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as the log says. ``check`` is stable; ``subject`` names an entry, object or table."""

    check: str
    subject: str
    message: str


@dataclass(slots=True)
class Report:
    """The result: ``entries`` and ``objects`` counted, the log's head, and what was found.

    ``redacted`` maps the number of each entry that authorised forgetting documents to how many.
    """

    size: int = 0
    root: str = ""
    objects: int = 0
    state_root: str = ""
    anchored: int = 0
    redacted: dict[int, int] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    truncated: bool = False

    @property
    def ok(self) -> bool:
        """Whether nothing was found."""
        return not self.findings

    def add(self, check: str, subject: str, message: str) -> None:
        """Note a finding; past 1,000 only that there are more."""
        if len(self.findings) < MAX_FINDINGS:
            self.findings.append(Finding(check, subject, message))
        else:
            self.truncated = True


Check = Callable[[], Iterable[Finding]]
_extra: dict[str, Check] = {}


def register(name: str, check: Check) -> None:
    """Let another app add a comparison of its own (accounts against people, rulesets against flags).

    :raises ValueError: when ``name`` is taken.
    """
    if name in _extra:
        raise ValueError(f"the check {name} is registered twice")
    _extra[name] = check


@dataclass(slots=True)
class _Replay:
    """What the entries alone say."""

    latest: dict[str, tuple[int, int, str]] = field(default_factory=dict)  # object -> version, seq, after
    touches: int = 0
    redacted: dict[str, int] = field(default_factory=dict)
    digests: set[str] = field(default_factory=set)


def verify(*, anchor_files: Iterable[Path] = ()) -> Report:
    """Compare the database with what its entries say. Reads only."""
    report = Report()
    for problem in schema.problems():
        report.add("triggers", "database", problem)
    notes = _notes(report, anchor_files)
    replay = _entries(report, notes)
    _derived(report, replay)
    _documents(report, replay)
    _rows(report, replay)
    if Pending.objects.exists():
        report.add("pending", "ledger_pending", "entries without their state are left over")
    for name, check in _extra.items():
        for found in check():
            report.add(name, found.subject, found.message)
    return report


def _notes(report: Report, anchor_files: Iterable[Path]) -> dict[int, list[tuple[str, bytes]]]:
    """Size -> (where it comes from, signed root) of every checkpoint and anchor whose signature holds."""
    keys = checkpoints.log_keys()
    found: dict[int, list[tuple[str, bytes]]] = {}
    stored = [(f"checkpoint {row.size}", row.note) for row in Checkpoint.objects.order_by("size")]
    outside = [(f"anchor in {path.name}", note) for path in anchor_files for note in anchors.read_file(path)]
    for source, text in stored + outside:
        try:
            checkpoint, note = parse_checkpoint(text.encode())
        except CheckpointError as error:
            report.add("checkpoint", source, f"malformed: {error}")
            continue
        if not checkpoints.signed_by_log(note, keys, size=checkpoint.size):
            report.add("checkpoint", source, "not signed by a key of this log")
            continue
        report.anchored += source.startswith("anchor")
        found.setdefault(checkpoint.size, []).append((source, checkpoint.root))
    return found


def _bodies() -> Iterator[tuple[int, str, str]]:
    rows = Entry.objects.order_by("seq").values_list("seq", "body", "leaf_hash")
    return rows.iterator(chunk_size=_CHUNK)


def _entries(report: Report, notes: dict[int, list[tuple[str, bytes]]]) -> _Replay:
    """Numbers, form, order, hashes and the tree at every checkpoint; returns what the entries say."""
    head, tree, replay, previous = checkpoints.head(), merkle.Frontier(), _Replay(), ""
    for expected, (seq, body, leaf) in enumerate(_bodies()):
        encoded = body.encode()
        if seq != expected:
            report.add("sequence", f"entry {seq}", f"entry {expected} is missing")
            break
        if merkle.leaf_hash(encoded).hex() != leaf:
            report.add("leaf", f"entry {seq}", "the stored hash is not that of the entry")
        tree.append(merkle.leaf_hash(encoded))
        _compare_root(report, notes.pop(tree.size, []), tree)
        try:
            entry = decode_entry(encoded)
        except (canonical.CanonicalError, EntryError) as error:
            report.add("form", f"entry {seq}", str(error))
            continue
        if entry["seq"] != seq or entry["log"] != head.origin or entry["ts"] < previous:
            report.add("form", f"entry {seq}", "its number, log or time does not fit its place")
        previous = entry["ts"]
        _replay(report, replay, entry)
    if tree.size != head.size:
        report.add("head", "ledger_head", f"it says {head.size} entries, there are {tree.size}")
    for size, sources in notes.items():
        for source, _ in sources:
            report.add("truncated", source, f"it was signed over {size} entries; there are only {tree.size}")
    report.size, report.root = tree.size, tree.root().hex()
    return replay


def _compare_root(report: Report, sources: list[tuple[str, bytes]], tree: merkle.Frontier) -> None:
    for source, root in sources:
        if root != tree.root():
            report.add("root", source, f"the first {tree.size} entries are not those that were signed")


def _replay(report: Report, replay: _Replay, entry: dict[str, Any]) -> None:
    for touch in entry.get("touch", ()):
        version, _, after = replay.latest.get(touch["object"], (0, 0, None))
        if touch["version"] != version + 1 or touch["before"] != after:
            report.add("chain", f"entry {entry['seq']}", f"{touch['object']} does not follow its previous state")
        replay.latest[touch["object"]] = (touch["version"], entry["seq"], touch["after"])
        replay.touches += 1
        replay.digests.add(touch["after"])
    if "reason" in entry:
        replay.digests.add(entry["reason"]["commit"])
    for gone in entry.get("redacts", ()):
        replay.redacted[gone] = entry["seq"]


def _derived(report: Report, replay: _Replay) -> None:
    """The tables that triggers derive from entries hold exactly what the entries say."""
    stored = Touch.objects.count()
    if stored != replay.touches:
        report.add("touches", "ledger_touch", f"{stored} rows, the entries have {replay.touches} touches")
    newest: dict[str, tuple[int, int, str]] = {}
    rows = Touch.objects.order_by("version").values_list("object", "version", "seq", "after")
    for name, version, seq, after in rows.iterator(chunk_size=_CHUNK):
        newest[name] = (version, seq, after)
    for name in newest.keys() | replay.latest.keys():
        if newest.get(name) != replay.latest.get(name):
            report.add("touches", name, "its latest touch is not that of the entries")
    if dict(Redaction.objects.values_list("digest", "seq")) != replay.redacted:
        report.add("redactions", "ledger_redaction", "not what the entries authorise")


def _documents(report: Report, replay: _Replay) -> None:
    """Every document lies under its digest; none that is owed is missing without a redaction."""
    present = set()
    for name, content in Document.objects.values_list("digest", "content").iterator(chunk_size=_CHUNK):
        if content is None:
            if name not in replay.redacted:
                report.add("document", name, "it was emptied without an entry that authorises it")
        elif digest(content) != name:
            report.add("document", name, "its content is not what the digest stands for")
        present.add(name)
        if content is None and name in replay.redacted:
            seq = replay.redacted[name]
            report.redacted[seq] = report.redacted.get(seq, 0) + 1
    kept = {kind for kind, model in governed_models().items() if model.keeps_history}
    for name, (_, seq, after) in replay.latest.items():
        if name.partition(":")[0] in kept and after not in present:
            report.add("document", name, f"the state of entry {seq} is missing")


def _rows(report: Report, replay: _Replay) -> None:
    """Every governed row is at the version, entry and content that the log says, and none is missing or extra."""
    root = hashlib.sha256()
    unseen = set(replay.latest)
    for kind, model in governed_models().items():
        rows = model._base_manager.order_by("pk").values_list("pk", "version", "ledger_seq", "content")
        for pk, version, seq, content in rows.iterator(chunk_size=_CHUNK):
            name, after = f"{kind}:{pk}", digest(content)
            report.objects += 1
            root.update(f"{name} {version} {after}\n".encode())
            if name not in unseen:
                report.add("row", name, "there is a row, but no entry made it")
                continue
            unseen.remove(name)
            if (version, seq, after) != replay.latest[name]:
                report.add(
                    "row", name, f"the row differs from entry {replay.latest[name][1]}, the last that touched it"
                )
    for name in unseen:
        report.add("row", name, "the log has this object, the database has no row")
    report.state_root = root.hexdigest()


def check_drift(*, actor: Actor, at: datetime, anchor_files: Iterable[Path] = ()) -> Report:
    """Run :func:`verify` and append its result to the log, clean runs too."""
    report = verify(anchor_files=anchor_files)
    with write_door():
        record(
            action=DRIFT_CHECKED,
            actor=actor,
            at=at,
            detail={
                "count": report.objects,
                "state_root": report.state_root,
                "mismatches": len(report.findings),
                "size": report.size,
                "root": report.root,
            },
        )
    return report
