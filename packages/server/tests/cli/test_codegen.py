"""Claims about `ensign flags codegen`: the module is the same for the same flags, type checks, and works."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ensign.cli import typed_flags
from ensign_testkit.server import run
from hypothesis import given
from hypothesis import strategies as st

REPOSITORY = Path(__file__).parents[4]
TYPESCRIPT = "typescript@5.9.3"


def payload(kind: str, value: str) -> dict[str, str]:
    return {"type": kind, "value": value}


def varied(*variants: tuple[str, dict[str, str] | None]) -> list[dict[str, Any]]:
    return [{"name": n, "weight": 500, **({"payload": p} if p else {})} for n, p in variants]


FEATURES: list[dict[str, Any]] = [
    {"name": "new-menu", "enabled": True, "strategies": [], "description": 'The "new"\nmenu */ \x00'},
    {"name": "button-colour", "enabled": True, "strategies": [], "variants": varied(("red", None), ("blue", None))},
    {"name": "limit", "enabled": True, "variants": varied(("high", payload("number", "100"))),
     "strategies": [{"name": "default", "variants": varied(("low", payload("number", "10")))}]},
    {"name": "price", "enabled": True, "strategies": [], "variants": varied(("p", payload("number", "1.5")))},
    {"name": "layout", "enabled": True, "strategies": [],
     "variants": varied(("wide", payload("json", '{"columns": 3}')))},
    {"name": "order", "enabled": True, "strategies": [], "variants": varied(("o", payload("json", "[1]")))},
    {"name": "mixed", "enabled": True, "strategies": [],
     "variants": varied(("a", payload("json", "[1]")), ("b", payload("json", "{}")))},
    {"name": "2fa", "enabled": True, "strategies": []},
    {"name": "...", "enabled": True, "strategies": []},
    {"name": "sign_up", "enabled": True, "strategies": []},
    {"name": "signUp", "enabled": False, "strategies": []},
    {"name": 'it\'s "quoted" \\ å\u2028', "enabled": True, "strategies": []},
]  # fmt: skip

USE = """
from typing import Any, Literal, assert_type
from ensign_sdk import Client
from flags import BUTTON_COLOUR, LAYOUT, LIMIT, MIXED, NEW_MENU, ORDER, PRICE

client = Client.offline("rules.json")
assert_type(NEW_MENU.is_on(client), bool)
assert_type(BUTTON_COLOUR.variant(client, {"userId": "7"}), Literal["blue", "red"] | None)
assert_type(BUTTON_COLOUR.value(client, default="none"), str)
assert_type(LIMIT.value(client, default=1), int)
assert_type(PRICE.value(client, default=0.5), float)
assert_type(LAYOUT.value(client, default={}), dict[str, Any])
assert_type(ORDER.value(client, default=[]), list[Any])
assert_type(MIXED.value(client, default=None), Any)
menu = NEW_MENU.bind(client)
assert menu({"userId": "7"}) and NEW_MENU.is_on(client)
assert BUTTON_COLOUR.variant(client, {"userId": "7"}) in BUTTON_COLOUR.variants
assert (LIMIT.variant(client), LIMIT.value(client, default=1)) == ("low", 10)
assert PRICE.value(client, default=0.5) == 1.5
assert LAYOUT.value(client, default={}) == {"columns": 3}
print("it works")
"""

WRONG = """
from ensign_sdk import Client
from flags import BUTTON_COLOUR, LIMIT
client = Client.offline("rules.json")
if BUTTON_COLOUR.variant(client) == "green":
    pass
