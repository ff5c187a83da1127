"""`ensign`: everything from the terminal.

Commands on this machine's installation (`serve`, `migrate`, `worker`, `backup`, `restore`, `ledger`, `demo`) work on
its database directly. The others (`flags`, `changes`, …) call the API at ENSIGN_URL with ENSIGN_TOKEN, from anywhere.
"""

from __future__ import annotations

import os
import socket
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ensign.cli import (
    remote_access,
    remote_changes,
    remote_directory,
    remote_duties,
    remote_flags,
    remote_incidents,
    remote_inquiries,
    remote_integrations,
    remote_monitoring,
    remote_policies,
    remote_privacy,
    remote_progression,
    remote_projects,
    remote_providers,
    remote_releases,
    remote_reviews,
    remote_roles,
    remote_sign_in,
    remote_signing,
    remote_tokens,
)
from ensign.cli.codegen import codegen
from ensign.cli.frame import Exit, Json, group, out, show
from ensign.cli.sockets import listen
from ensign.control.kernel import clock
from ensign.control.kernel.actor import system

if TYPE_CHECKING:
    from types import ModuleType

app = group(help="Feature flags whose every production change is authorised, tested, approved, logged and provable.")
ledger = group(help="The log: evidence bundles, verification, anchors. On this machine's database.")
app.add_typer(ledger, name="ledger")
app.add_typer(remote_projects.app, name="projects")
app.add_typer(remote_flags.app, name="flags")
remote_flags.app.command()(codegen)
app.add_typer(remote_flags.segments, name="segments")
app.add_typer(remote_changes.app, name="changes")
remote_progression.add_to(remote_changes.app)
app.add_typer(remote_progression.tests, name="tests")
app.add_typer(remote_policies.app, name="policies")
remote_releases.add_to(remote_changes.app)
app.add_typer(remote_releases.app, name="releases")
remote_reviews.add_to(remote_changes.app)
app.add_typer(remote_incidents.app, name="incidents")
app.add_typer(remote_incidents.triggers, name="triggers")
app.add_typer(remote_incidents.drills, name="drills")
app.add_typer(remote_monitoring.app, name="alerts")
app.add_typer(remote_monitoring.safeguards, name="safeguards")
app.add_typer(remote_access.app, name="access")
remote_access.app.command()(remote_sign_in.logins)
remote_access.app.add_typer(remote_sign_in.rules, name="rules")
remote_signing.add_to(changes=remote_changes.app, access=remote_access.app)
remote_inquiries.add_to(remote_access.app)
remote_duties.add_to(remote_access.app)
remote_access.app.add_typer(remote_providers.app, name="providers")
remote_access.app.add_typer(remote_roles.app, name="roles")
app.add_typer(remote_tokens.tokens, name="tokens")
app.add_typer(remote_directory.app, name="directory")
remote_access.app.command()(remote_directory.leavers)
remote_access.app.command()(remote_directory.movements)
app.add_typer(remote_privacy.app, name="privacy")
app.add_typer(remote_integrations.app, name="integrations")
app.add_typer(remote_integrations.inbox, name="inbox")
sso = group(help="Getting people in again when their identity provider fails. On this machine's database.")
app.add_typer(sso, name="sso")
emergency = group(help="Sealed emergency access. On this machine's database.")
app.add_typer(emergency, name="emergency")

_OPERATOR = system("cli")


def _server() -> ModuleType:
    if sys.stderr.isatty():
        os.environ.setdefault("ENSIGN_LOG_FORMAT", "console")
    from ensign.cli import local  # deferred: `ensign flags` needs no Django, and starting it takes a second

    local.set_up()
    from ensign.cli import server  # deferred: its modules read the settings that were just set up

    return server


def _custody() -> ModuleType:
    _server()
    from ensign.cli import custody  # deferred: it reads the settings, too

    return custody


def _prepare_serving(listener: socket.socket) -> None:
    """The settings need the port that we really got, for links."""
    os.environ["PORT"] = str(listener.getsockname()[1])
    os.environ.setdefault("ENSIGN_HASHED_STATIC", "1")


@app.callback(invoke_without_command=True)
def _main(version: Annotated[bool, typer.Option("--version", help="Print the version and end.")] = False) -> None:
    if version:
        import ensign  # deferred: reading the installed version costs more than the other commands need

        out.print(ensign.__version__)
        raise typer.Exit(Exit.OK)


