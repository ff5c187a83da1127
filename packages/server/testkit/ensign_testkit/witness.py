"""An auditor who trusts nobody: reads the log from its first entry and says which applied change lacked its approvals.

It shares no code with what decides: the rules of segregation of duties are written down here once more, from the
documents that the entries commit to. What it cannot know from the log (whether a second factor was recent) it leaves.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from ensign.control.audit.models import Document, Entry

#: Roles that approve, of those that come with Ensign.
APPROVING = {"approver"}
WRITES = {"change_request.drafted", "change_request.edited", "change_request.rebased"}
VOIDS = {"change_request.edited", "change_request.rebased", "change_request.changes_requested"}


@dataclass
class Given:
    """An approval as its own entry tells it."""

    person: str
    at: datetime
    digest: str
    policies: Mapping[str, int]
    groups: frozenset[str]


@dataclass
class Witness:
    """What the log has said so far. ``complaints`` name each change that should not have applied."""

    states: dict[str, dict[str, dict[str, Any]]] = field(default_factory=lambda: defaultdict(dict))
    versions: dict[str, int] = field(default_factory=dict)
    writers: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    given: dict[str, list[Given]] = field(default_factory=lambda: defaultdict(list))
    applied: int = 0
    protected: int = 0
    complaints: list[str] = field(default_factory=list)

    def read(self) -> Witness:
        """All entries, in order."""
        stored = Document.objects.values_list("digest", "content")
        documents = {digest: content for digest, content in stored if content is not None}
        for seq, body in Entry.objects.order_by("seq").values_list("seq", "body"):
            entry = json.loads(body)
            if entry["action"] == "change_request.applied":
                self._judge(seq, entry, documents)  # by what was in force before this entry
            self._follow(entry, documents)
        return self

    def _follow(self, entry: Mapping[str, Any], documents: Mapping[str, str]) -> None:
        for touch in entry["touch"]:
            kind, _, key = touch["object"].partition(":")
            content = documents.get(touch["after"])
            if content is not None:
                self.states[kind][key] = json.loads(content)
            self.versions[touch["object"]] = touch["version"]
        action, request = entry["action"], entry.get("detail", {}).get("request", "")
        if action in WRITES or (action == "change_request.submitted" and request not in self.writers):
            self.writers[request] |= self._people(entry["actor"])
        if action in VOIDS:
            self.given[request].clear()
        if action == "change_request.approved":
            person, at = entry["actor"]["id"], _time(entry["ts"])
            if entry["actor"]["kind"] != "person" or entry["actor"]["via"] != "session":
                self.complaints.append(f"{request} was approved by {entry['actor']}")
            place = self.states["change_request"][request]
            given = Given(person, at, entry["detail"]["digest"], self._policies(place), self._groups(person))
            self.given[request].append(given)

    def _people(self, actor: Mapping[str, str]) -> set[str]:
        """The actor, and who stands behind a service account: its owner, and who made the token."""
        found = {actor["id"]}
        account = self.states["service_account"].get(actor["id"])
        if account is not None:
            found.add(account["owner"])
        token = self.states["token"].get(actor.get("token", ""))
        if token is not None:
            found.add(token["created_by"])
        return found

    def _reached(self, request: Mapping[str, Any]) -> list[str]:
        everywhere = {"flag.archive", "flag.revive", "flag.set_impressions", "environment.unprotect", "flag.classify"}
        if any(operation["type"] in everywhere for operation in request["operations"]):
            places = self.states["environment"].values()
            return [p["key"] for p in places if p["project"] == request["project"] and p["status"] == "active"]
        return [request["environment"]]

    def _rules(self, request: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
        reached = self._reached(request)
        for id, state in self.states["policy"].items():
            if state["project"] == request["project"] and state["environment"] in reached:
                yield id, state

    def _policies(self, request: Mapping[str, Any]) -> dict[str, int]:
        return {id: self.versions[f"policy:{id}"] for id, _ in self._rules(request)}

    def _groups(self, person: str) -> frozenset[str]:
        members = self.states["membership"].values()
        return frozenset(m["group"] for m in members if m["person"] == person and m["status"] == "active")

    def _approves(self, person: str, project: str, environment: str, at: datetime) -> bool:
        """Whether they are active and hold a role that approves there at this time."""
        if self.states["person"].get(person, {}).get("status") != "active":
            return False
        subjects = {person, *self._groups(person)}
        custom = {
            role["key"]
            for role in self.states["role"].values()
            if "change:approve" in role["permissions"] and role["status"] == "active"
        }
        return any(
            grant["subject"] in subjects
            and grant["status"] == "active"
            and grant["role"] in APPROVING | custom
            and grant["project"] in {None, project}
            and grant["environment"] in {None, environment}
            and _time(grant["starts_at"]) <= at
            and (grant["ends_at"] is None or at < _time(grant["ends_at"]))
            for grant in self.states["grant"].values()
        )

    def _judge(self, seq: int, entry: Mapping[str, Any], documents: Mapping[str, str]) -> None:
        touch = next(t for t in entry["touch"] if t["object"].startswith("change_request:"))
        content = documents.get(touch["after"])
        if content is None:
            return
        request, id, at = json.loads(content), touch["object"].partition(":")[2], _time(entry["ts"])
        reached, policies = self._reached(request), dict(self._rules(request))
        self.applied += 1
        places = self.states["environment"].values()
        guarded = [p for p in places if p["project"] == request["project"] and p["key"] in reached and p["protected"]]
        if not guarded:
            return
        self.protected += 1
        types = {operation["type"] for operation in request["operations"]}
        mode = entry["approval"]["mode"]
        if mode == "standard" and types == {"flag.disable"}:
            return
        if mode in {"plan", "break-glass"}:
            self._judge_other(seq, mode, entry, request)
            return
        demands = [(p["approvals"], p.get("further") or {}) for p in policies.values()]
        needed = max(max(n, further.get("approvals", 0)) for n, further in demands)
        hours = min(further.get("approval_hours", 168) for _, further in demands)
        writers = self.writers[id] | self._people(entry["actor"] if mode == "direct" else {"id": request["author"]})
        good = [
            given
            for given in self.given[id]
            if given.person not in writers
            and given.digest == request["digest"]
            and given.policies == self._policies(request)
            and at - given.at < timedelta(hours=hours)
            and all(self._approves(given.person, request["project"], key, at) for key in reached)
        ]
        if len({given.person for given in good}) < needed:
            self.complaints.append(f"entry {seq}: {id} applied ({mode}) with {len(good)} of {needed} approvals")
        for group in {group for _, further in demands for group in further.get("each_group", ())}:
            if needed and not any(group in given.groups for given in good):
                self.complaints.append(f"entry {seq}: {id} applied without an approval from {group}")

    def _judge_other(self, seq: int, mode: str, entry: Mapping[str, Any], request: Mapping[str, Any]) -> None:
        """A step of a plan, or an emergency: who vouches for it must be named, and be somebody else's word."""
        settings = {"policy.set", "environment.protect", "environment.unprotect"}
        if any(operation["type"] in settings for operation in request["operations"]):
            self.complaints.append(f"entry {seq}: {mode} changed a policy or protection")
        if mode == "plan" and not entry["approval"]["approvers"] and entry["approval"]["required"]:
            self.complaints.append(f"entry {seq}: a step of a plan that nobody approved")


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)


def complaints() -> Witness:
    """What there is to complain of in the log of the present database."""
    return Witness().read()
