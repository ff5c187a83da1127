"""`ensign tests`: saying from CI which tests passed; and `ensign changes promote`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from ensign.cli.client import connect, part
from ensign.cli.frame import Json, group, show, show_rows
from ensign.cli.remote_flags import Environment, Flag, Project, Reason, Ticket
from ensign.control.kernel.errors import Conflict, Invalid

tests = group(help="Test runs against what an environment runs. Over the API; for CI.")


@tests.command()
def report(
    flag: Annotated[list[str], typer.Argument(help="The flags that were tested.")],
    project: Project,
    environment: Environment,
    result: Annotated[str, typer.Option(help="passed or failed.")],
    name: Annotated[str, typer.Option(help="Of this name the newest run counts. Else the CI job's.")] = "",
    url: Annotated[str, typer.Option(help="The run's address. Else from GitHub's or GitLab's variables.")] = "",
    commit: Annotated[str, typer.Option(help="The commit's hash. Else from GitHub's or GitLab's variables.")] = "",
    digest: Annotated[
        str, typer.Option(help="What `tests digest` said before the tests; for one flag. Else what runs now.")
    ] = "",
    started: Annotated[
        str, typer.Option(help="When the tests began, RFC 3339: refused if the flag changed since.")
    ] = "",
    segment: Annotated[bool, typer.Option("--segment", help="They are segments, not flags.")] = False,
    as_json: Json = False,
) -> None:
    """Report how tests ended. By a service account's token it is evidence; by a person's it is marked as manual.

    Ends with 6 when the environment did not run what was tested, with 5 when the token may not report.
    """
    if digest and len(flag) > 1:
        raise Invalid("A digest is of one flag.", remedy="Report each flag by itself.")
    found = from_ci(os.environ)
    body = {
        "environment": environment,
        "name": name or found["name"] or "tests",
        "result": result,
        "url": url or found["url"],
        "commit": commit or found["commit"],
        "digest": digest,
        "started": started or None,
    }
    if not body["url"]:
        raise Invalid("The run has no address.", remedy="Give --url https://…: here are no variables of a CI.")
    client, kind = connect(), "segments" if segment else "flags"
    done = [client.call("POST", f"/projects/{part(project)}/{kind}/{part(key)}/test-runs", body) for key in flag]
    lines = [
        f"{run['key']} in {run['environment']}: {run['name']} {run['result']}"
        f" ({'CI' if run['source'] == 'ci' else 'manual: no evidence of CI'}, {run['digest'][:12]}, {run['id']})."
        for run in done
    ]
    show(done, as_json=as_json, text="\n".join(lines))


def from_ci(variables: Mapping[str, str]) -> dict[str, str]:
    """``name``, ``url`` and ``commit`` of the job that this is, from GitHub's or GitLab's variables; else empty."""
    if variables.get("GITHUB_ACTIONS") == "true":
        server, repository = variables.get("GITHUB_SERVER_URL", ""), variables.get("GITHUB_REPOSITORY", "")
        run, attempt = variables.get("GITHUB_RUN_ID", ""), variables.get("GITHUB_RUN_ATTEMPT", "")
        url = f"{server}/{repository}/actions/runs/{run}" if server and repository and run else ""
        name = " / ".join(filter(None, (variables.get("GITHUB_WORKFLOW"), variables.get("GITHUB_JOB"))))
        again = f"/attempts/{attempt}" if url and attempt else ""
        return {"name": name, "url": url + again, "commit": variables.get("GITHUB_SHA", "")}
    return {
        "name": variables.get("CI_JOB_NAME", ""),
        "url": variables.get("CI_JOB_URL", ""),
        "commit": variables.get("CI_COMMIT_SHA", ""),
    }


def _progression(project: str, flag: str) -> dict[str, Any]:
    found: dict[str, Any] = connect().call("GET", f"/projects/{part(project)}/flags/{part(flag)}/progression")
    return found


@tests.command()
def digest(flag: Flag, project: Project, environment: Environment) -> None:
    """Print the progression digest of what an environment runs of a flag; ends with 6 when it runs nothing of it."""
    here = next((e for e in _progression(project, flag)["environments"] if e["environment"] == environment), None)
    if here is None:
        raise Invalid(f"There is no environment {environment}.", remedy="Look: ensign projects environments")
    if not here["running"]:
        raise Conflict(
            f"{environment} does not run all of {flag}: it is off there, or a part of it is at 0 %.",
            remedy="Switch it on there first.",
            code="not-running",
        )
    print(here["digest"])


@tests.command("list")
def list_runs(flag: Flag, project: Project, as_json: Json = False) -> None:
    """The newest test runs of a flag."""
    show_rows(
        _progression(project, flag)["runs"],
        as_json=as_json,
        columns=(
            ("reported", "reported_at"), ("environment", "environment"), ("name", "name"), ("result", "result"),
            ("by", "source"), ("commit", "commit"), ("run", "url"),
        ),
        empty="No test run was reported yet.",
    )  # fmt: skip


@tests.command("show")
def show_progression(flag: Flag, project: Project, as_json: Json = False) -> None:
    """What of a flag runs where, and since when."""
    rows = [{**e, "digest": (e["digest"] or "")[:12] or "-"} for e in _progression(project, flag)["environments"]]
    show_rows(
        rows,
        as_json=as_json,
        columns=(("environment", "environment"), ("runs", "running"), ("configuration", "digest"), ("since", "since")),
        empty="There is no environment.",
    )


def promote(
    flag: Annotated[list[str], typer.Argument(help="The flags to promote.")],
    project: Project,
    source: Annotated[str, typer.Option("--from", help="The environment whose configuration to take.")],
    target: Annotated[str, typer.Option("--to", help="The environment to bring it to.")],
    switch_on: Annotated[bool, typer.Option("--switch-on", help="Switch them on there, too.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what it would do.")] = False,
    reason: Reason = "",
    ticket: Ticket = None,
    as_json: Json = False,
) -> None:
    """Make a request for one environment out of what another runs; percentages and lists of ids stay as they are."""
    body = {"flags": flag, "source": source, "switch_on": switch_on, "reason": reason, "tickets": ticket or []}
    path = f"/projects/{part(project)}/environments/{part(target)}/promote"
    made = connect().call("POST", path, body, query={"dry_run": "true" if dry_run else ""})
    end = made["verdict"] if dry_run else f"{made['id']} is {made['status'].replace('_', ' ')}."
    show(made, as_json=as_json, text="\n".join([*made["sentences"], end]))


def history(
    id: Annotated[str, typer.Argument(help="The request's id, crq_….")],
    as_json: Json = False,
) -> None:
    """Where a request's configuration ran before, which tests it passed, and what is missing."""
    found = connect().call("GET", f"/changes/{part(id)}/progression")
    lines: list[str] = []
    for one in found["history"]:
        lines.append(f"{one['key']} for {one['target']} ({one['digest'][:12]}):")
        lines += [f"  {_ran(ran)}" for ran in one["ran"]]
        lines += [f"  test run {run['name']}: {run['result']} ({run['source']}) {run['url']}" for run in one["runs"]]
        lines += [f"  missing: {problem}" for problem in one["problems"]]
    for fact in found["applied"]:
        what = fact.get("flag") or f"the segment {fact.get('segment')}"
        ran = ", ".join(f"{r['environment']} since {r['since']}" for r in fact.get("ran", ()))
        lines.append(f"{what} in {fact['target']}: {fact['verdict']}{': ' + ran if ran else ''}")
    show(found, as_json=as_json, text="\n".join(lines) or "Nothing of it asks for progression.")


