"""The first people of a real installation, made through the real operations; run as a module in its environment.

``python -m ensign_testkit.seeding`` prints ``{"tokens": {"ingrid": "ensign_pat_…", "bo": …}, "ids": {…}}``.
"""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

from ensign_testkit.server import environment

PASSWORD = "Harbour-Quilt-57-Lantern"  # a test's own


def seed(data_dir: Path, *, crowd: int = 0, **env: str) -> dict[str, Any]:
    """Ingrid (admin, developer, approver) and Bo (developer, approver) with a token each, and the project ``shop``.

    ``crowd`` more developers, each with a token, by the names ``editor 1`` and so on.
    """
    here = str(Path(__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-m", "ensign_testkit.seeding", str(crowd)],
        env={**environment(data_dir, env), "PYTHONPATH": here},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    made: dict[str, Any] = json.loads(done.stdout)
    return made


def main() -> None:
    """Make them in the installation of this process's environment."""
    from ensign.cli import local  # deferred: settings read the environment of this process

    local.set_up()
    from ensign.control.kernel import clock  # deferred: as above, after the set-up

    print(json.dumps(_people(clock.now(), crowd=int(sys.argv[1]))))


def _people(at: datetime, *, crowd: int) -> dict[str, Any]:
    from ensign.control.access import people, setup, tokens  # deferred: after the set-up of Django
    from ensign.control.access.grants import Wish  # deferred: after the set-up of Django
    from ensign.control.access.tokens import TokenWish  # deferred: after the set-up of Django
    from ensign.control.identity import operations as identity  # deferred: after the set-up of Django
    from ensign.control.kernel.actor import ANONYMOUS, Actor  # deferred: after the set-up of Django
    from ensign.control.projects import operations as projects  # deferred: after the set-up of Django

    first = setup.set_up(
        actor=ANONYMOUS, at=at, link=identity.create_setup_link(at=at), name="Ingrid Solheim",
        email="ingrid@example.com", password=PASSWORD, preset="small-team", organisation="Shop",
    )  # fmt: skip
    ingrid = Actor(kind="person", id=first.id, via="session", mfa_at=at)
    wishes = [Wish(role="developer"), Wish(role="approver")]
    invited = people.invite(
        actor=ingrid, at=at, email="bo@example.com", name="Bo Lind", wishes=wishes, reason="The second of two people."
    )
    identity.accept_invitation(actor=ANONYMOUS, at=at, link=invited.link, name="Bo Lind", password=PASSWORD)
    bo = Actor(kind="person", id=invited.person.id, via="session", mfa_at=at)
    known = {"ingrid": ingrid, "bo": bo}
    for number in range(1, crowd + 1):
        name = f"editor {number}"
        joining = people.invite(
            actor=ingrid, at=at, email=f"editor{number}@example.com", name=name, wishes=[Wish(role="developer")]
        )
        identity.accept_invitation(actor=ANONYMOUS, at=at, link=joining.link, name=name, password=PASSWORD)
        known[name] = Actor(kind="person", id=joining.person.id, via="session", mfa_at=at)
    projects.create_project(actor=ingrid, at=at, key="shop", name="Shop", preset="small-team")
    wish = TokenWish(name="tests")
    made = {name: tokens.create_personal(actor=actor, at=at, wish=wish).text for name, actor in known.items()}
    return {"tokens": made, "ids": {name: actor.id for name, actor in known.items()}}


if __name__ == "__main__":
    main()
