"""`podwire status`: every process of a cluster, pods included."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import click
import psutil
from rich import box
from rich.markup import escape
from rich.table import Table

from podwire.cli import CommandFailed, cluster_option, output_option
from podwire.cli.console import table_console
from podwire.cluster.layout import Layout, UsageError
from podwire.launcher import client, faults, session, unsupervised

_LAUNCHER_TIMEOUT_S: Final = 2.0


@dataclass(frozen=True, slots=True)
class Row:
    """One process."""

    name: str
    pid: int | None
    state: str
    restarts: int | None
    uptime_s: float
    memory_kib: int  # proportional set size


@click.command()
@cluster_option
@output_option
@click.option("--pods/--no-pods", default=False, help="Show the processes of pods, too.")
def status(cluster_name: str, output: str, pods: bool) -> None:
    """Show every process with pid, state, restarts, age and memory.

    \b
    Example: podwire status --pods
    """
    paths = Layout.of(cluster_name)
    cluster = paths.read_cluster()
    known = client.running_session(paths)
    if known is None:
        raise CommandFailed(str(client.not_running(paths)))
    members = session.members(known)
    rows = _rows(paths, members)
    if output == "json":
        click.echo(json.dumps([asdict(row) for row in rows], indent=2))
        return
    shown = rows if pods else [row for row in rows if not _is_pod(row.name)]
    table = Table(box=box.SIMPLE_HEAD, title_justify="left")
    for column in ("PROCESS", "PID", "STATE", "RESTARTS", "AGE", "MEMORY"):
        left = column in ("PROCESS", "STATE")
        table.add_column(column, justify="left" if left else "right", overflow="fold")
    for row in shown:
        style = {"running": "", "sleeping": ""}.get(row.state, "bold red")
        table.add_row(
            escape(row.name),
            "-" if row.pid is None else str(row.pid),
            f"[{style}]{row.state}[/]" if style else row.state,
            "-" if row.restarts is None else str(row.restarts),
            "-" if row.pid is None else f"{row.uptime_s:.0f}s",
            "-" if row.pid is None else f"{row.memory_kib / 1024:.1f} MiB",
        )
    console = table_console()
    console.print(table)
    pod_count = sum(_is_pod(row.name) for row in rows)
    total = sum(row.memory_kib for row in rows) / 1024
    click.echo(
        f"cluster {cluster.name}: {len(rows)} processes, {pod_count} of them pods, "
        f"{total:.0f} MiB together\nAPI {cluster.api_url}\n"
        f"addresses {cluster.ip_family}: pods {cluster.cluster_cidr}, "
        f"Services {cluster.service_cidr}"
    )
    _tell_faults(paths)


def _tell_faults(paths: Layout) -> None:
    table, option = faults.read(paths), paths.name_option
    if table.rules:
        click.echo(f"faults on links: {len(table.rules)} (podwire fault list{option})")
    if table.api:
        click.echo(f"faults of API calls: {len(table.api)} (podwire fault api --list{option})")


def _rows(paths: Layout, members: list[psutil.Process]) -> list[Row]:
    try:
        supervised = client.call(paths, "status", timeout_s=_LAUNCHER_TIMEOUT_S)["processes"]
    except UsageError as error:
        click.echo(f"podwire: {error}", err=True)
        supervised = []
    by_pid: dict[int, dict[str, Any]] = {row["pid"]: row for row in supervised if row["pid"]}
    names = {pid: name for name, pid in unsupervised.pods(paths)}
    names |= {pid: row["name"] for pid, row in by_pid.items()}
    rows = list(_living(members, by_pid, names))
    seen = {row.name for row in rows}
    # The others are dead, or ended a moment ago and the launcher is about to notice.
    rows += [
        Row(row["name"], None, row["state"], row["restarts"], 0.0, 0)
        for row in supervised
        if row["name"] not in seen
    ]
    return sorted(rows, key=lambda row: _order(row.name))


def _living(
    members: Iterable[psutil.Process], by_pid: dict[int, dict[str, Any]], names: dict[int, str]
) -> Iterable[Row]:
    for process in members:
        try:
            title = " ".join(process.cmdline()).strip()
            state = process.status()
            age = session.age_s(process.pid)
            memory = _proportional_kib(process.pid)
        except psutil.Error:
            continue
        row = by_pid.get(process.pid)
        name = names.get(process.pid) or title.removeprefix(unsupervised.TITLE)
        shown = "paused" if state == psutil.STATUS_STOPPED else "running"
        yield Row(name, process.pid, shown, row["restarts"] if row else None, age, memory)


def _proportional_kib(pid: int) -> int:
    """Return the process's share of memory: its own pages, and its part of shared ones."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0
    for line in text.splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1])
    return 0


def _is_pod(name: str) -> bool:
    return "/pod/" in name or name.startswith("pod ")


def _order(name: str) -> tuple[int, int, str]:
    """Sort launcher and control plane first, then nodes by number, pods last."""
    head = name.split("/")[0].split(" ")[0]
    if head.startswith("node-") and head[5:].isdigit():
        return (2 + _is_pod(name), int(head[5:]), name)
    return (0 if "launcher" in name else 1, 0, name)
