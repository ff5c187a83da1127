"""The lines of the data map about kill switches, incidents, emergency changes, triggers and drills."""

from __future__ import annotations

from typing import Final

from ensign.control.privacy.datamap import Line
from ensign.control.privacy.line_words import BY_HAND, FOR_EVER, ID_ONLY, TEXTS

INCIDENTS: Final = (
    Line(
        table="incidents_kill", what="Kill switches that were pressed, when, by whom (id), and why",
        whose="whoever is named in a text", purpose="incident evidence", kept=FOR_EVER,
        mentions=("by", "reason_by"), erased=TEXTS, texts=("reason",),
    ),
    Line(
        table="incidents_incident", what="Incidents: title, times, cause, follow-up actions, who declared them (id)",
        whose="whoever is named in a text", purpose="incident evidence", kept=FOR_EVER, mentions=("declared_by",),
        erased=f"{TEXTS}; of follow-up actions, {BY_HAND}", texts=("title", "root_cause"),
    ),
    Line(
        table="incidents_update", what="The logs of incidents: what was written, when, by whom (id)",
        whose="whoever is named in a text", purpose="incident evidence", kept=FOR_EVER, mentions=("by",),
        erased=TEXTS, texts=("text",),
    ),
    Line(
        table="incidents_break_glass", what="Emergency access: whose (id), where, why, what was applied, its review",
        whose="whoever is named in a text", purpose="incident evidence", kept=FOR_EVER,
        mentions=("person", "ended_by", "reviewed_by"), erased=TEXTS, texts=("reason", "finding", "follow_up"),
    ),
    Line(
        table="incidents_trigger", what="Addresses that switch a flag off: name, hash, end, who made them (id)",
        purpose="monitoring systems that switch off", secret=("token_hash",), mentions=("created_by", "revoked_by"),
        kept=FOR_EVER, erased=BY_HAND,
    ),
    Line(
        table="incidents_trigger_secret", what="Keys with which requests to these addresses are signed, sealed",
        purpose="checking their signatures", secret=("sealed",), kept="until the address is revoked",
    ),
    Line(
        table="incidents_trigger_seen", what="Hashes of signed requests that were acted on", purpose="no replay",
        kept="ten minutes", task="trigger-refusals",
    ),
    Line(
        table="incidents_trigger_refusals", what="How many requests were refused in the present minute",
        purpose="a log that nobody can fill", kept="a minute", task="trigger-refusals",
    ),
    Line(
        table="incidents_drill_plan", what="Plans of drills: flag, interval, target, who planned them (id)",
        purpose="rehearsing kill switches", mentions=("planned_by",), kept=FOR_EVER, erased=ID_ONLY,
    ),
    Line(
        table="incidents_drill", what="Drills: what was measured, who began them (id)",
        purpose="rehearsing kill switches", mentions=("started_by",), kept=FOR_EVER, erased=ID_ONLY,
    ),
)  # fmt: skip
