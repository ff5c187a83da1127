"""The reference page of permissions and roles, written from the code so that it cannot differ from it."""

from __future__ import annotations

from ensign.control.access.duties import PAIRS, Pair
from ensign.control.access.permissions import ADMINISTRATIVE, NEVER_BY_TOKEN, About, Level, Permission, at_level
from ensign.control.access.roles import ROLES, Role
from ensign.control.access.unleash import UNLEASH

_HEAD = """# Permissions and roles

This page is written from the code (`python -m ensign.control.access.reference`); a test fails when they differ.

Whether somebody may do something is decided in one place, `access.decisions.decide`, and denied unless a grant in force
allows it. A grant gives one role to a person, a group or a service account, in the whole organisation, in one project,
or in one environment of a project, from a start until, at will, an end.

- A grant in a project reaches its environments; a grant in an environment reaches nothing else, except the permissions
  marked ○, which alter nothing that an application sees.
- A grant can be narrowed to flags of some types, with one of some tags, or both. What is marked ◆ is then conferred
  for these flags alone: to create one, to change, archive, kill, draft, apply and approve. What is marked ◇ stays, so
  that its holder sees what stands around these flags. Everything else, segments included, is not conferred. A change
  that touches several flags needs all of them covered, when drafted, approved and applied.
- Changing a flag's type or tags needs `flag:classify` for the flag as it was and as it will be, and nobody brings a
  flag under a narrowed grant of their own by it.
- A token acts with the grants of its owner, narrowed at will, and never has what is marked "no". A token that was
  narrowed before a permission was split keeps what it could do then.
- Nobody gives a role to themselves, nor to a group that they belong to. The first person's roles come from set-up.
- Who gives roles gives those that their own role lists, and needs not hold them (see Roles).
- An administrator neither changes nor approves what applications see, unless they hold another role for it, which the
  log shows. No role is exempt from an environment's policy, and nobody approves what they wrote or edited.
- Giving a role that approves, or does without approval in an emergency, where a protected environment can be reached,
  one that decides who is who (how people sign in and get back in, the directory, erasure), or one that gives such a
  role, takes two people who may give it, neither of whom gets it
  ([ADR 0021](../adr/0021-approval-is-given-by-two-and-asked-of-the-log.md)).
- Anybody active may ask for a role for themselves for a while; who may give it answers, in person, never by token.
- What is kept apart (see the end) nobody holds together in the same place, unless two others except it for a while.
- A deactivated person has nothing: sessions and personal tokens end in the same transaction.
- Administering needs a second factor proved a short while ago, of everybody who has one
  ([0026](../adr/0026-step-up-of-who-has-a-factor.md)). It is asked for with these permissions: {administrative}.
- Creating a flag never confers switching it: `flag:create` makes a flag that is off everywhere, and each step of a
  change in an environment is a permission of its own, conferred there or not.
"""

_ROLES = """
Built-in roles never change but with a release. An organisation makes others of any of these permissions, under People &
access, Roles, from nothing or from a copy ([how](../howto/roles.md)). Changing one changes at once what its holders may
do, so Ensign first says who gains and loses what, and it takes the right to give that role to each of them; nobody
widens a role that they hold themselves. A role is archived when nobody holds it any more.

`*` in "gives" stands for every role when held in the whole organisation; within a project, for every role that neither
approves changes nor gives roles.

| Role | Key | Gives | |
|---|---|---|---|"""

_UNLEASH = """
## Coming from Unleash

What stands for each of Unleash's permissions. Where a change is drafted and then applied, a role needs both halves.

| Unleash | Here | |
|---|---|---|"""


_APART = """
## What is kept apart

Whoever holds one of the first holds none of the second in the same place: the organisation, a project or an environment
in which both count. Left out, as there is no permission for it: restoring a backup (it needs a shell on the server) and
reviewing one's own emergency change. That nobody approves what they wrote is decided for each request, so that
`change:draft` and `change:approve` are no pair.

| Pair | One of | With one of | Together they let somebody … |
|---|---|---|---|"""


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
    lines += ["\n## Roles", _ROLES, *(_role(role) for role in ROLES.values())]
    lines += [_UNLEASH, *(_mapped(name, ours, note) for name, (ours, note) in UNLEASH.items())]
    lines += [_APART, *(_pair(pair) for pair in PAIRS.values())]
    return "\n".join(lines) + "\n"


_MARKS = {About.FLAGS: " ◆", About.READING: " ◇", About.ELSE: ""}


def _row(permission: Permission) -> str:
    held = ("●" if permission in role.permissions else "" for role in ROLES.values())
    mark = (" ○" if permission.inert else "") + _MARKS[permission.about]
    token = "no" if permission in NEVER_BY_TOKEN else "yes"
    return f"| `{permission}`{mark} | {permission.description} | {token} | {' | '.join(held)} |"


def _role(role: Role) -> str:
    gives = ", ".join(f"`{key}`" for key in sorted(role.assigns))
    return f"| {role.name} | `{role.key}` | {gives} | {role.description} |"


def _mapped(name: str, ours: tuple[Permission, ...], note: str) -> str:
    return f"| `{name}` | {', '.join(f'`{permission}`' for permission in ours) or '—'} | {note} |"


def _pair(pair: Pair) -> str:
    one, other = (", ".join(f"`{p}`" for p in Permission if p in half) for half in (pair.one, pair.other))
    return f"| `{pair.key}` | {one} | {other} | {pair.risk} |"


if __name__ == "__main__":
    print(page(), end="")
