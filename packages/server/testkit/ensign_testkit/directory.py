"""A directory for tests: an installation with a SCIM token, and requests as an identity provider sends them.

``python -m ensign_testkit.directory DATA_DIR`` migrates an empty installation, makes an administrator and a token, and
prints ``{"token": …, "admin": …}``. In a process of its own, as Django serves one database at a time.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from ensign_testkit.server import environment

USER = "urn:ietf:params:scim:schemas:core:2.0:User"
GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
EMPLOYMENT = "urn:ietf:params:scim:schemas:extension:ensign:2.0:User"
PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"


def provisioned(data_dir: Path) -> dict[str, str]:
    """Fill an empty data directory; returns ``token`` and ``admin`` (the id of a person)."""
    done = subprocess.run(
        [sys.executable, "-m", "ensign_testkit.directory", str(data_dir)],
        env={**environment(data_dir), "PYTHONPATH": str(Path(__file__).parents[1])},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    made: dict[str, str] = json.loads(done.stdout)
    return made


class Sender(Protocol):
    """Sends a request and returns its status, headers and JSON (None without a body)."""

    def __call__(
        self, method: str, path: str, body: Any = None, *, headers: Mapping[str, str] | None = None
    ) -> tuple[int, Mapping[str, str], Any]: ...


@dataclass
class Directory:
    """An identity provider's side: ``call`` fails unless the status is the one expected."""

    send: Sender
    token: str = ""
    media_type: str = "application/scim+json"
    headers: dict[str, str] = field(default_factory=dict)

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Mapping[str, str], Any]:
        """One request; ``headers`` with ``_`` for ``-``."""
        given = {"Authorization": f"Bearer {self.token}", "Content-Type": self.media_type, **self.headers}
        given |= {name.replace("_", "-"): value for name, value in headers.items()}
        return self.send(method, f"/scim/v2{path}", body, headers=given)

    def call(self, method: str, path: str, body: Any = None, *, status: int = 200, **headers: str) -> Any:
        """The JSON of the answer."""
        got, _, found = self.ask(method, path, body, **headers)
        assert got == status, (got, found)
        return found

    def add(self, user_name: str = "anna@example.com", *, status: int = 201, **more: Any) -> Any:
        """Make a user."""
        body = {"schemas": [USER], "userName": user_name, "active": True, **more}
        return self.call("POST", "/Users", body, status=status)

    def patch(self, path: str, *operations: Mapping[str, Any], status: int = 200) -> Any:
        """Send PATCH operations."""
        return self.call("PATCH", path, {"schemas": [PATCH], "Operations": list(operations)}, status=status)

    def group(self, name: str = "Engineers", *members: str, **more: Any) -> Any:
        """Make a group."""
        body = {"schemas": [GROUP], "displayName": name, "members": [{"value": id} for id in members], **more}
        return self.call("POST", "/Groups", body, status=201)


def main() -> None:
    """Migrate and fill the data directory that is named."""
    os.environ["ENSIGN_DATA_DIR"] = sys.argv[1]
    os.environ["DJANGO_SETTINGS_MODULE"] = "ensign.settings"
    import django  # deferred: settings read the environment that was set above

    django.setup()
    from ensign.control.audit import boot
    from ensign.control.kernel import clock
    from ensign.control.scim import tokens

    from ensign_testkit.people import add_person

    boot.migrate(at=clock.now())
    admin = add_person("Ada Admin", "admin", password="correct horse battery staple")
    made = tokens.create(actor=admin, at=clock.now(), name="identity provider")
    sys.stdout.write(json.dumps({"token": made.text, "admin": admin.id}))


if __name__ == "__main__":
    main()
