"""The lines of the data map: every table. Their order is that of the page."""

from __future__ import annotations

from typing import Final

from ensign.control.privacy.datamap import PERSON, Line
from ensign.control.privacy.incident_lines import INCIDENTS
from ensign.control.privacy.line_words import BY_HAND as _BY_HAND
from ensign.control.privacy.line_words import FOR_EVER as _FOR_EVER
from ensign.control.privacy.line_words import ID_ONLY as _ID_ONLY
from ensign.control.privacy.line_words import INSTALLED as _INSTALLED
from ensign.control.privacy.line_words import STAFF as _STAFF
from ensign.control.privacy.line_words import TEXTS as _TEXTS
from ensign.control.privacy.line_words import UNUSED as _UNUSED
from ensign.control.privacy.lines_of_messages import MESSAGES
from ensign.control.privacy.log_lines import LOG

_BY_ACCOUNT: Final = "(SELECT a.person_id FROM identity_account AS a WHERE a.id = t.user_id)"

PEOPLE: Final = (
    Line(
        table="identity_person", what="E-mail address, name and status of everybody", whose=_STAFF,
        purpose="signing in, showing who did what", subject="t.id",
        kept="while they are here, and after they left as long as evidence needs it (24 months unless set otherwise)",
        erased="the row becomes a tombstone with a status only, its earlier versions are forgotten",
        on_erasure="tombstone", state={"status": "erased"}, backup="sealed",
    ),
    Line(
        table="identity_account", what="E-mail address, password hash (argon2id), last sign-in", whose=_STAFF,
        purpose="signing in", subject="t.person_id", secret=("password",), kept="until the person is erased",
        erased="the row is removed", on_erasure="removed", backup="sealed",
    ),
    Line(
        table="mfa_authenticator", what="Second factors: secrets of authenticator apps, public keys of passkeys",
        whose=_STAFF, purpose="proving a second factor", subject=_BY_ACCOUNT, secret=("data",),
        kept="until the factor is removed or the person is erased", erased="the rows are removed",
        on_erasure="removed", backup="sealed",
    ),
    Line(
        table="usersessions_usersession", what="Where people are signed in: network address, browser, times",
        whose=_STAFF, purpose="showing people their sessions, ending them", subject=_BY_ACCOUNT,
        secret=("session_key", "data"), kept="until the session ends; a left-over row goes within 6 hours",
        erased="the rows are removed", on_erasure="removed", backup="left out", task="sessions",
    ),
    Line(
        table="django_session", what="Sessions: a person's id, when they signed in, when they proved a second"
        " factor; for ten minutes a form whose sending waits for that",
        purpose="being signed in",
        kept="as long as the sign-in rules say, a day at most; expired ones go within 6 hours",
        erased="ended when the person is deactivated", backup="left out", task="sessions",
    ),
    Line(
        table="identity_link", what="Hashes of one-time links, whose they are, when and why they ended",
        purpose="invitations and new passwords", subject="t.person_id", secret=("token_hash",),
        kept="90 days after the link has ended or expired", erased="the rows are removed", on_erasure="removed",
        task="links",
    ),
    Line(
        table="identity_attempts", what="Counts of failed tries under keyed hashes; never what was typed",
        purpose="stopping guesses", kept="until the window of the count is over; looked at daily", task="tries",
    ),
    Line(
        table="identity_approval_key", what="Approval keys: public keys, whose they are (ids), when they counted",
        purpose="verifying who approved a change", subject="t.owner", mentions=("revoked_by",), kept=_FOR_EVER,
        erased=_ID_ONLY,
    ),
    Line(
        table="identity_signing_question", what="What a passkey is asked to sign: a person's id, the change in words",
        purpose="approving by signature", subject="t.person_id", kept="five minutes; what is left over goes with the"
        " next question", erased="the rows are removed", on_erasure="removed", backup="left out",
    ),
    Line(
        table="identity_token", what="Personal, service and federated tokens: name, scope, hash, end", whose=_STAFF,
        purpose="calling the API", subject="t.subject", secret=("token_hash",), mentions=("created_by",),
        kept=_FOR_EVER, erased="names that people gave to their tokens are emptied, earlier versions forgotten",
        on_erasure="emptied", state={"name": "(erased)"},
    ),
    Line(
        table="identity_token_use", what="When a token was last used", purpose="finding tokens that nobody uses",
        subject="(SELECT k.subject FROM identity_token AS k WHERE k.id = t.token_id)",
        kept="400 days after the last use", erased="the rows are removed", on_erasure="removed", task="token-uses",
    ),
    Line(
        table="identity_group", what="Groups: name and description", purpose="sharing roles", kept=_FOR_EVER,
        erased=_BY_HAND,
    ),
    Line(
        table="identity_membership", what="Who belongs to which group, by ids", purpose="sharing roles",
        subject="t.person", mentions=("added_by",), kept=_FOR_EVER, erased=_ID_ONLY,
    ),
    Line(
        table="identity_service_account", what="Service accounts: name, purpose, owner's id",
        purpose="identities of tools", subject="t.owner", kept=_FOR_EVER, erased=_BY_HAND,
    ),
    Line(
        table="account_emailaddress", what="Nothing", purpose=_UNUSED, subject=_BY_ACCOUNT, kept="empty",
        on_erasure="removed", backup="sealed",
    ),
    Line(table="account_emailconfirmation", what="Nothing", purpose=_UNUSED, kept="empty", backup="left out"),
    Line(
        table="socialaccount_socialaccount", what="Who somebody is at an identity provider", whose=_STAFF,
        purpose="signing in through it", subject=_BY_ACCOUNT, kept="until the person is erased",
        erased="the rows are removed", on_erasure="removed", backup="sealed",
    ),
    Line(
        table="socialaccount_socialtoken", what="Nothing: tokens of identity providers are not stored",
        purpose=_UNUSED, kept="empty", backup="left out",
    ),
    Line(
        table="socialaccount_socialapp", what="Connections to identity providers, with their secrets",
        purpose="signing in through them", kept="until the connection is removed",
    ),
    Line(
        table="identity_provider", what="Connections to identity providers: addresses, domains, mapped groups",
        purpose="signing in through them", kept=_FOR_EVER,
    ),
    Line(
        table="identity_provider_secret", what="Secrets of identity providers, sealed", secret=("sealed",),
        purpose="signing in through them", kept="until they are replaced",
    ),
    Line(
        table="identity_external", what="Who somebody is at an identity provider: the provider's own name for them",
        whose=_STAFF, purpose="signing in through it", subject="t.person",
        kept="until the person is erased", erased="the row becomes a tombstone, its earlier versions are forgotten",
        on_erasure="tombstone", state={"person": PERSON, "status": "erased"}, backup="sealed",
    ),
    Line(
        table="identity_provider_session", what="Which sessions began at which provider, as hashes; a person's id",
        purpose="ending them when the provider says so", subject="t.person_id",
        secret=("session_key", "subject_hash", "sid_hash"), kept="31 days", erased="the rows are removed",
        on_erasure="removed", backup="left out", task="providers",
    ),
    Line(
        table="identity_seen_message", what="Hashes of messages of providers that count once",
        purpose="against replay", kept="until they would be refused as too old; looked at hourly", task="providers",
    ),
    Line(
        table="identity_saml_ticket", what="What a SAML provider answered, sealed, on its way to a session",
        whose=_STAFF, purpose="signing in through it", kept="two minutes; what is left over goes within the hour",
        erased="over before an erasure can be asked for", backup="left out", task="providers",
    ),
    Line(
        table="identity_trace", what="Where an act of signing in came from: network address, browser", whose=_STAFF,
        purpose="login history, attacks on sign-in", subject="t.person_id",
        kept="as long as the sign-in rules say, 400 days unless set otherwise", erased="the rows are removed",
        on_erasure="removed", backup="sealed", task="traces",
    ),
    Line(
        table="identity_sign_in_rules", what="How people sign in: second factors, sessions, allowed networks",
        purpose="deciding who may sign in", kept=_FOR_EVER,
    ),
    Line(
        table="identity_emergency_seal", what="Emergency access: who holds it (ids), when it was used and reviewed",
        purpose="getting in when a provider fails", mentions=("named_by", "reviewed_by"), secret=("holders",),
        kept=_FOR_EVER, erased=_ID_ONLY,
    ),
    Line(
        table="access_role", what="Roles that the organisation made: name, description, permissions",
        purpose="deciding what somebody may do", kept=_FOR_EVER, erased=_BY_HAND,
    ),
    Line(
        table="access_grant", what="Who holds which role where, by ids, and why", whose="whoever is named in a text",
        purpose="deciding what somebody may do", subject="t.subject", mentions=("granted_by", "ended_by"),
        kept=_FOR_EVER, erased="ends, and its reason is emptied; earlier versions are forgotten",
        on_erasure="emptied", state={"reason": ""},
    ),
    Line(
        table="access_request", what="Roles that were asked for: by whom, for whom (ids), why, who approved (ids)",
        whose="whoever is named in a text", purpose="roles need approval", subject="t.subject",
        mentions=("requested_by", "decided_by", "reviewed_by"), texts=("reason", "answer"), kept=_FOR_EVER,
        erased="reason and answer are emptied; earlier versions are forgotten", on_erasure="emptied",
        state={"reason": "", "answer": ""},
    ),
    Line(
        table="access_duty_exception", what="Who may hold what is kept apart (ids), until when, why",
        whose="whoever is named in a text", purpose="segregation of duties", subject="t.subject",
        mentions=("requested_by", "approved_by", "ended_by"), texts=("reason", "control"), kept=_FOR_EVER,
        erased="the reason is emptied; earlier versions are forgotten", on_erasure="emptied", state={"reason": ""},
    ),
    Line(
        table="federation_rule", what="Which CI jobs may act as a service account: issuer, claims",
        purpose="tokens for CI without a stored secret", mentions=("created_by", "changed_by"), kept=_FOR_EVER,
        erased=_ID_ONLY,
    ),
    Line(
        table="federation_seen", what="Hashes of ID tokens that were exchanged", purpose="against replay",
        kept="until the token ends; looked at every minute", task="exchanges",
    ),
    Line(
        table="federation_refusals", what="How many exchanges were refused in the present minute",
        purpose="summaries in the log", kept="one row, overwritten",
    ),
    Line(
        table="access_organisation", what="The organisation's name and how it decided to approve changes",
        purpose="evidence", kept=_FOR_EVER,
    ),
    Line(
        table="privacy_erasure", what="Erasures: who asked, who confirmed, by ids", purpose="erasing takes two people",
        subject="t.person", mentions=("asked_by", "ended_by"), kept=_FOR_EVER, erased=_ID_ONLY,
    ),
    Line(
        table="privacy_rules", what="How long identities of people who left are kept", purpose="retention",
        kept=_FOR_EVER,
    ),
    Line(
        table="scim_directory_user", whose=_STAFF,
        what="What the directory says of people: user name, its id, names, addresses, title, department, manager",
        purpose="people by SCIM, the listing of access", subject="t.id",
        kept="while the directory lists them; afterwards the user name and its id, and earlier versions"
        " in the log's documents, until the person is erased",
        erased="the row becomes a tombstone, its earlier versions are forgotten", on_erasure="tombstone",
        state={"status": "removed", "user_key": PERSON}, backup="sealed",
    ),
    Line(
        table="scim_departure", what="When somebody's employment ends or ended, and who said so (id)", whose=_STAFF,
        purpose="the report of leavers", subject="t.id", mentions=("told_by",),
        kept="while they are here, and after they left until the person is erased",
        erased="the row becomes a tombstone, its earlier versions are forgotten", on_erasure="tombstone",
        state={"terminated_at": None, "text": None, "source": "erased"}, backup="sealed",
    ),
    Line(
        table="scim_directory_token", what="Tokens of the directory: name, hash, end, who made them (id)",
        purpose="people by SCIM", secret=("token_hash",), mentions=("created_by",), kept=_FOR_EVER, erased=_BY_HAND,
    ),
    Line(
        table="scim_leaver_policy", what="Within how many hours a leaver must be out", purpose="the report of leavers",
        kept=_FOR_EVER,
    ),
    Line(
        table="scim_refusal", what="The directory's last refused requests: method, id, status; never what was sent",
        purpose="finding faults in its set-up", subject="t.subject", kept="the last 200", erased=_ID_ONLY,
    ),
)  # fmt: skip

