"""The lines of the data map for what lies outside the database: files, memory, wires, copies."""

from __future__ import annotations

from typing import Final

from ensign.control.privacy.datamap import Outside

_NO_REACH: Final = "Ensign cannot reach it: who holds the copy deletes it"

OUTSIDE: Final = (
    Outside(
        place="Keys directory", where="ENSIGN_KEYS_DIR, by default keys in the data directory",
        what="The keys that sign the log and the sessions and seal stored secrets; in people a key for everybody who"
        " stands in a backup; erased.jsonl, the ids of who was erased and the digests that were forgotten with them",
        kept="as long as the installation; a person's key until they are erased",
        erased="the key is overwritten and removed; a copy of the directory must follow within the time that your"
        " policy gives backups of keys",
    ),
    Outside(
        place="Backups", where="files that ensign backup writes, wherever you put them",
        whose="people who use Ensign",
        what="The whole database: rows and versions of people are sealed under their keys; sessions and answers to"
        " repeated writes are left out; texts that people typed stand there as they were",
        kept="as long as you keep them",
        erased="destroying the key makes the person's part unreadable in every copy; restoring an older backup erases"
        " again. A name that somebody typed into a text stays readable in older files until you delete them",
    ),
    Outside(
        place="Backups by other means", where="snapshots of disks, pg_dump, replicas", whose="people who use Ensign",
        what="The database as it is, people in clear", kept="as long as you keep them", erased=_NO_REACH,
    ),
    Outside(
        place="Evidence bundles", where="files that ensign ledger export and the log's page write",
        whose="whoever is named in a text",
        what="Entries (ids and digests) and the documents of changes, with their texts; states of people and reasons"
        " about them are left out", kept="as long as the auditor keeps them", erased=_NO_REACH,
    ),
    Outside(
        place="Exports of changes", where="CSV and JSON from the log's page or the API",
        whose="people who use Ensign", what="Who asked for, approved and applied each change, with names and addresses"
        " of that time", kept="as long as you keep them", erased=_NO_REACH + "; each export is an entry",
    ),
    Outside(
        place="Exports of access", where="CSV and JSON of roles, tokens, sign-ins, leavers, joiners and movers",
        whose="people who use Ensign", what="Names of that time; of sign-ins also network addresses and browsers; of"
        " leavers, joiners and movers also e-mail addresses", kept="as long as you keep them",
        erased=_NO_REACH + "; each export is an entry",
    ),
    Outside(
        place="Anchors", where="ENSIGN_ANCHOR_FILE, _WEBHOOK or _GIT", what="Signed checkpoints: a size and a digest",
        kept="as long as you keep them",
    ),
    Outside(
        place="The server's log", where="standard error of the process",
        what="Requests (route, status, time), tasks, failures. Every line passes a filter that replaces what looks like"
        " an address, a token, a cookie or a secret link; ids of people stand in clear",
        kept="as long as your log collector keeps it", erased="ids name nobody once the person is erased",
    ),
    Outside(
        place="Metrics", where="/metrics, /metrics/impact", what="Counts and times; no names of people",
        kept="in memory of the process",
    ),
    Outside(
        place="Delivery plane", where="memory of the process, and last-good.json in the data directory",
        what="Rulesets and hashes of client tokens. What a front-end API is asked is evaluated and forgotten: no"
        " context is stored or logged", whose="whoever your people put into rules",
        kept="until the next publication",
        erased="follows the rules",
    ),
    Outside(
        place="Edges", where="memory and last-good.json of each edge",
        what="The same as the delivery plane, of the projects and environments of the edge's tokens",
        whose="whoever your people put into rules", kept="until the next publication", erased="follows the rules",
    ),
    Outside(
        place="NATS", where="the JetStream bucket that ENSIGN_NATS names",
        what="Rulesets and hashes of client tokens, for edges", whose="whoever your people put into rules",
        kept="the newest record of each environment", erased="follows the rules",
    ),
    Outside(
        place="SDKs", where="your applications",
        what="Rulesets, in memory and in the cache that you switch on. A context is evaluated where it is and never"
        " sent; what is sent is how often which flag was asked for", whose="whoever your people put into rules",
        kept="until the next publication", erased="follows the rules",
    ),
    Outside(
        place="E-mails", where="the server that ENSIGN_SMTP_HOST names, and mailboxes", whose="people who use Ensign",
        what="To whom; who did what where, with the title of a request; no difference, no comment, no secret",
        kept="as long as mail server and mailbox keep them", erased=_NO_REACH,
    ),
    Outside(
        place="Chats", where="the addresses of Slack and Teams integrations", whose="people who use Ensign",
        what="Who did what where, with the title of a request; no difference, no comment", kept="as long as the chat"
        " keeps it", erased=_NO_REACH,
    ),
    Outside(
        place="Webhooks", where="the addresses of webhook integrations", whose="whoever is named in a title",
        what="What happened, with ids of who did it and of what it is about, and the title of a request",
        kept="as long as the receiver keeps it", erased=_NO_REACH,
    ),
    Outside(
        place="Ticket systems", where="the addresses of Jira, ServiceNow, GitHub and GitLab integrations",
        what="The key of a ticket, when somebody looks at a request that names it and credentials are kept",
        kept="as long as the system's own log keeps it",
    ),
    Outside(
        place="Browsers of people who use Ensign", where="cookies, local storage",
        what="sessionid, csrftoken, and messages until the next page has shown them; in local storage which theme"
        " was chosen",
        kept="a day at most; csrftoken a year; the theme until it is changed",
    ),
)  # fmt: skip
