"""The data map as a page of the reference, written from the lines that erasures, exports and backups go by."""

from __future__ import annotations

from ensign.control.privacy.lines import SECTIONS
from ensign.control.privacy.outside import OUTSIDE

_HEAD = """# Data map

This page is written from the code (`python -m ensign.control.privacy.reference`); a test fails when they differ, when a
table has no line, or when nothing keeps the end that a line states. Signed in, it stands at `/settings/data-map`;
`GET /api/v1/privacy/map` and `ensign privacy map` give the same.

In the log and in every table people are pseudonymous ids (`usr_…`). Who that is stands in `identity_person`
and, for those whom a directory lists, in `scim_directory_user`.
*Personal data* names whose data a place holds in clear; an id by itself is not counted.
[How somebody is erased](../howto/erase-a-person.md) · [why it is done so](../adr/0028-erasure.md).
"""


def page() -> str:
    """The page, as Markdown."""
    lines = [_HEAD]
    for title, rows in SECTIONS:
        lines += [
            f"\n## {title}\n",
            "| Table | What | Personal data | Purpose | Kept | When a person is erased | In a backup |",
            "|---|---|---|---|---|---|---|",
        ]
        lines += [
            f"| `{row.table}` | {row.what} | {row.whose or 'no'} | {row.purpose} | {row.kept} |"
            f" {row.erased or 'stays'} | {row.backup} |"
            for row in rows
        ]
    lines += [
        "\n## Outside the database\n",
        "| Place | Where | What | Personal data | Kept | When a person is erased |",
        "|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {row.place} | {row.where} | {row.what} | {row.whose or 'no'} | {row.kept} | {row.erased or 'stays'} |"
        for row in OUTSIDE
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(page(), end="")
