"""Claims: nothing can be allowed that no code asks for; every permission of Unleash has an answer; codes never go."""

from __future__ import annotations

import re
from pathlib import Path

import ensign.control
from ensign.control.access.permissions import BY_CODE, SPLIT_FROM, About, Level, Permission
from ensign.control.access.unleash import UNLEASH

CONTROL = Path(ensign.control.__file__).parent

#: Where permissions are declared, bundled into roles or described: naming one there asks for nothing.
DECLARED = {"permissions.py", "roles.py", "unleash.py", "reference.py"}

#: Not asked for by a page or an operation. ``org:ledger:anchor`` is held by Ensign's own actors, which anchor by
#: themselves; the others are asked for by the parts about sign-in rules, directories and erasure.
ELSEWHERE = {
    Permission.ORG_LEDGER_ANCHOR,
    Permission.ORG_SECURITY_MANAGE,
    Permission.ORG_SCIM_MANAGE,
    Permission.ORG_PRIVACY_ERASE,
}

#: What an installation of before may have stored; a code that went would change what an old grant or token says.
FROZEN = frozenset(
    re.findall(
        r"[a-z:-]+",
        """
org:read org:people:manage org:groups:manage org:access:grant org:service-accounts:manage org:roles:manage
org:security:manage org:scim:manage org:privacy:erase org:project:create org:ledger:read org:ledger:export
org:ledger:anchor org:settings:manage project:read project:update project:environments:manage project:tokens:manage
project:policy:propose project:access:grant flag:create flag:update flag:archive segment:create change:draft
change:apply change:approve flag:kill
""",
    )
)


def test_every_permission_is_asked_for_somewhere() -> None:
    asked = {
        name
        for path in CONTROL.rglob("*.py")
        if not (path.parent.name == "access" and path.name in DECLARED)
        for name in re.findall(r"Permission\.([A-Z_]+)", path.read_text("utf-8"))
    }
    assert {permission.name for permission in Permission} - asked <= {permission.name for permission in ELSEWHERE}


def test_codes_that_were_stored_once_stay() -> None:
    assert BY_CODE.keys() >= FROZEN
    assert not FROZEN & set(map(str, SPLIT_FROM)), "what was split off is new"
    assert set(map(str, SPLIT_FROM.values())) <= FROZEN


def test_every_permission_of_unleash_is_answered() -> None:
    for name, (ours, note) in UNLEASH.items():
        assert ours or note, name
    assert len(UNLEASH) == 65


def test_what_is_about_flags_is_decided_in_projects_and_environments() -> None:
    assert all(p.level is not Level.ORGANISATION for p in Permission if p.about is About.FLAGS)
    assert all(p.level is not Level.ENVIRONMENT for p in Permission if p.about is About.READING)
