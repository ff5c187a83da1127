"""`ensign alerts` and `ensign safeguards`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ensign.cli.client import connect, part
from ensign.cli.frame import Json, group, out, show, show_rows

app = group(help="What somebody has to judge, and what is watched. Over the API.")
safeguards = group(
    help="What switches a flag off or pauses its ramp by itself when a number is too much. Over the API."
)

_STATUS = "waiting (not judged), overdue, open, acknowledged, triaged; empty: all."


@app.command("list")
def list_alerts(
    status: Annotated[str, typer.Option(help=_STATUS)] = "waiting",
    severity: Annotated[str | None, typer.Option(help="high, medium or low.")] = None,
    kind: Annotated[str | None, typer.Option(help="Only of this kind, such as mass-change.")] = None,
    project: Annotated[str | None, typer.Option(help="Only of this project.")] = None,
    as_json: Json = False,
) -> None:
    """Alerts, newest first."""
    query = {"status": status, "severity": severity, "kind": kind, "project": project}
    show_rows(
        connect().pages("/alerts", query=query),
        as_json=as_json,
        columns=(
            ("id", "id"),
            ("what", "title"),
            ("severity", "severity"),
            ("project", "project"),
            ("state", "status"),
            ("raised", "raised_at"),
            ("due", "due_at"),
        ),
        empty="Nothing waits for a verdict.",
    )


@app.command("show")
def show_alert(alert: Annotated[str, typer.Argument(help="alr_….")], as_json: Json = False) -> None:
    """One alert: what was seen, the entries that show it, and the verdict."""
    found = connect().call("GET", f"/alerts/{part(alert)}")
    entries = ", ".join(map(str, found["evidence"]))
    lines = [
        f"{found['title']} ({found['severity']}, {found['status']})",
        f"Look at: {found['look']}",
        f"Entries: {entries}",
        f"Raised {found['raised_at']}, due {found['due_at']}",
    ]
    if found["verdict"]:
        lines.append(f"{found['verdict']}: {found['reason']}")
    show(found, as_json=as_json, text="\n".join(lines))


@app.command()
def acknowledge(alert: Annotated[str, typer.Argument(help="alr_….")], as_json: Json = False) -> None:
    """Say that you look into it."""
    found = connect().call("POST", f"/alerts/{part(alert)}/acknowledge")
    show(found, as_json=as_json, text="Everybody sees that you look into it. Judge it on its page, signed in.")


@app.command()
def export(
    output: Annotated[Path, typer.Option("--output", "-o", help="File to write; must not exist.")],
    file_format: Annotated[str, typer.Option("--format", help="csv or json.")] = "csv",
    status: Annotated[str, typer.Option(help=_STATUS)] = "",
    project: Annotated[str | None, typer.Option(help="Only of this project.")] = None,
) -> None:
    """Alerts with their verdicts as a file. Making it is an entry."""
    body = {
        "format": file_format,
        **({"status": status} if status else {}),
        **({"project": project} if project else {}),
    }
    data = connect().file("/exports/alerts", body)
    with output.open("xb") as file:
        file.write(data)
    out.print(f"Wrote {output}.")


@app.command()
def rules(as_json: Json = False) -> None:
    """What is watched: thresholds, working hours, deadlines."""
    found = connect().call("GET", "/monitoring-rules")
    lines = [f"{name}: {value}" for name, value in found.items()]
    show(found, as_json=as_json, text="\n".join(lines))


Project = Annotated[str, typer.Option("--project", "-p", envvar="ENSIGN_PROJECT", help="Key of the project.")]


@safeguards.command("list")
def list_safeguards(
    project: Project, ended: Annotated[bool, typer.Option(help="Ended ones, too.")] = False, as_json: Json = False
) -> None:
    """Safeguards of a project, with what each saw last."""
    rows = [
        {**one, "saw": one["watch"]["problem"] or one["watch"]["value"]}
        for one in connect().pages(f"/projects/{part(project)}/safeguards", query={"ended": "true" if ended else ""})
    ]
    show_rows(
        rows,
        as_json=as_json,
        columns=(
            ("id", "id"),
            ("key", "key"),
            ("flag", "flag"),
            ("environment", "environment"),
            ("does", "act"),
            ("state", "status"),
            ("saw last", "saw"),
        ),
        empty="Nothing is guarded yet.",
    )


@safeguards.command("make")
def make_safeguard(
    key: Annotated[str, typer.Argument(help="What a ramp's plan names it by.")],
    project: Project,
    environment: Annotated[str, typer.Option("--environment", "-e", help="Key of the environment.")],
    flag: Annotated[str, typer.Option(help="Key of the flag.")],
    account: Annotated[str, typer.Option(help="The service account that acts, svc_….")],
    source: Annotated[str, typer.Option(help="prometheus, alertmanager, webhook or impact.")] = "prometheus",
    query: Annotated[str, typer.Option(help="For Prometheus: a query that gives one number.")] = "",
    measure: Annotated[str, typer.Option(help="For impact metrics: increase, ratio, value or mean.")] = "increase",
    metric: Annotated[str, typer.Option(help="For impact metrics: its name.")] = "",
    per: Annotated[str, typer.Option(help="For a ratio: the counter to divide by.")] = "",
    minutes: Annotated[int, typer.Option(help="For impact metrics: over how long.")] = 5,
    label: Annotated[list[str] | None, typer.Option(help="name=value; repeatable.")] = None,
    path: Annotated[str, typer.Option(help="For a webhook: where its number stands, data.value.")] = "",
    act: Annotated[str, typer.Option(help="off or pause.")] = "off",
    below: Annotated[bool, typer.Option(help="Too much is below the threshold.")] = False,
    threshold: Annotated[str, typer.Option(help="Such as 0.05.")] = "0",
    checks: Annotated[int, typer.Option(help="In how many consecutive checks.")] = 3,
    reason: Annotated[str, typer.Option(help="Why; stands in the log.")] = "",
    as_json: Json = False,
) -> None:
    """Make a safeguard; it is armed at once. A secret for whoever calls it is shown this once."""
    pairs = dict(one.partition("=")[::2] for one in label or ())
    found = connect().call(
        "POST",
        f"/projects/{part(project)}/safeguards",
        {
            "key": key, "environment": environment, "flag": flag, "account": account, "act": act, "above": not below,
            "threshold": threshold, "checks": checks, "reason": reason,
            "source": {"kind": source, "query": query, "measure": measure, "metric": metric, "per": per,
                       "minutes": minutes, "labels": pairs, "path": path},
        },
    )  # fmt: skip
    called = f"\nAddress: {found['hook']}\nSecret: {found['secret']}" if found["hook"] else ""
    show(found, as_json=as_json, text=f"{found['id']} is armed.{called}")


@safeguards.command()
def arm(
    safeguard: Annotated[str, typer.Argument(help="sfg_….")],
    project: Project,
    reason: Annotated[str, typer.Option(help="What was found out; stands in the log.")] = "",
    as_json: Json = False,
) -> None:
    """Let it watch again after it fired."""
    found = connect().call("POST", f"/projects/{part(project)}/safeguards/{part(safeguard)}/arm", {"reason": reason})
    show(found, as_json=as_json, text="It watches again.")


@safeguards.command()
def end(
    safeguard: Annotated[str, typer.Argument(help="sfg_….")],
    project: Project,
    reason: Annotated[str, typer.Option(help="Why; stands in the log.")] = "",
    as_json: Json = False,
) -> None:
    """Let it guard no more, for good."""
    found = connect().call("POST", f"/projects/{part(project)}/safeguards/{part(safeguard)}/end", {"reason": reason})
    show(found, as_json=as_json, text="It guards no more.")