LIMIT.value(client, default="many")
"""


def generated(folder: Path, *more: str, name: str = "flags.py") -> str:
    (folder / "rules.json").write_text(json.dumps({"version": 2, "features": FEATURES}), encoding="utf-8")
    done = run(folder, "flags", "codegen", str(folder / name), "--ruleset", str(folder / "rules.json"), *more)
    assert done.returncode == 0, done.stderr
    return (folder / name).read_text("utf-8")


def checked(folder: Path, file: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mypy", "--strict", "--strict-equality", "--config-file=", file]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=300)


def test_the_python_module_passes_mypy_strictly_and_works(tmp_path: Path) -> None:
    generated(tmp_path)
    (tmp_path / "use.py").write_text(USE)
    (tmp_path / "wrong.py").write_text(WRONG)
    done = checked(tmp_path, "use.py")
    assert done.returncode == 0, done.stdout
    done = checked(tmp_path, "wrong.py")
    assert "Non-overlapping equality check" in done.stdout
    assert 'incompatible type "str"; expected "int"' in done.stdout
    ran = subprocess.run([sys.executable, "use.py"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ran.stdout == "it works\n", ran.stderr


def test_names_are_clear_and_collisions_are_told_apart(tmp_path: Path) -> None:
    text = generated(tmp_path)
    names = {node.target.id for node in ast.walk(ast.parse(text)) if isinstance(node, ast.AnnAssign)}  # type: ignore[union-attr]  # all targets are names
    assert names >= {"NEW_MENU", "FLAG_2FA", "LIMIT"}
    assert len(names) == len(FEATURES)
    assert {name for name in names if name.startswith("SIGN_UP")} == {"SIGN_UP_7104DA", "SIGN_UP_844C62"}
    assert '#: The "new" menu */' in text


def test_the_same_flags_give_the_same_text_in_any_order(tmp_path: Path) -> None:
    documents = [{"features": FEATURES}, {"features": list(reversed(FEATURES))}]
    texts = {
        write(typed_flags.shapes([document]), origin="x", revisions="")
        for document in documents
        for write in (typed_flags.python, typed_flags.typescript)
    }
    assert len(texts) == 2
    together = typed_flags.shapes([{"features": FEATURES[:5]}, {"features": FEATURES[4:]}])
    assert together == typed_flags.shapes([documents[0]]), "what several environments say is put together"


def test_check_says_when_the_file_is_out_of_date_and_the_revision_alone_does_not_matter(tmp_path: Path) -> None:
    rules, module = tmp_path / "rules.json", tmp_path / "flags.py"

    def command(*more: str, revision: str = "1.1", features: Any = FEATURES) -> subprocess.CompletedProcess[str]:
        document = {"environment": "production", "revision": revision, "features": features}
        rules.write_text(json.dumps(document), encoding="utf-8")
        return run(tmp_path, "flags", "codegen", str(module), "--ruleset", str(rules), *more)

    missing = command("--check")
    assert (missing.returncode, module.exists()) == (1, False)
    assert "out of date" in missing.stderr
    assert command().returncode == 0
    written = module.read_text("utf-8")
    assert "# Revisions: production 1.1\n" in written
    assert command("--check", revision="1.2").returncode == 0
    assert json.loads(command("--json", revision="1.2").stdout)["changed"] is False
    assert module.read_text("utf-8") == written
    assert command("--check", features=FEATURES[1:]).returncode == 1
    assert module.read_text("utf-8") == written
    assert "production 1.3" in (command(revision="1.3", features=FEATURES[1:]), module.read_text("utf-8"))[1]


def test_what_cannot_be_read_is_explained(tmp_path: Path) -> None:
    (tmp_path / "bad.json").write_text("{")
    (tmp_path / "list.json").write_text("[]")
    for arguments, says in (
        (("--ruleset", str(tmp_path / "bad.json")), "is no JSON"),
        (("--ruleset", str(tmp_path / "list.json")), "is no ruleset"),
        (("--ruleset", str(tmp_path / "none.json")), "cannot be read"),
        ((), "There is no project"),
    ):
        done = run(tmp_path, "flags", "codegen", str(tmp_path / "flags.py"), *arguments, env={"ENSIGN_PROJECT": ""})
        assert (done.returncode, says in done.stderr, "Traceback" in done.stderr) == (3, True, False), done.stderr


@given(st.lists(st.text(max_size=12), unique=True, max_size=6), st.text(max_size=20))
def test_whatever_flags_are_called_the_module_is_python(keys: list[str], description: str) -> None:
    features = [{"name": key, "description": description, "variants": [{"name": key, "weight": 1}]} for key in keys]
    text = typed_flags.python(typed_flags.shapes([{"features": features}]), origin=description, revisions="")
    namespace: dict[str, Any] = {}
    exec(compile(text, "flags.py", "exec"), namespace)
    made = [value for value in namespace.values() if type(value).__name__ == "VariantFlag"]
    assert sorted(flag.key for flag in made) == sorted(keys)
    assert all(flag.variants == (flag.key,) for flag in made)


def tsc(tmp_path: Path, text: str) -> subprocess.CompletedProcess[str]:
    """TypeScript's own compiler, fetched once."""
    home = REPOSITORY / "var" / TYPESCRIPT.replace("@", "-")
    if not (home / "package" / "bin" / "tsc").exists():
        home.mkdir(parents=True, exist_ok=True)
        packed = ["npm", "pack", TYPESCRIPT, "--pack-destination", str(home)]
        subprocess.run(packed, check=True, capture_output=True, timeout=180)
        subprocess.run(["tar", "-xzf", str(next(home.glob("*.tgz"))), "-C", str(home)], check=True)
    (tmp_path / "use.ts").write_text(text)
    command = ["node", str(home / "package" / "bin" / "tsc"), "--strict", "--noEmit", "--target", "es2020", "use.ts"]
    return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=180)


@pytest.mark.slow
def test_the_typescript_module_passes_its_compiler(tmp_path: Path) -> None:
    generated(tmp_path, name="flags.ts")
    good = """
import { flags, FlagKey, FlagVariants } from "./flags";
const key: FlagKey = flags.NEW_MENU;
const colour: FlagVariants["button-colour"]["variant"] = "red";
const limit: FlagVariants["limit"]["value"] = 3;
export default [key, colour, limit];
"""
    done = tsc(tmp_path, good)
    assert done.returncode == 0, done.stdout
    done = tsc(tmp_path, good.replace('"red"', '"green"'))
    assert "Type '\"green\"' is not assignable" in done.stdout
