"""The lines of the data map about notices, messages and integrations."""

from __future__ import annotations

from typing import Final

from ensign.control.privacy.datamap import Line

MESSAGES: Final = (
    Line(
        table="integrations_integration", what="Integrations: name, kind, filter, host; who made them (id)",
        purpose="telling what happened, linking tickets", kept="for good: the log vouches for it",
        mentions=("made_by", "changed_by"),
        erased="an erasure lists the objects whose text still names the person, for somebody to change",
    ),
    Line(
        table="integrations_secret", what="Addresses, signing secrets and credentials of integrations, sealed",
        purpose="sending to them, reading the status of tickets", secret=("sealed",),
        kept="until the integration is archived or they are replaced",
    ),
    Line(
        table="integrations_cursor", what="How far the log has been told: a number", purpose="notifications",
        kept="one row, overwritten",
    ),
    Line(
        table="integrations_notice", what="Who (id) was told of which entry or finding, and when they read it",
        purpose="the inbox", subject="t.person", kept="90 days; looked at daily", erased="the rows are removed",
        on_erasure="removed", task="messages",
    ),
    Line(
        table="integrations_delivery", what="Messages on their way: to whom (id) or where, about which entry, and what"
        " came of each try; no text, no address", purpose="sending again, showing what was sent",
        subject="t.target", kept="90 days; looked at daily", erased="the rows are removed", on_erasure="removed",
        task="messages",
    ),
    Line(
        table="integrations_preference", what="About what somebody (id) wants e-mails", purpose="notifications",
        subject="t.person", kept="until the person is erased", erased="the row is removed", on_erasure="removed",
    ),
)  # fmt: skip
