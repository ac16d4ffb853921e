"""`python -m simulator`: run seeds, repeat one, measure goodput."""

from __future__ import annotations

import contextlib
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from componentbase.clock import monotonic
from simulator import campaign, goodput, goodput_picture, recording
from simulator.campaign import Job
from simulator.link import Watch
from simulator.scenarios import SCENARIOS
from simulator.simulation import Outcome

#: Failed seeds that are cut down and printed; the table counts the others.
_SHOWN_MAX: Final = 5
_YEAR_S: Final = 365.25 * 86400

_SCENARIO: Final = click.Choice(list(SCENARIOS))


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def cli() -> None:
    """A cluster's network in virtual time, from a seed.

    \b
    python -m simulator run --seeds 1000
    python -m simulator replay churn --seed 17 --pcap churn.pcapng
    """


@dataclass(slots=True)
class _Tally:
    """What came of one scenario's seeds."""

    runs: int = 0
    failed: int = 0
    conversations: int = 0
    succeeded: int = 0
    packets: int = 0
    virtual_s: float = 0.0
    drops: Counter[str] = field(default_factory=Counter)

    def add(self, outcome: Outcome) -> None:
        self.runs += 1
        self.failed += bool(outcome.violations)
        self.conversations += outcome.conversations
        self.succeeded += outcome.succeeded
        self.packets += outcome.packets
        self.virtual_s += outcome.virtual_s
        self.drops += outcome.drops


@cli.command()
@click.option("--seeds", default=100, show_default=True, type=click.IntRange(1),
              help="How many seeds each scenario is run with.")  # fmt: skip
@click.option("--first", default=0, show_default=True, help="The first seed.")
@click.option("--scenario", "names", multiple=True, type=_SCENARIO,
              help="Only this one; may be given several times.")  # fmt: skip
@click.option("--jobs", default=os.cpu_count() or 1, show_default=True, type=click.IntRange(1),
              help="Processes.")  # fmt: skip
def run(seeds: int, first: int, names: tuple[str, ...], jobs: int) -> None:
    """Run seeds of scenarios; exit with 1 if one fails."""
    console = Console()
    todo = [Job(name, first + seed) for name in names or SCENARIOS for seed in range(seeds)]
    tallies = {name: _Tally() for name in names or SCENARIOS}
    failures: list[tuple[Job, Outcome]] = []
    began_at = monotonic()
    with _bar(console) as progress:
        task = progress.add_task("runs", total=len(todo))
        for job, outcome in campaign.run_all(todo, processes=jobs):
            tallies[job.scenario].add(outcome)
            if outcome.violations:
                failures.append((job, outcome))
                progress.console.print(f"{job.scenario} {job.seed}: {outcome.violations[0]}")
            progress.update(task, advance=1, description=f"{len(failures)} failed")
    took_s = monotonic() - began_at
    console.print(_table(tallies))
    years = sum(tally.virtual_s for tally in tallies.values()) / _YEAR_S
    speed = 60 * len(todo) / took_s
    console.print(f"{len(todo)} runs, {years:.1f} years, in {took_s:.1f} s: {speed:.0f} a minute")
    for job, outcome in sorted(failures, key=lambda each: (each[0].scenario, each[0].seed)):
        _show(console, job, outcome, shrink=failures.index((job, outcome)) < _SHOWN_MAX)
    raise SystemExit(1 if failures else 0)


def _bar(console: Console) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
               TimeRemainingColumn())  # fmt: skip
    return Progress(*columns, console=console, transient=True)


def _table(tallies: dict[str, _Tally]) -> Table:
    """Return what came of it, as wide as a terminal of 80 columns; only the drops are folded."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("scenario", no_wrap=True)
    for heading in ("runs", "failed", "talks", "good", "packets"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("most frequent drops", overflow="fold")
    for name, tally in tallies.items():
        drops = [f"{reason} {count}" for reason, count in tally.drops.most_common(2)]
        table.add_row(
            name,
            str(tally.runs),
            f"[red]{tally.failed}[/red]" if tally.failed else "0",
            str(tally.conversations),
            str(tally.succeeded),
            _thousands(tally.packets),
            "\n".join(drops),
        )
    return table


def _thousands(count: int) -> str:
    return str(count) if count < 100_000 else f"{count // 1000} k"


def _show(console: Console, job: Job, outcome: Outcome, *, shrink: bool) -> None:
    """Print why a seed failed and what repeats it."""
    if shrink:
        job = campaign.shrink(job)
        outcome = campaign.attempt(job)
    console.print(f"\n[red]{job.scenario}, seed {job.seed}[/red]", highlight=False)
    for violation in outcome.violations:
        console.print(f"  {violation}", highlight=False, markup=False)
    console.print(f"  {job.command}", highlight=False, markup=False, soft_wrap=True)


@cli.command()
@click.argument("scenario", type=_SCENARIO)
@click.option("--seed", required=True, type=int)
@click.option("--only", default="", metavar="0,3,…",
              help="Only these events of the plan, or `none`.")  # fmt: skip
@click.option("--pcap", type=click.Path(dir_okay=False, path_type=Path),
              help="Write what was put on every wire, for Wireshark.")  # fmt: skip
def replay(scenario: str, seed: int, only: str, pcap: Path | None) -> None:
    """Run one seed again and say what happens; exit with 1 if it fails."""
    job = Job(scenario, seed, _indices(only))
    try:
        plan = job.plan
    except IndexError:
        raise click.UsageError(f"--only {only}: {scenario} has no such event") from None
    click.echo(f"{plan.nodes} nodes, {plan.pods} pods, services {plan.services}")
    click.echo(f"veth {plan.veth}\nunderlay {plan.underlay}")
    for index, event in enumerate(plan.events):
        click.echo(f"{index}  {event}")
    with _recorded(pcap) as watch:
        outcome = campaign.attempt(job, watch=watch)
    click.echo(
        f"{outcome.succeeded} of {outcome.conversations} conversations succeeded, "
        f"{outcome.packets} packets, {outcome.virtual_s:.0f} s; drops {dict(outcome.drops)}"
    )
    for violation in outcome.violations:
        click.echo(violation)
    raise SystemExit(1 if outcome.violations else 0)


@cli.command("goodput")
@click.option("--jobs", default=os.cpu_count() or 1, show_default=True, type=click.IntRange(1),
              help="Processes.")  # fmt: skip
@click.option("--folder", default="docs", show_default=True, help="Where the page goes.",
              type=click.Path(file_okay=False, exists=True, path_type=Path))  # fmt: skip
def measure_goodput(jobs: int, folder: Path) -> None:
    """Measure goodput over loss, RTT and buffer; write goodput.md and goodput.svg."""
    results: dict[goodput.Cell, float] = {}
    with _bar(Console()) as progress:
        task = progress.add_task("cells", total=len(goodput.CELLS))
        for cell, bit_s in goodput.measure_all(jobs):
            results[cell] = bit_s
            progress.update(task, advance=1)
    (folder / "goodput.md").write_text(goodput.page(results))
    (folder / "goodput.svg").write_text(goodput_picture.svg(results))
    click.echo(f"{folder}/goodput.md, {folder}/goodput.svg")


def _indices(text: str) -> tuple[int, ...] | None:
    if text in ("", "none"):
        return () if text else None
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise click.UsageError(f"--only {text}: numbers with commas, as 0,3") from None


@contextlib.contextmanager
def _recorded(path: Path | None) -> Iterator[Watch | None]:
    if path is None:
        yield None
        return
    with path.open("wb") as stream:
        yield recording.writer(stream)


if __name__ == "__main__":
    cli(prog_name="python -m simulator")
