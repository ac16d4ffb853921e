"""`podwire events`: one timeline of what happened to a cluster, and why it took so long."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import click
import msgspec
from rich.console import Console

from componentbase import clock
from componentbase.journal import Note, this_boot
from podwire.cli import cluster_option, output_option
from podwire.cluster.layout import Layout, UsageError
from podwire.timeline import gantt, render
from podwire.timeline.condense import Condenser, Line, condensed, every
from podwire.timeline.explain import as_json, explain
from podwire.timeline.follow import POLL_S, Folder
from podwire.timeline.incidents import Incident, choose, incidents, learn
from podwire.timeline.notes import concerns, nodes_of_pods
from podwire.timeline.programming import programming
from podwire.timeline.words import WORDS

_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)")
_UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_LAST: Final = "last"

Wanted = Callable[[Note], bool]


@click.command()
@cluster_option
@output_option
@click.option("-f", "--follow", is_flag=True, help="Go on as things happen, until Ctrl-C.")
@click.option("--since", metavar="TIME", help="Only what is not older: 90s, 5m, 2h.")
@click.option("--node", "node_name", metavar="NODE", help="Only what concerns this node.")
@click.option("--what", multiple=True, metavar="WHAT", help="Only this kind; may be repeated.")
@click.option("--all", "all_lines", is_flag=True, help="A line for every note, nothing condensed.")
@click.option(
    "--explain",
    "incident",
    is_flag=False,
    flag_value=_LAST,
    metavar="[ID]",
    help="The chain after the last kill, pause or partition (or #ID), with every gap's reason.",
)
@click.option("--programming", "latency", is_flag=True, help="Network programming latency by node.")
@click.option("--journal", metavar="DIR", help="Read this folder instead of a cluster's.")
def events(cluster_name: str, journal: str | None, **options: Any) -> None:
    """Show what happened to a cluster, on one timeline.

    What people did, what each component decided, what clients felt.

    \b
    Examples:
      podwire events -f                follow it
      podwire events --since 5m --all  every note of the last five minutes
      podwire events --explain         which timer each gap of the last failure came from
      podwire events --programming     how fast each node follows a change of endpoints
    """
    chosen = msgspec.convert(options, _Options)
    chosen.check()
    folder = _folder(cluster_name, journal, may_be_empty=chosen.follow and journal is None)
    if chosen.follow:
        _follow(folder, chosen)
        return
    notes = folder.read_all()
    if not notes:
        raise UsageError("nothing has been noted yet; podwire events -f waits for it")
    if chosen.incident is not None:
        _explain(notes, chosen)
    elif chosen.latency:
        _programming(notes, chosen)
    else:
        _list(notes, chosen)


class _Options(msgspec.Struct, frozen=True, kw_only=True):
    """What was typed."""

    output: str
    follow: bool
    since: str | None
    node_name: str | None
    what: tuple[str, ...]
    all_lines: bool
    incident: str | None
    latency: bool

    def check(self) -> None:
        """Raise UsageError for what makes no sense."""
        if self.follow and (self.incident is not None or self.latency):
            raise UsageError("-f shows events as they come; leave out --explain and --programming")
        if self.incident is not None and self.latency:
            raise UsageError("choose one of --explain and --programming")
        for what in self.what:
            if what not in WORDS:
                raise UsageError(f"nothing is called {what!r}; there are {', '.join(WORDS)}")
        self.incident_number()
        self.since_s()

    def incident_number(self) -> int | None:
        """Return the incident that is asked for; None: the last."""
        if self.incident in (None, _LAST):
            return None
        digits = str(self.incident).removeprefix("#")
        if not digits.isdecimal():
            raise UsageError(
                f"--explain {self.incident}: a number is needed, such as podwire events shows (#2)"
            )
        return int(digits)

    def since_s(self) -> float | None:
        """Return how old events may be."""
        if self.since is None:
            return None
        match = _DURATION.fullmatch(self.since)
        if match is None:
            raise UsageError(f"--since {self.since!r} is no duration; write 90s, 5m or 2h")
        return float(match[1]) * _UNITS[match[2]]


def _folder(cluster_name: str, journal: str | None, *, may_be_empty: bool) -> Folder:
    if journal is None:
        paths = Layout.of(cluster_name)
        paths.read_cluster()
        path = paths.directory / "journal"
        hint = f"the cluster {cluster_name!r} has noted nothing yet; is it running?"
    else:
        path = Path(journal)
        hint = f"{path} holds no journal: name a folder with *.jsonl files that podwire wrote"
        if not path.is_dir():
            raise UsageError(f"{path} is no folder: name one with the journals of a cluster")
    folder = Folder(path)
    if not may_be_empty and not folder.holds_journals():
        raise UsageError(hint)
    if journal is not None and not Folder(path).read_all():
        raise UsageError(hint)
    return folder


def _wanted(chosen: _Options, notes: Sequence[Note]) -> Wanted:
    """Return which notes are asked for; *notes* tell which pods are a node's."""
    since_s = chosen.since_s()
    boot, tick, at = this_boot(), clock.monotonic(), clock.wall()
    node = chosen.node_name
    places = nodes_of_pods(notes)

    def wanted(note: Note) -> bool:
        if chosen.what and note.what not in chosen.what:
            return False
        if since_s is not None:
            # The wall clock may have jumped; only of another boot there is nothing better.
            age_s = tick - note.tick if note.boot == boot else at - note.at
            if age_s > since_s:
                return False
        if node is None:
            return True
        places.update(nodes_of_pods([note]))
        return concerns(note, node, places)

    return wanted


