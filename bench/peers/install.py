"""What benchmarks compare with, installed into `.bench/` of the checkout: ``python -m bench.peers.install``.

Python SDKs go into an environment of their own, the Unleash server is from npm, Unleash Edge is built by cargo. What
cannot be had is left out, with the reason; nothing here touches Ensign's own environment.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]
PLACE = ROOT / ".bench"
REQUIREMENTS = Path(__file__).with_name("requirements.txt")
WANTED = Path(__file__).with_name("requirements.in")
UNLEASH = "7.5.1"
"""The newest Unleash server that runs on Debian's Node 20."""
EDGE = "19.15.1"
"""The newest Unleash Edge that asks for no licence."""
EDGE_SECONDS = 1_800
"""A build that takes longer is given up."""
SWAGGER = "5.17.14"
"""The documentation pages that Edge's build would download; here they come from npm."""


class Missing(Exception):
    """A peer that cannot be had here; the text says why."""


def _run(command: Sequence[str], *, seconds: float, **environment: str) -> None:
    """Run at low priority. Raises Missing."""
    nice = [found, "-n", "15"] if (found := shutil.which("nice")) else []
    try:
        done = subprocess.run(
            [*nice, *command], env={**os.environ, **environment}, capture_output=True, text=True, timeout=seconds,
            check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired as problem:
        raise Missing(f"{Path(command[0]).name} took more than {seconds:.0f} s") from problem
    except OSError as problem:
        raise Missing(f"{command[0]}: {problem.strerror}") from problem
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines() or ["no word why"]
        said = next((line for line in lines if line.lower().lstrip().startswith("error")), lines[-1])
        raise Missing(f"{Path(command[0]).name}: {said[:300]}")


def _once(name: str, mark: str, make: Callable[[], None]) -> None:
    """Make what is not there as `mark` wants it; what could not be made stays so until the mark changes."""
    kept = PLACE / f"{name}.made"
    text = kept.read_text(encoding="utf-8") if kept.exists() else ""
    if text == mark:
        return
    if text.startswith(f"{mark}\n"):
        raise Missing(f"{text.split(chr(10), 1)[1]} (remove {kept.relative_to(ROOT)} to try again)")
    PLACE.mkdir(exist_ok=True)
    try:
        make()
    except Missing as problem:
        kept.write_text(f"{mark}\n{problem}", encoding="utf-8")
        raise
    kept.write_text(mark, encoding="utf-8")


def python_peers() -> Path:
    """The interpreter of the environment with all Python peers. Raises Missing.

    Where not all can be installed together, each is tried by itself, and contenders say what they miss.
    """
    folder = PLACE / "peers"
    uv = str(Path(sys.executable).with_name("uv"))

    def make() -> None:
        _run([uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(folder)], seconds=120)
        install = [uv, "pip", "install", "--quiet", "--python", str(folder / "bin" / "python")]
        try:
            _run([*install, "-r", str(REQUIREMENTS)], seconds=600)
        except Missing as problem:
            print(f"not all Python peers at once ({problem}); one by one", flush=True)
            for line in WANTED.read_text(encoding="utf-8").split():
                try:
                    _run([*install, line], seconds=300)
                except Missing as reason:
                    print(f"{line} is missing: {reason}", flush=True)

    _once("peers", hashlib.sha256(REQUIREMENTS.read_bytes() + sys.version.encode()).hexdigest(), make)
    return folder / "bin" / "python"


def unleash_server() -> Path:
    """The folder whose `node_modules` holds the Unleash server. Raises Missing."""
    folder = PLACE / "node"

    def make() -> None:
        folder.mkdir(exist_ok=True)
        (folder / "package.json").write_text('{"private": true}\n', encoding="utf-8")
        options = ["--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error", "--prefix", str(folder)]
        _run(["npm", "install", *options, f"unleash-server@{UNLEASH}"], seconds=600)

    _once("node", UNLEASH, make)
    return folder


def unleash_edge() -> Path:
    """The program. Raises Missing.

    Built without its S3 storage and without link-time optimisation, which would take a quarter of an hour more.
    """
    folder = PLACE / "cargo"

    def make() -> None:
        folder.mkdir(exist_ok=True)
        options = ["--no-default-features", "--locked", "--root", str(folder), "--target-dir", str(folder / "target")]
        _run(
            ["cargo", "install", *options, f"unleash-edge@{EDGE}"],
            seconds=EDGE_SECONDS,
            SWAGGER_UI_DOWNLOAD_URL=f"file://{_swagger(folder)}",
            CARGO_PROFILE_RELEASE_LTO="off",
            CARGO_PROFILE_RELEASE_CODEGEN_UNITS="16",
        )
        shutil.rmtree(folder / "target", ignore_errors=True)

    _once("edge", EDGE, make)
    return folder / "bin" / "unleash-edge"


def _swagger(folder: Path) -> Path:
    """The pages as an archive of the shape that the build wants."""
    options = ["--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error", "--prefix", str(folder)]
    (folder / "package.json").write_text('{"private": true}\n', encoding="utf-8")
    _run(["npm", "install", *options, f"swagger-ui-dist@{SWAGGER}"], seconds=300)
    archive = folder / f"swagger-ui-{SWAGGER}.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        for path in sorted((folder / "node_modules" / "swagger-ui-dist").iterdir()):
            if path.is_file():
                packed.write(path, f"swagger-ui-{SWAGGER}/dist/{path.name}")
    return archive


def main() -> int:
    """Install all, and say what is missing; 0 all the same, as the benchmarks run without."""
    for what, make in (
        ("Python SDKs", python_peers),
        ("Unleash server", unleash_server),
        ("Unleash Edge", unleash_edge),
    ):
        print(f"{what}: ", end="", flush=True)
        try:
            print(make().relative_to(ROOT), flush=True)
        except Missing as problem:
            print(f"missing: {problem}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