FLAGS: Final = (
    Line(
        table="projects_project", what="Projects: key, name, description", purpose="ordering flags", kept=_FOR_EVER,
        erased=_BY_HAND,
    ),
    Line(table="projects_environment", what="Environments", purpose="ordering flags", kept=_FOR_EVER),
    Line(
        table="projects_policy", what="Approval policies", purpose="deciding what a change needs", kept=_FOR_EVER,
    ),
    Line(table="projects_enforcement", what="What new projects ask for", purpose="policy", kept=_FOR_EVER),
    Line(
        table="projects_client_token", what="Tokens of applications: name, purpose, scope, hash, maker and owner (ids)",
        purpose="serving applications", secret=("token_hash",), mentions=("created_by", "owner"), kept=_FOR_EVER,
        erased=_ID_ONLY,
    ),
    Line(
        table="projects_client_token_rules", what="How long tokens of applications may live", purpose="rotation",
        kept=_FOR_EVER,
    ),
    Line(
        table="projects_client_token_use", what="When an application's token was last used",
        purpose="finding tokens that nothing uses", kept="400 days after the last use", task="token-uses",
    ),
    Line(
        table="segments_segment", what="Segments: key, name, description", purpose="targeting", kept=_FOR_EVER,
        erased=_BY_HAND,
    ),
    Line(
        table="segments_segment_environment", whose="whoever your people put into rules",
        what="Conditions of segments; they can hold lists of ids or addresses that somebody typed",
        purpose="targeting", kept=_FOR_EVER,
        erased="taken out by a change of the segment; earlier versions by a redaction (document.redacted)",
    ),
    Line(
        table="flags_flag", what="Flags: key, description, owner's id, tags", purpose="serving flags", kept=_FOR_EVER,
        mentions=("owner",), erased=_BY_HAND,
    ),
    Line(
        table="flags_flag_environment", whose="whoever your people put into rules",
        what="Strategies, constraints and variants; they can hold lists of ids or addresses that somebody typed",
        purpose="targeting", kept=_FOR_EVER,
        erased="taken out by a change of the flag; earlier versions by a redaction (document.redacted)",
    ),
    Line(
        table="publishing_ruleset", whose="whoever your people put into rules", what="The current ruleset of each"
        " environment, as applications get it", purpose="serving applications", kept="until the next publication",
        erased="follows the flags and segments that it is made of",
    ),
    Line(
        table="publishing_revision", whose="whoever your people put into rules",
        what="What each publication changed in a ruleset", purpose="streaming, evidence", kept=_FOR_EVER,
        erased="insert-only: what a rule held stays in the difference that brought it. Keep people out of rules; Ensign"
        " warns about lists that look like addresses or numbers",
    ),
    Line(
        table="publishing_proof", what="Inclusion proofs of rulesets", purpose="signed rulesets",
        kept="until the next publication",
    ),
    Line(
        table="publishing_usage_hour", what="How often each flag was evaluated, by application and hour: counts",
        purpose="showing use, finding stale flags", kept="400 days", task="usage",
    ),
    Line(
        table="publishing_application", what="Applications and SDKs that reported in: names and counts of instances",
        purpose="showing use", kept="400 days after they were last seen", task="applications",
    ),
    Line(
        table="publishing_refusal", what="How many requests of applications were refused, by minute and reason",
        purpose="summaries in the log", kept="until the worker has summed them up", task="refusals",
    ),
    Line(
        table="publishing_reach", what="How far publications came: counts by node and application",
        purpose="propagation", kept="90 days", task="reach",
    ),
    Line(
        table="changes_request", what="Change requests: title, reason, operations, who wrote and approved them (ids)",
        whose="whoever is named in a text", purpose="the write door, evidence", kept=_FOR_EVER,
        mentions=("author", "applied_by"), erased=_TEXTS, texts=("title", "reason"),
    ),
    Line(
        table="changes_comment", what="Comments on change requests", whose="whoever is named in a text",
        purpose="review, evidence", kept=_FOR_EVER, mentions=("author",), erased=_TEXTS, texts=("text",),
    ),
    Line(
        table="progression_test_run", what="Test runs: what was tested, commit, address, result, by whom (id)",
        whose="whoever is named in a text", purpose="evidence of tests", kept=_FOR_EVER,
        mentions=("by",), erased=_TEXTS, texts=("name", "url"),
    ),
    Line(
        table="monitoring_alert", what="Alerts: what was conspicuous, who took part in it (ids), the verdict and why",
        whose="whoever is named in a text", purpose="detecting misuse, evidence", kept=_FOR_EVER,
        mentions=("acknowledged_by", "triaged_by"), erased=_TEXTS, texts=("reason", "follow_up"),
    ),
    Line(
        table="monitoring_rules", what="What is watched: thresholds, working hours, deadlines",
        purpose="detecting misuse", kept=_FOR_EVER,
    ),
    Line(
        table="monitoring_cursor", what="How far the detectors have read the log", purpose="detecting misuse",
        kept=_INSTALLED,
    ),
    Line(
        table="monitoring_opened", what="Who (id) opened which change request's page, and when first in a round",
        purpose="noticing approvals without having looked", subject="t.person", kept="90 days",
        erased="the rows are removed", on_erasure="removed", task="opened",
    ),
    Line(
        table="monitoring_safeguard", what="Safeguards: where a number comes from, the threshold, what follows",
        purpose="switching off what does harm", kept=_FOR_EVER, mentions=("made_by",), secret=("token_hash",),
    ),
    Line(
        table="monitoring_prometheus", what="Which Prometheus is asked, and since when", kept=_FOR_EVER,
        purpose="switching off what does harm",
    ),
    Line(
        table="monitoring_secret", what="Secrets of safeguards and of Prometheus, sealed", secret=("sealed",),
        purpose="asking Prometheus, checking signatures of webhooks", kept="until they are replaced",
    ),
    Line(
        table="monitoring_watch", what="What each safeguard saw last: a number, or why there was none",
        purpose="switching off what does harm", kept="replaced by the next check",
    ),
    Line(
        table="monitoring_message", what="Hashes of webhook messages that count once", purpose="against replay",
        kept="ten minutes; looked at hourly", task="safeguard-messages",
    ),
    Line(
        table="releases_ramp", what="Ramps: the plan, how far it has come, whose it is (id), why it is paused",
        whose="whoever is named in a text", purpose="carrying out approved plans, evidence", kept=_FOR_EVER,
        mentions=("owner",), erased=_TEXTS, texts=("why",),
    ),
    Line(
        table="releases_template", what="Release templates: name, description, steps",
        whose="whoever is named in a text", purpose="drafting ramps", kept=_FOR_EVER, erased=_TEXTS,
        texts=("name", "description"),
    ),
    *INCIDENTS,
)  # fmt: skip

#: Heading -> its lines.
SECTIONS: Final = (
    ("People and access", PEOPLE),
    ("Flags and changes", FLAGS),
    ("Notices, messages and integrations", MESSAGES),
    ("The log and Ensign's own", LOG),
)

LINES: Final = tuple(line for _, lines in SECTIONS for line in lines)
BY_TABLE: Final = {line.table: line for line in LINES}

__all__ = ["BY_TABLE", "FLAGS", "LINES", "LOG", "PEOPLE", "SECTIONS"]
