"""`loadgen run`: the options, the display, the files, and what the exit status says."""

from __future__ import annotations

from pathlib import Path
from typing import Final, Unpack

import click
import msgspec
from rich.console import Console

from loadgen import render
from loadgen.commands.drive import drive, drive_search
from loadgen.commands.options import Duration, RunOptions, is_given, plan_of, source_options
from loadgen.commands.output import (
    EXIT_FAILED,
    EXIT_INVALID,
    EXIT_THRESHOLD,
    output_option,
    print_json,
)
from loadgen.plan import PlanError
from loadgen.pods.drive import drive_pods
from loadgen.pods.fleet import WorkersError
from loadgen.results import Report, ResultError
from loadgen.search import Search
from loadgen.stages import Arrival
from loadgen.thresholds import Threshold, ThresholdError

_EXAMPLES: Final = """\b
Examples:
  loadgen run http://127.0.1.1:30080/hostname --rate 200 --duration 30s
  loadgen run http://127.0.1.1:30080/ --fresh --arrival poisson --seed 7 -w run.jsonl
  loadgen run http://127.0.1.1:30080/ --rate 10 --ramp-to 500 --duration 1m
  loadgen run http://127.0.1.1:30080/ --stages stages.txt    # lines: DURATION RATE [ARRIVAL]
  loadgen run http://127.0.1.1:30080/ --fail-if 'p99>20ms' --fail-if 'error-rate>1%'
  loadgen run http://127.0.1.1:30080/ --find-max 'p99<10ms'
  loadgen run tcp://127.0.1.1:30081 --size 512
  loadgen run udp://127.0.1.1:30082 --rate 1000
  loadgen run http://10.96.6.88/hostname --from pods --workers 3 --rate 300
  loadgen run 'dns://127.0.1.1:30053/web.default.svc.cluster.local?type=A'

\b
Exit status: 0 all is well, 1 some request failed (without --fail-if) or the disk was full,
2 the command makes no sense, 3 a threshold was crossed or no rate was found, 4 the run is
INVALID.
"""