def _check_node(chosen: _Options, notes: Sequence[Note]) -> None:
    """A node that no note knows is a mistake."""
    node = chosen.node_name
    if node is not None and not any(concerns(note, node, {}) for note in notes):
        raise UsageError(f"no event concerns {node!r}; nodes are called node-1, node-2, …")


def _list(notes: Sequence[Note], chosen: _Options) -> None:
    _check_node(chosen, notes)
    wanted = _wanted(chosen, notes)
    shown = [note for note in notes if wanted(note)]
    if chosen.output == "json":
        click.echo(msgspec.json.format(msgspec.json.encode(shown), indent=2).decode())
        return
    screen = _Screen()
    screen.learn(notes)
    for line in every(shown) if chosen.all_lines else condensed(shown):
        screen.show(line)


def _follow(folder: Folder, chosen: _Options) -> None:
    """Print what was, then what comes; new files of new processes are found at the next look."""
    notes = folder.read_settled()
    wanted = _wanted(chosen, notes)
    condenser, screen = Condenser(), _Screen()
    while True:
        screen.learn(notes)
        for note in filter(wanted, notes):
            if chosen.output == "json":
                click.echo(msgspec.json.encode(note))
                continue
            for line in every([note]) if chosen.all_lines else condenser.add(note):
                screen.show(line)
        for line in condenser.due(clock.monotonic()):
            screen.show(line)
        time.sleep(POLL_S)
        notes = folder.read_settled()


class _Screen:
    """Where lines go, and what has been learnt for them: which notes are incidents."""

    def __init__(self) -> None:
        self._console = Console(highlight=False)
        self._printer = render.Printer()
        self._incidents: list[Incident] = []

    def learn(self, notes: Sequence[Note]) -> None:
        for note in notes:
            learn(self._incidents, note)

    def show(self, line: Line) -> None:
        numbers = (one.number for one in self._incidents if one.note is line.first)
        # Long lines are the terminal's to wrap: nothing is cut off, and a pipe gets whole lines.
        self._console.print(self._printer.line(line, next(numbers, None)), soft_wrap=True)


def _explain(notes: Sequence[Note], chosen: _Options) -> None:
    found = incidents(notes)
    incident = choose(found, chosen.incident_number())
    if incident is None:
        known = ", ".join(one.title for one in found[-5:])
        raise UsageError(
            f"there is no failure {chosen.incident}; the last ones are: {known}"
            if found
            else "nothing was killed, paused or cut off yet; try: podwire node kill node-2"
        )
    explanation = explain(notes, incident, _end(incident, found))
    if chosen.output == "json":
        document = msgspec.json.encode(as_json(explanation))
        click.echo(msgspec.json.format(document, indent=2).decode())
        return
    console = Console(highlight=False)
    console.width = max(console.width, gantt.WIDTH_MIN)
    console.print(gantt.gantt(explanation, console.width))


def _end(incident: Incident, found: Sequence[Incident]) -> float:
    """Return the tick at which the next incident of the same node or process begins."""
    later = (
        other.note.tick
        for other in found
        if other.number > incident.number
        and other.note.boot == incident.note.boot
        and (other.node, other.note.subject if not other.node else "")
        == (incident.node, incident.note.subject if not incident.node else "")
    )
    return min(later, default=float("inf"))


def _programming(notes: Sequence[Note], chosen: _Options) -> None:
    _check_node(chosen, notes)
    wanted = _wanted(chosen, notes)
    # The writes are needed, too; only what is measured is filtered.
    measured = [note for note in notes if note.what == "endpoints-changed" or wanted(note)]
    rows = [row for row in programming(measured) if chosen.node_name in (None, row.node)]
    if chosen.output == "json":
        document = msgspec.json.encode(
            [
                {
                    "node": row.node,
                    "from_trigger": row.from_trigger.as_json(),
                    "from_write": row.from_write.as_json(),
                }
                for row in rows
            ]
        )
        click.echo(msgspec.json.format(document, indent=2).decode())
        return
    if not rows:
        raise UsageError("no change of endpoints was programmed in that time")
    Console(highlight=False).print(render.latencies(rows))
