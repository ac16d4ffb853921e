"""`loadgen`, and `python -m loadgen`: drives traffic from a command line.

Exit status: 0 when every request succeeded, 1 when any failed, 2 when the command was wrong.
"""

from __future__ import annotations

import asyncio
import re
import signal
import sys
from collections.abc import Sequence

import click
import msgspec
from rich.console import Console

from componentbase.process import new_event_loop
from loadgen import commands, render
from loadgen.plan import Arrival, LoadPlan, PlanError
from loadgen.report import Progress, Report
from loadgen.run import run_load

_UNITS = {"": 1.0, "ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


class Duration(click.ParamType[float]):
    """Seconds, with or without a unit."""

    name = "duration"

    def convert(
        self, value: str | float, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        if isinstance(value, float):
            return value
        match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h|)", value)
        if match is None:
            self.fail(f"{value!r} is no duration; 10, 10s, 1.5m and 500ms are", param, ctx)
        return float(match[1]) * _UNITS[match[2]]


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def cli() -> None:
    """Drive traffic and say what became of it.

    \b
    loadgen run http://127.0.1.1:30080/hostname --rate 200 --duration 30s
    loadgen report run.jsonl --html run.html
    loadgen compare before.jsonl after.jsonl
    """


@cli.command(
    epilog="Example: loadgen run http://127.0.1.1:30080/hostname --rate 200 --duration 30s"
)
@click.argument("url")
@click.option("--rate", type=float, default=100.0, show_default=True, help="Requests a second.")
@click.option("--duration", type=Duration(), default="10s", show_default=True, help="How long.")
@click.option("--connections", type=int, default=100, show_default=True, help="At most so many.")
@click.option(
    "--timeout",
    type=Duration(),
    default="5s",
    show_default=True,
    help="A request fails so long after it should have left.",
)
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
@click.option(
    "--arrival",
    type=click.Choice([arrival.value for arrival in Arrival]),
    default="constant",
    show_default=True,
    help="When requests leave: evenly spaced, or as independent users come.",
)
@click.option("--seed", type=int, default=0, help="Makes poisson arrivals repeatable.")
@click.option("--fresh", is_flag=True, help="A new connection for every request.")
@click.option(
    "--backend-header",
    default="",
    help="Response header that names the backend. Default: x-backend, or a body that is a name.",
)
@click.option("--insecure", "-k", is_flag=True, help="Trust any certificate.")
@click.option(
    "--output",
    "-o",
    type=click.Choice(["table", "json"]),
    default="table",
    show_default=True,
    help="JSON has one row a second, and times in Unix seconds.",
)
@click.option(
    "--progress/--no-progress", default=None, help="A line while it runs. Default: on a terminal."
)
@click.pass_context
def run(
    context: click.Context,
    *,
    url: str,
    rate: float,
    duration: float,
    connections: int,
    timeout: float,
    method: str,
    headers: Sequence[str],
    data: str,
    arrival: str,
    seed: int,
    fresh: bool,
    backend_header: str,
    insecure: bool,
    output: str,
    progress: bool | None,
) -> None:
    """Ask URL at a steady rate, whatever the answers do, and report.

    Latency counts from the moment at which a request should have left. Ctrl-C ends the run and
    prints the report so far. Exit status 1: some request failed.
    """
    try:
        plan = LoadPlan(
            url=url,
            rate=rate,
            duration_s=duration,
            connections=connections,
            timeout_s=timeout,
            method=method.upper(),
            headers=dict(map(_header, headers)),
            body=data.encode(),
            arrival=Arrival(arrival),
            seed=seed,
            fresh=fresh,
            backend_header=backend_header,
            insecure=insecure,
        )
        report = _drive(plan, shows_progress=sys.stderr.isatty() if progress is None else progress)
    except PlanError as error:
        raise click.UsageError(str(error)) from None
    if output == "json":
        octets = msgspec.json.format(msgspec.json.encode(render.to_object(plan, report)))
        click.echo(octets.decode())
    else:
        Console().print(render.tables(plan, report))
    context.exit(1 if report.failed else 0)


cli.add_command(commands.report)
cli.add_command(commands.compare_runs)


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon:
        raise PlanError(f"{text!r} is no header; write NAME:VALUE")
    return name.strip(), value.strip()


def _drive(plan: LoadPlan, *, shows_progress: bool) -> Report:
    console = Console(stderr=True)

    async def drive() -> Report:
        stop = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGINT, stop.set)
        if not shows_progress:
            return await run_load(plan, stop=stop)
        with console.status("starting") as status:

            def show(progress: Progress) -> None:
                status.update(render.progress_line(progress))

            return await run_load(plan, show, stop=stop)

    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        return runner.run(drive())


def main() -> None:
    """Run the command line."""
    cli(prog_name="loadgen")


if __name__ == "__main__":
    main()