@click.command(epilog=_EXAMPLES)
@click.argument("url")
@click.option("--rate", type=float, default=100.0, show_default=True, help="Requests a second.")
@click.option("--duration", type=Duration(), default="10s", show_default=True, help="How long.")
@click.option(
    "--arrival",
    type=click.Choice([Arrival.CONSTANT.value, Arrival.POISSON.value]),
    default="constant",
    show_default=True,
    help="When requests leave: evenly spaced, or as independent users come.",
)
@click.option("--ramp-to", type=float, help="The rate rises or falls evenly, to this.")
@click.option(
    "--stages",
    type=click.Path(path_type=Path),
    help="A file of lines DURATION RATE [ARRIVAL]; arrivals: constant poisson ramp poisson-ramp.",
)
@click.option("--seed", type=int, default=0, help="Makes poisson arrivals repeatable.")
@click.option(
    "--connections", type=int, default=100, show_default=True, help="So many at once under way."
)
@click.option(
    "--queue",
    type=int,
    default=10_000,
    show_default=True,
    help="So many wait for a connection; more are dropped.",
)
@click.option(
    "--timeout",
    type=Duration(),
    default="5s",
    show_default=True,
    help="A request fails so long after it should have left.",
)
@click.option("--fresh", is_flag=True, help="A new connection (or socket) for every request.")
@click.option("--method", default="GET", show_default=True, help="The HTTP method.")
@click.option(
    "--header",
    "-H",
    "headers",
    multiple=True,
    metavar="NAME:VALUE",
    help="A header to send. May be repeated.",
)
@click.option("--data", default="", help="The request's body.")
@click.option("--size", type=int, default=64, show_default=True, help="Octets of an echo.")
@click.option(
    "--backend-header",
    default="",
    help="Response header that names the backend. Default: x-backend, or a body that is a name.",
)
@click.option("--insecure", "-k", is_flag=True, help="Trust any certificate.")
@click.option(
    "--fail-if",
    multiple=True,
    metavar="THRESHOLD",
    help="Exit with status 3 if this is so, for example 'p99>20ms'. May be repeated. Metrics: p50 "
    "p90 p99 p99.9 p99.99 max mean errors error-rate outage throughput late.",
)
@click.option(
    "--find-max",
    default="",
    metavar="CONDITION",
    help="Search the highest rate at which this holds, for example 'p99<10ms'.",
)
@click.option(
    "--probe", type=Duration(), default="5s", show_default=True, help="How long --find-max tries."
)
@click.option("--allow-invalid", is_flag=True, help="An INVALID run is no reason for status 4.")
@click.option(
    "--cluster",
    default="auto",
    show_default=True,
    metavar="NAME|auto|none",
    help="Whose events to show beside the failures; auto: the cluster that has the address.",
)
@click.option(
    "--write",
    "-w",
    type=click.Path(path_type=Path),
    help="Write each second, the cluster's events and the report to this file.",
)
@output_option
@click.option(
    "--progress/--no-progress", default=None, help="Show how it goes. Default: on a terminal."
)
@source_options
@click.pass_context
def run(context: click.Context, **options: Unpack[RunOptions]) -> None:
    """Ask URL at a steady rate, whatever the answers do, and report.

    URL is http://, https://, tcp://host:port and udp://host:port (echo servers), or
    dns://server/name?type=A.

    Latency counts from the moment at which a request should have left (corrected), and beside it
    from the moment at which it did (uncorrected). Both have good answers, and requests that waited
    in vain (timeout, late, dropped) with at least their time-out; failures that came at once count
    among the errors only. Ctrl-C ends the run and prints the report so far. A run in which loadgen
    itself could not keep its schedule is INVALID.
    """
    try:
        plan = plan_of(context, options)
        thresholds = [Threshold.parse(text) for text in options["fail_if"]]
        if options["find_max"]:
            _refuse_with_search(context)
            condition = Threshold.parse(options["find_max"])
            search = drive_search(plan, condition, options)
        else:
            begin = drive_pods if options["source"] == "pods" else drive
            report, trouble = begin(plan, thresholds, options)
    except (PlanError, ThresholdError, ResultError) as error:
        raise click.UsageError(str(error)) from None
    except WorkersError as error:
        raise click.ClickException(str(error)) from None
    if options["find_max"]:
        _show_search(search, condition, options["output"])
        context.exit(EXIT_THRESHOLD if search.found is None else 0)
    _show(report, options["output"])
    if trouble:
        click.echo(f"Error: {trouble}", err=True)
        context.exit(EXIT_FAILED)
    context.exit(exit_status(report, allow_invalid=options["allow_invalid"]))


def _refuse_with_search(context: click.Context) -> None:
    if context.params["source"] == "pods":
        raise PlanError("--find-max searches from this host only; leave --from pods out")
    for name in ("stages", "ramp_to", "fail_if", "write", "duration"):
        if is_given(context, name):
            raise PlanError(f"--{name.replace('_', '-')} and --find-max exclude each other")


def exit_status(report: Report, *, allow_invalid: bool) -> int:
    """Return what a run says to a script: thresholds, where there are any, judge the failures."""
    if report.invalid_reasons and not allow_invalid:
        return EXIT_INVALID
    if report.thresholds:
        return EXIT_THRESHOLD if any(verdict.failed for verdict in report.thresholds) else 0
    return EXIT_FAILED if report.failed else 0


def _show(report: Report, output: str) -> None:
    if output == "json":
        print_json(report)
    else:
        Console().print(render.tables(report))


def _show_search(search: Search, condition: Threshold, output: str) -> None:
    if output == "table":
        Console().print(render.search_tables(search, condition.text))
        return
    probes = [
        {
            "rate": probe.rate,
            "holds": probe.holds,
            "against": probe.against,
            "value": condition.value_in(probe.report),
            "report": msgspec.structs.replace(probe.report, series=[]),
        }
        for probe in search.probes
    ]
    found = {"condition": condition.text, "rate": search.found, "probes": probes}
    print_json(found)
