"""What an installation's flags make of every ruleset, derived from its rows in a process of its own.

``python -m ensign_testkit.derived`` prints ``{"shop/production": {"features": [...], "segments": [...]}, …}``.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ensign_testkit.server import environment


def derived(data_dir: Path, env: Mapping[str, str]) -> dict[str, Any]:
    """By project and environment: what SDKs must be told."""
    done = subprocess.run(
        [sys.executable, "-m", "ensign_testkit.derived"],
        env={**environment(data_dir, env), "PYTHONPATH": str(Path(__file__).parents[1])},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    made: dict[str, Any] = json.loads(done.stdout)
    return made


def main() -> None:
    """Print them for the installation of this process's environment."""
    from ensign.cli import local  # deferred: settings read the environment of this process

    local.set_up()
    from ensign.control.projects import queries as projects  # deferred: after the set-up of Django
    from ensign.control.publishing.derive import rederive  # deferred: as above

    found = {}
    for project in projects.projects():
        for place in projects.environments(project.key):
            snapshot = rederive(project.key, place.key)
            found[f"{project.key}/{place.key}"] = {
                "features": [json.loads(feature.text) for feature in snapshot.features.values()],
                "segments": [json.loads(text) for text in snapshot.segments.values()],
            }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