def _ran(ran: dict[str, Any]) -> str:
    if ran["since"] is None:
        return f"{ran['environment']}: has not run it lately"
    return f"{ran['environment']}: " + (
        f"runs it since {ran['since']}" if ran["until"] is None else f"ran it from {ran['since']} to {ran['until']}"
    )


def bulk(
    act: Annotated[str, typer.Argument(help="on, off, rollout or archive.")],
    flag: Annotated[list[str], typer.Argument(help="The flags.")],
    project: Project,
    environment: Environment,
    rollout: Annotated[int | None, typer.Option(min=0, max=100, help="The percentage that `rollout` sets.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what it would do.")] = False,
    draft: Annotated[bool, typer.Option("--draft", help="Only keep it.")] = False,
    reason: Reason = "",
    ticket: Ticket = None,
    as_json: Json = False,
) -> None:
    """Do one thing to many flags, as one change request. Flags that it would not change are left out."""
    wish = "draft" if draft else "apply"
    body = {"flags": flag, "act": act, "rollout": rollout, "reason": reason, "tickets": ticket or [], "wish": wish}
    path = f"/projects/{part(project)}/environments/{part(environment)}/bulk"
    made = connect().call("POST", path, body, query={"dry_run": "true" if dry_run else ""})
    lines = [*made["sentences"], *(f"left alone: {one['flag']}: {one['why']}" for one in made["skipped"])]
    lines.append(made["verdict"] if dry_run else f"{made['id']} is {made['status'].replace('_', ' ')}.")
    show(made, as_json=as_json, text="\n".join(lines))


def add_to(changes: typer.Typer) -> None:
    """Put the commands of requests under `ensign changes`."""
    changes.command()(promote)
    changes.command()(bulk)
    changes.command("progression")(history)
