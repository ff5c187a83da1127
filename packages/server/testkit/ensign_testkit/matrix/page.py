"""The reference page of routes, written from the table: ``python -m ensign_testkit.matrix.page``."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from ensign_testkit.matrix.table import Row, rows

PAGE: Final = Path(__file__).parents[5] / "docs/reference/routes.md"

_HEAD = """# Who may call what

Every address of the control plane and what calling it needs. This page is written from the table that the test suite
tries (`packages/server/testkit/ensign_testkit/matrix`): every route, by every built-in role given in the organisation,
in a project and in one environment, in one's own project and in another one, in every environment; by nobody, by
somebody deactivated, by somebody whose roles ran out, and by tokens. The answers are compared with
[permissions and roles](permissions-and-roles.md). A route without a row fails the tests. Of a route that only reads,
`make test` tries a third of these combinations, and `make test-all` all of them.

Permissions are spelled as there. Further words:

- *anyone*: also nobody signed in. *signed-in*: everybody who is; lists hold only what they may read.
- *in person*: in a session, never by token. *author*, *involved*: who wrote the request in question; who wrote or
  approved it.
- *anywhere*: whoever holds the permission in any project.
"""


def text() -> str:
    """The page, as Markdown."""
    found = sorted(rows().values(), key=lambda row: (row.address, row.method))
    parts = [_HEAD]
    for title, api in (("API", True), ("Pages", False)):
        parts.append(f"\n## {title}\n\n| Route | Needs | Note |\n|---|---|---|\n")
        parts += [_line(row) for row in found if row.is_api is api]
    return "".join(parts)


def _line(row: Row) -> str:
    return f"| `{row.method} {row.address}` | {_needs(row.needs)} | {row.why} |\n"


def _needs(needs: str) -> str:
    words = [f"`{word}`" if ":" in word else word for word in needs.split()]
    return " ".join(words)


if __name__ == "__main__":
    PAGE.write_text(text())
