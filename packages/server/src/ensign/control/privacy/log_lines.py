"""The lines of the data map about the log."""

from __future__ import annotations

from typing import Final

from ensign.control.privacy.datamap import Line
from ensign.control.privacy.line_words import FOR_EVER, ID_ONLY, INSTALLED, STAFF, UNUSED

LOG: Final = (
    Line(
        table="ledger_entry", what="The log: who (id), what, when, digests", purpose="evidence", kept=FOR_EVER,
        erased=ID_ONLY,
    ),
    Line(table="ledger_touch", what="Which entry changed which object, by digests", purpose="evidence", kept=FOR_EVER),
    Line(
        table="ledger_document", whose="whoever a state or a reason names",
        what="What the digests stand for: every version of every object, and reasons", purpose="history, evidence",
        kept=FOR_EVER, erased="an entry authorises that a document is forgotten: its content goes, its digest stays",
    ),
    Line(table="ledger_redaction", what="Which entry authorised forgetting which document", purpose="evidence",
         kept=FOR_EVER),
    Line(table="ledger_checkpoint", what="Signed checkpoints", purpose="evidence", kept=FOR_EVER),
    Line(table="ledger_head", what="How long the log is", purpose="appending", kept=FOR_EVER),
    Line(table="ledger_pending", what="Nothing between two transactions", purpose="completeness", kept="empty"),
    Line(table="ledger_never", what="Nothing", purpose="completeness", kept="empty"),
    Line(
        table="api_answer", what="Answers to writes that carried an Idempotency-Key, sealed", whose=STAFF,
        purpose="a write that is sent twice happens once", kept="24 hours; looked at every 10 minutes",
        erased="over before an erasure can be asked for", backup="left out", task="answers",
    ),
    Line(table="django_migrations", what="Which schema migrations were applied", purpose="upgrades", kept=INSTALLED),
    Line(table="django_content_type", what="Django's list of models", purpose="Django", kept=INSTALLED),
    Line(table="auth_permission", what="Django's own permissions", purpose=UNUSED, kept=INSTALLED),
    Line(table="auth_group", what="Nothing", purpose=UNUSED, kept="empty"),
    Line(table="auth_group_permissions", what="Nothing", purpose=UNUSED, kept="empty"),
)  # fmt: skip
