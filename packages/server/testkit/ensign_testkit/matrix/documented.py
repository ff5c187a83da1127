"""What the reference page says about roles and permissions, read from the page itself: the judge is the document."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ensign_testkit.matrix.table import WORDS
from ensign_testkit.matrix.world import Caller

PAGE: Final = Path(__file__).parents[5] / "docs/reference/permissions-and-roles.md"
_LEVELS: Final = {"Organisation": "organisation", "Project": "project", "Environment": "environment"}


@dataclass(frozen=True, kw_only=True)
class Documented:
    """A permission's line: its level, whether a grant in one environment confers it in the project (○), by token, by
    which roles (keys)."""

    code: str
    level: str
    inert: bool
    by_token: bool
    roles: frozenset[str]


def read() -> Mapping[str, Documented]:
    """All lines by code."""
    text = PAGE.read_text()
    keys = dict(re.findall(r"^\| (\w[\w ]*) \| `([a-z-]+)` \|", text, re.MULTILINE))
    found: dict[str, Documented] = {}
    level, names = "", list[str]()
    for line in text.splitlines():
        if line.startswith("## "):
            level = _LEVELS.get(line[3:], "")
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if line.startswith("| Permission | May"):
            names = cells[3:]
        match = re.match(r"`([a-z:-]+)`((?: [○◆◇])*)$", cells[0])
        if level and match and len(cells) == 3 + len(names):
            roles = frozenset(keys[name] for name, mark in zip(names, cells[3:], strict=True) if mark == "●")
            code = match[1]
            found[code] = Documented(
                code=code, level=level, inert="○" in match[2], by_token=cells[2] == "yes", roles=roles
            )
    return found


def allowed(
    needs: str, caller: Caller, *, project: str | None, environment: str | None, page: Mapping[str, Documented]
) -> bool:
    """Whether the documents let ``caller`` do in this place what needs ``needs`` (see ``table``)."""
    if needs == "anyone":
        return True
    if caller.out in {"anonymous", "disabled"}:
        return False
    if needs in WORDS:
        return {
            "signed-in": True,
            "in person": not caller.token,
            "author": caller.part == "author",
            "involved": caller.part != "",
        }[needs]
    if " or " in needs:
        return any(
            allowed(part, caller, project=project, environment=environment, page=page) for part in needs.split(" or ")
        )
    if " and " in needs:
        return all(
            allowed(part, caller, project=project, environment=environment, page=page) for part in needs.split(" and ")
        )
    anywhere, code = needs.startswith("anywhere "), needs.removeprefix("anywhere ")
    permission = page[code]
    if caller.token and not permission.by_token:
        return False
    if caller.out == "expired" or not caller.roles & permission.roles:
        return False
    return anywhere or _reaches(caller, permission, project, environment)


def _reaches(caller: Caller, permission: Documented, project: str | None, environment: str | None) -> bool:
    if caller.project is None:
        return True
    if permission.level == "organisation" or caller.project != project:
        return False
    if caller.environment is None:
        return True
    if permission.level == "project":
        return permission.inert
    return caller.environment == environment
