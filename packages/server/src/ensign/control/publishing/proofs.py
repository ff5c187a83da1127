"""Proofs that what is published stands in the log, kept for the delivery plane. Made by the worker, never waited for.

A proof is the entry that published a ruleset, its path in the tree, and the first checkpoint that covers it. That is
signed within a minute; delivery of the rules themselves goes on meanwhile.
"""

from __future__ import annotations

import json
import logging

from django.db.models import Max
from ensign_ledger.ruleset import Untrusted, read_signed, verify_proof

from ensign.control.audit import checkpoints
from ensign.control.audit.inclusion import Inclusion, prove
from ensign.control.kernel.transactions import write_door
from ensign.control.publishing.models import Proof, Ruleset

log = logging.getLogger("ensign.publishing")

KEYS = ("project", "environment", "epoch", "number")


def keep() -> int:
    """Make the proofs that are due; returns how many.

    Due is every ruleset whose entry a checkpoint covers and whose proof, if there is one, is of an earlier entry.
    """
    proven = dict(Proof.objects.values_list("ruleset", "ledger_seq"))
    rows = list(Ruleset.objects.order_by("ledger_seq").values_list("pk", "ledger_seq"))
    due = [(id, seq) for id, seq in rows if proven.get(id) != seq]
    made = 0
    for id, seq in due:
        found = prove(seq)
        made += found is not None and _keep(id, found)
    return made


def _keep(id: str, found: Inclusion) -> bool:
    """Store one proof, after verifying it as a stranger would. False where there is nothing that it could prove."""
    row = Ruleset.objects.get(pk=id)
    state = row.state
    if row.ledger_seq != found.seq:
        return False  # something newer was published since; its own proof follows
    keys = [key.key for key in checkpoints.log_keys() if key.covers(found.seq)]
    document = {
        **{key: state[key] for key in KEYS},
        "entry": found.entry,
        "index": found.seq,
        "path": [hash.hex() for hash in found.path],
        "checkpoint": found.checkpoint,
    }
    try:
        if "signature" in state:
            verify_proof(document, read_signed(state["signature"], keys), keys)
            text = json.dumps(document, separators=(",", ":"), ensure_ascii=False)
        else:
            text = ""  # published before there were signatures: noted, so that nobody looks again
    except Untrusted as problem:
        log.error("no proof for %s/%s: %s", state["project"], state["environment"], problem)
        text = ""
    with write_door():
        serial = (Proof.objects.aggregate(last=Max("serial"))["last"] or 0) + 1
        values = {"ledger_seq": found.seq, "serial": serial, "document": text}
        Proof.objects.update_or_create(ruleset=id, defaults=values)
    return bool(text)