@app.command()
def serve(
    host: Annotated[str, typer.Option(help="Address to listen on; 127.0.0.1 is this machine alone.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(envvar="PORT", min=0, max=65535, help="Port; 0 takes any free one.")] = 8000,
    worker: Annotated[bool, typer.Option(help="Also do what is due by the clock.")] = True,
    nats: Annotated[str, typer.Option(envvar="ENSIGN_NATS", help="Publish rules for edges to this NATS, too.")] = "",
) -> None:
    """Serve pages, API and SDKs; migrates first. Ends with a line and a remedy when something stands in the way."""
    if nats:
        os.environ["ENSIGN_NATS"] = nats
    with listen(host, port) as listener:
        _prepare_serving(listener)
        _server().serve(listener=listener, worker=worker)


@app.command()
def edge(
    upstream: Annotated[
        str, typer.Option(envvar="ENSIGN_UPSTREAM", help="Address of an Ensign, or of another edge.")
    ] = "",
    nats: Annotated[
        str, typer.Option(envvar="ENSIGN_NATS", help="Take the rules from this NATS; only counts go to --upstream.")
    ] = "",
    host: Annotated[str, typer.Option(help="Address to listen on; 127.0.0.1 is this machine alone.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(envvar="PORT", min=0, max=65535, help="Port; 0 takes any free one.")] = 8000,
    data_dir: Annotated[
        Path, typer.Option(envvar="ENSIGN_DATA_DIR", help="Where the last good copy of the rules is kept.")
    ] = Path("var"),
) -> None:
    """Serve SDKs from a copy of the rules, without a database. Edge tokens come from ENSIGN_EDGE_TOKENS."""
    with listen(host, port) as listener:
        if sys.stderr.isatty():
            os.environ.setdefault("ENSIGN_LOG_FORMAT", "console")
        if nats:
            os.environ["ENSIGN_NATS"] = nats
        from ensign.cli import edge as node  # deferred: `ensign flags` needs no HTTP server

        node.serve(listener=listener, upstream=upstream, data_dir=data_dir)


@app.command()
def migrate(as_json: Json = False) -> None:
    """Bring the database to this version's schema (as DATABASE_OWNER_URL on PostgreSQL)."""
    server = _server()
    with server.only_one():
        names = server.migrate(at=clock.now())
    show({"applied": names}, as_json=as_json, text=f"Applied {len(names)} migrations.")


@app.command()
def worker() -> None:
    """Do what is due by the clock, without serving (PostgreSQL; `ensign serve` does it by itself otherwise)."""
    _server().work()


@app.command()
def backup(file: Annotated[Path, typer.Argument(help="File to write; must not exist.")], as_json: Json = False) -> None:
    """Write a consistent copy of the database to a file, while the server runs. The keys are not in it."""
    _custody().backup(file=file, actor=_OPERATOR, at=clock.now(), as_json=as_json)


@app.command()
def restore(
    file: Annotated[Path, typer.Argument(help="A file that `ensign backup` wrote.")],
    without_keys: Annotated[
        bool, typer.Option(help="Restore although keys of people are missing; they come back as erased people.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Load a backup into an empty database, verify it, and start a new epoch of rulesets. Stop the server first."""
    _custody().restore(file=file, actor=_OPERATOR, at=clock.now(), without_keys=without_keys, as_json=as_json)


@app.command()
def demo(
    seed: Annotated[int, typer.Option(help="The same seed gives the same organisation.")] = 1,
    code: Annotated[bool, typer.Option("--code", help="Only print the demo's six digits of this moment.")] = False,
    serve: Annotated[bool, typer.Option(help="Serve afterwards.")] = True,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(envvar="PORT", min=0, max=65535, help="Port.")] = 8000,
) -> None:
    """Fill an empty database with a believable organisation and a year of its changes, then serve it."""
    # The port is taken before a year is told, as it would be in vain; who does not serve needs none.
    with listen(host, port) if serve and not code else nullcontext() as listener:
        if listener is not None:
            _prepare_serving(listener)
        else:
            os.environ["PORT"] = str(port)  # for the address that is printed
        server = _server()
        from ensign.cli import showcase  # deferred: it reads the settings, too

        if code:
            showcase.print_code(seed=seed, at=clock.now())
            return
        showcase.fill(seed=seed, at=clock.now())
        if listener is not None:
            server.serve(listener=listener, worker=True)


@sso.command("release")
def release_sso(
    key: Annotated[str, typer.Argument(help="The provider's key, as in its redirect address.")],
    reason: Annotated[str, typer.Option(help="Why; stands in the log.")],
    as_json: Json = False,
) -> None:
    """End the enforcement of an identity provider: its people sign in by password and passkey again, too."""
    _server()
    from ensign.cli import sign_in_recovery  # deferred: it reads the settings, too

    sign_in_recovery.release(key=key, reason=reason, actor=_OPERATOR, at=clock.now(), as_json=as_json)


@emergency.command("status")
def emergency_status(as_json: Json = False) -> None:
    """Whether emergency access is sealed, open or neither, and who holds it."""
    _server()
    from ensign.cli import emergency as access  # deferred: it reads the settings, too

    access.status(at=clock.now(), as_json=as_json)


@ledger.command()
def export(
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="A .zip file or a directory; must not exist.")
    ] = None,
    start: Annotated[str, typer.Option("--from", help="First entry, by number, or the first since a date.")] = "0",
    end: Annotated[str | None, typer.Option("--to", help="End (not included), by number or date.")] = None,
    as_json: Json = False,
) -> None:
    """Write an evidence bundle that `ensign-verify` checks offline. The export itself becomes an entry."""
    _custody().export(output=output, start=start, end=end, actor=_OPERATOR, at=clock.now(), as_json=as_json)


@ledger.command()
def verify(
    anchor: Annotated[list[Path] | None, typer.Option(help="An anchor file to hold against it; repeatable.")] = None,
    as_json: Json = False,
) -> None:
    """Re-derive the whole log and compare it with every row. Exit code 8 when something differs."""
    _custody().verify(anchors=anchor or [], as_json=as_json)


@ledger.command("anchor")
def anchor_now(as_json: Json = False) -> None:
    """Sign a checkpoint and send it to every configured anchor now."""
    _custody().anchor(actor=_OPERATOR, at=clock.now(), as_json=as_json)
