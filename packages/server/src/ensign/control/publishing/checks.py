"""Drift between what is published and what the rows say, for `ensign ledger verify`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

from ensign_ledger.ruleset import Untrusted, read_signed

from ensign.control.audit import checkpoints
from ensign.control.audit.staging import digest
from ensign.control.projects.models import Environment
from ensign.control.publishing.derive import rederive
from ensign.control.publishing.models import Revision, Ruleset
from ensign.control.publishing.operations import ruleset_id
from ensign.control.publishing.snapshot import Snapshot

_Key = TypeVar("_Key", str, int)


def problems() -> list[str]:
    """What is wrong, one sentence each; empty when every ruleset is what its flags and segments make.

    Checked for every environment: the ruleset exists where something was published; its digest, epoch and number are
    those of the newest revision; it equals the one derived from the rows; its signature, where it has one, is the
    log's and covers just this; revisions never go back.
    """
    found = list(_order())
    for project, key, id in Environment.objects.order_by("project", "position").values_list("project", "key", "id"):
        found += _ruleset(str(project), str(key), ruleset_id(id))
    return found


def _order() -> Iterator[str]:
    epoch = 0
    for number, next_epoch in Revision.objects.order_by("number").values_list("number", "epoch"):
        if next_epoch < epoch:
            yield f"Revision {number} has the epoch {next_epoch} after epoch {epoch}."
        epoch = next_epoch


def _ruleset(project: str, environment: str, id: str) -> Iterator[str]:
    place = f"{project}/{environment}"
    newest = Revision.objects.filter(project=project, environment=environment).order_by("-number").first()
    row = Ruleset.objects.filter(pk=id).first()
    derived = rederive(project, environment)
    if row is None or newest is None:
        if row is not None or newest is not None or derived.features:
            yield f"The ruleset of {place} and its revisions do not fit together: one of them is missing."
        return
    state = row.state
    if (newest.digest, newest.ruleset, newest.ledger_seq) != (digest(row.content), id, row.ledger_seq):
        yield f"The ruleset of {place} is not the one of its newest revision {newest.number}."
    if (state["project"], state["environment"], state["epoch"], state["number"]) != (
        project,
        environment,
        newest.epoch,
        newest.number,
    ):
        yield f"The ruleset of {place} says that it is {state['epoch']}.{state['number']} of another place or revision."
    published = Snapshot.parse(row.content)
    yield from _signature(place, state, published, seq=row.ledger_seq)
    flags = _different(published.features, derived.features)
    segments = _different(published.segments, derived.segments)
    if flags:
        yield f"The ruleset of {place} differs from its flags: {', '.join(flags[:5])}."
    if segments:
        yield f"The ruleset of {place} differs from its segments: {', '.join(segments[:5])}."


def _signature(place: str, state: Mapping[str, Any], published: Snapshot, *, seq: int) -> Iterator[str]:
    """Rulesets from before there were signatures have none, until something is published there."""
    note = state.get("signature")
    if note is None:
        return
    try:
        said = read_signed(str(note), [key.key for key in checkpoints.log_keys() if key.covers(seq)])
    except Untrusted as problem:
        yield f"The signature of the ruleset of {place} does not count: {problem}."
        return
    here = (state["project"], state["environment"], state["epoch"], state["number"])
    if (said.project, said.environment, said.epoch, said.number) != here:
        yield f"The signature of the ruleset of {place} is that of another place or revision."
    if said.digest != published.digest(salt=said.salt):
        yield f"The ruleset of {place} is not what was signed."


def _different(published: Mapping[_Key, object], derived: Mapping[_Key, object]) -> list[str]:
    return sorted(str(key) for key in published.keys() | derived.keys() if published.get(key) != derived.get(key))
