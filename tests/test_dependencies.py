"""Claims: what a package imports stands in its pyproject.toml: it does not live on what others happen to bring."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = sorted(path.parent for path in ROOT.glob("packages/*/pyproject.toml"))
_NAME = re.compile(r"[A-Za-z0-9._-]+")


def plain(name: str) -> str:
    """A distribution's name in its normalised form (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def imported(source: str) -> Iterator[str]:
    """Top-level names of the modules that a file imports, also under `if TYPE_CHECKING` and inside functions."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]


def declared(package: Path) -> set[str]:
    """What a package says that it needs, extras included, and the package itself."""
    project = tomllib.loads((package / "pyproject.toml").read_text("utf-8"))["project"]
    wanted = [project["name"], *project["dependencies"]]
    for extra in project.get("optional-dependencies", {}).values():
        wanted += extra
    found = (_NAME.match(one) for one in wanted)
    return {plain(match[0]) for match in found if match}


def undeclared(sources: dict[str, str], known: set[str]) -> dict[str, str]:
    """Third-party module -> a file that imports it although no dependency of ``known`` holds it."""
    holders = packages_distributions()
    found = {}
    for name, source in sources.items():
        for module in imported(source):
            if module in sys.stdlib_module_names or module == "__future__":
                continue
            # The workspace's own packages are installed in place, which tells no modules: their names are the same.
            if not known & {plain(one) for one in holders.get(module, [module])}:
                found[module] = name
    return found


def test_the_check_finds_what_only_another_dependency_brings() -> None:
    sources = {
        "a.py": "import os\nimport django.db\ndef f():\n    from fido2.server import Fido2Server\n    import no_such\n"
    }
    assert undeclared(sources, {"django"}) == {"fido2": "a.py", "no_such": "a.py"}
    assert undeclared(sources, {"django", "fido2"}) == {"no_such": "a.py"}


@pytest.mark.parametrize("package", PACKAGES, ids=lambda path: path.name)
def test_what_a_package_imports_is_declared(package: Path) -> None:
    files = sorted((package / "src").rglob("*.py"))
    assert files
    sources = {str(path.relative_to(ROOT)): path.read_text("utf-8") for path in files}
    assert undeclared(sources, declared(package)) == {}
