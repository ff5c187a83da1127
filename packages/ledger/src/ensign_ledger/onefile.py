"""Builds the verifier that travels in each bundle: one file, standard library only, the same code.

The verifying modules are embedded as source text in order of dependence and executed as the modules that they
are, so that the file judges exactly as ``ensign-verify`` of the same version does. The build is
deterministic: the same sources give the same bytes.
"""

from importlib import resources

PACKAGE = "ensign_ledger"
MODULES = (
    "canonical",
    "merkle",
    "ed25519",
    "note",
    "checkpoint",
    "container",
    "report",
    "entry",
    "anchors",
    "manifest",
    "plans",
    "semantics",
    "p256",
    "cose",
    "passkey",
    "approval",
    "signed",
    "earlier",
    "emergencies",
    "policies",
    "replay",
    "verify",
    "cli",
)
"""The verifying half of the package, each after what it imports; none needs more than Python 3.11."""

_HEADER = '''#!/usr/bin/env python3
"""Checks the evidence bundle that lies beside this file, or the one named as an argument.

    python3 verify.py [BUNDLE] [--key SHA256:...] [--json]

It needs Python 3.11 or newer and nothing else: no network, no other package. It only reads.
A verifier that came with the evidence could have been changed together with it. Its text is readable below;
whoever must not take it on trust runs `ensign-verify` from a copy of their own, which is the same code.
"""

import sys

if sys.version_info < (3, 11):
    sys.stderr.write("This verifier needs Python 3.11 or newer.\\n")
    sys.exit(2)

SOURCES = {}
'''

_FOOTER = """

def load():
    import types

    package = types.ModuleType("{package}")
    package.__path__ = []
    sys.modules["{package}"] = package
    for name, source in SOURCES.items():
        module = types.ModuleType("{package}." + name)
        sys.modules["{package}." + name] = module
        exec(compile(source, "verify.py/" + name, "exec"), module.__dict__)
        setattr(package, name, module)
    return package.cli


if __name__ == "__main__":
    import os

    sys.exit(load().main(beside=os.path.dirname(os.path.abspath(__file__))))
"""


def build() -> bytes:
    """Return the bytes of verify.py for this version of the package."""
    parts = [_HEADER]
    for name in MODULES:
        source = resources.files(PACKAGE).joinpath(f"{name}.py").read_text(encoding="utf-8")
        parts.append(f"\nSOURCES[{name!r}] = {_literal(name, source)}\n")
    parts.append(_FOOTER.format(package=PACKAGE))
    return "".join(parts).encode()


def _literal(name: str, source: str) -> str:
    """Return a readable raw string literal of exactly ``source``."""
    if "'''" in source or source.endswith(("'", "\\")) or "\r" in source:
        raise ValueError(f"module {name} cannot be written as a raw string")
    return f"r'''{source}'''"
