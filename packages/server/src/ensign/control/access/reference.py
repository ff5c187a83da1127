"""The reference page of permissions and roles, written from the code so that it cannot differ from it."""

from __future__ import annotations

from ensign.control.access.permissions import ADMINISTRATIVE, NEVER_BY_TOKEN, Level, Permission, at_level
from ensign.control.access.roles import ROLES

_HEAD = """# Permissions and roles

This page is written from the code (`python -m ensign.control.access.reference`); a test fails when they differ.

Whether somebody may do something is decided in one place, `access.decisions.decide`, and denied unless a grant in force
allows it. A grant gives one role to a person, a group or a service account, in the whole organisation, in one project,
or in one environment of a project, from a start until, at will, an end.

- A grant in a project reaches its environments; a grant in an environment reaches nothing else, except the permissions
  marked ○, which alter nothing that an application sees.
- A token acts with the grants of its owner, narrowed at will, and never has what is marked "no".
- Nobody gives a role to themselves, nor to a group that they belong to. The first person's roles come from set-up.
- An administrator neither changes nor approves what applications see, unless they hold another role for it, which the
  log shows. No role is exempt from an environment's policy, and nobody approves what they wrote or edited.
- A deactivated person has nothing: sessions and personal tokens end in the same transaction.
- Administering needs a second factor proved a short while ago, of everybody who has one
  ([0026](../adr/0026-step-up-of-who-has-a-factor.md)). It is asked for with these permissions: {administrative}.
"""


def page() -> str:
    """The page, as Markdown."""
    names = [role.name for role in ROLES.values()]
    codes = ", ".join(f"`{permission}`" for permission in Permission if permission in ADMINISTRATIVE)
    lines = [_HEAD.replace("{administrative}", codes)]
    for level in Level:
        lines += [
            f"\n## {level.capitalize()}\n",
            f"| Permission | May … | Token | {' | '.join(names)} |",
            f"|---|---|---|{'---|' * len(names)}",
            *(_row(permission) for permission in at_level(level)),
        ]
    lines += ["\n## Roles\n", *(f"- **{role.name}** (`{role.key}`): {role.description}" for role in ROLES.values())]
    return "\n".join(lines) + "\n"


def _row(permission: Permission) -> str:
    held = ("●" if permission in role.permissions else "" for role in ROLES.values())
    mark = " ○" if permission.inert else ""
    token = "no" if permission in NEVER_BY_TOKEN else "yes"
    return f"| `{permission}`{mark} | {permission.description} | {token} | {' | '.join(held)} |"


if __name__ == "__main__":
    print(page(), end="")
