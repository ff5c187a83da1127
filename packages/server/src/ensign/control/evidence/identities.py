"""Who people were when something happened: names and addresses as of an entry, from the documents of that time."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field

from ensign.control.audit import history
from ensign.control.audit.models import Touch
from ensign.control.identity.domain import former
from ensign.control.identity.queries import names

_CHUNK = 400


@dataclass(frozen=True, slots=True)
class Identity:
    """A name and, for people, an e-mail address; empty when it is not known or was erased."""

    name: str = ""
    email: str = ""


@dataclass(slots=True)
class Identities:
    """Answers for the ids that it was made for."""

    _built_in: dict[str, str] = field(default_factory=dict)
    _versions: dict[str, tuple[list[int], list[Identity]]] = field(default_factory=dict)

    def at(self, id: str, seq: int) -> Identity:
        """Who ``id`` was when entry ``seq`` was made."""
        if id in self._built_in:
            return Identity(self._built_in[id])
        numbers, states = self._versions.get(id, ([], []))
        place = bisect_right(numbers, seq)
        return states[place - 1] if place else Identity(former(id))


def identities(ids: Iterable[str]) -> Identities:
    """Everybody in ``ids``, at any time."""
    wanted = sorted({id for id in ids if id})
    kinds = {"usr": "person", "svc": "service_account", "grp": "group"}
    objects = {f"{kinds[id[:3]]}:{id}": id for id in wanted if id[:3] in kinds}
    found = Identities(names(id for id in wanted if id[:3] not in kinds))
    listed = sorted(objects)
    for start in range(0, len(listed), _CHUNK):
        rows = list(
            Touch.objects.filter(object__in=listed[start : start + _CHUNK])
            .order_by("object", "version")
            .values_list("object", "seq", "after")
        )
        documents = history.documents(after for _, _, after in rows)
        for name, seq, after in rows:
            state = documents.get(after)
            numbers, states = found._versions.setdefault(objects[name], ([], []))
            numbers.append(seq)
            if state is None:
                states.append(Identity(former(objects[name])))
            else:
                states.append(Identity(str(state.get("name") or ""), str(state.get("email") or "")))
    return found
