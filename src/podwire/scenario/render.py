"""How a scenario looks: a line for each moment, the verdicts at the end, or JSON."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from podwire.scenario.felt import Felt
from podwire.scenario.model import Needs, Scenario
from podwire.scenario.run import Moment, Result

JsonValue = str | int | float | bool | None | list["JsonValue"] | dict[str, "JsonValue"]


def line(moment: Moment) -> Text:
    """Return one moment of a run."""
    return Text.assemble((f"  {moment.at_s:8.2f} s  ", "dim"), (moment.text, moment.style))


def needs(needed: Needs) -> str:
    """Return what a scenario needs, in words."""
    planes = needed.control_planes
    more = f", {planes} control planes" if planes > 1 else ""
    return f"{needed.nodes} node{'s' if needed.nodes > 1 else ''}{more}"


def summary(result: Result) -> RenderableType:
    """Return the end of a run."""
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="bold")
    for column in ("", "EXPECTED", "TOOK"):
        table.add_column(column, no_wrap=True)
    table.add_column("WHY NOT")
    for verdict in result.verdicts:
        mark = Text("✓", "green") if verdict.passed else Text("✗", "bold red")
        took = "" if verdict.took_s is None else f"{verdict.took_s:.1f} s"
        table.add_row(mark, Text(verdict.expectation.text), took, Text(verdict.why, "red"))
    parts: list[RenderableType] = ["", table]
    if result.felt is not None:
        parts += ["", Text(felt_line(result.felt))]
    if result.passed:
        parts += ["", Text("every expectation held", "bold green")]
    return Group(*parts)


def felt_line(felt: Felt) -> str:
    """Return what the load felt in one line."""
    text = f"requests: {felt.sent} sent, {felt.failed} failed"
    if felt.outages:
        spans = ", ".join(f"{one.length_s:.2f} s" for one in felt.outages[:5])
        text += f"; outages, first to last failure: {spans}"
    if "p99" in felt.latency_s:
        text += f"; p99 of the rest {1000 * felt.latency_s['p99']:.1f} ms"
    return text


def to_object(scenario: Scenario, result: Result) -> dict[str, JsonValue]:
    """Return a run as JSON has it."""
    felt = result.felt
    return {
        "name": scenario.name,
        "seed": scenario.seed,
        "picked": dict(scenario.picked),
        "passed": result.passed,
        "verdicts": [
            {
                "expected": verdict.expectation.text,
                "passed": verdict.passed,
                "why": verdict.why,
                "took_s": verdict.took_s,
            }
            for verdict in result.verdicts
        ],
        "moments": [{"at_s": moment.at_s, "what": moment.text} for moment in result.moments],
        "load": None
        if felt is None
        else {
            "sent": felt.sent,
            "failed": felt.failed,
            "latency_s": dict(felt.latency_s),
            "outages": [
                {"began_at": one.began_at, "ended_at": one.ended_at, "length_s": one.length_s}
                for one in felt.outages
            ],
        },
    }
