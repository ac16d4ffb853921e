"""What the command line of `loadgen run` says, as a plan."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypedDict, TypeVar

import click

from loadgen.plan import LoadPlan, PlanError
from loadgen.quantity import parse_duration
from loadgen.stages import Arrival, Stage, StageError, read_stages

_Command = TypeVar("_Command", bound=Callable[..., object])

#: What stages say themselves.
_SAID_BY_STAGES = ("rate", "duration", "arrival", "ramp_to")


class Duration(click.ParamType[float]):
    """Seconds, with or without a unit."""

    name = "duration"

    def convert(
        self, value: str | float, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        if isinstance(value, float):
            return value
        try:
            return parse_duration(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


def source_options(command: _Command) -> _Command:
    """Give *command* the options that say where the load comes from."""
    for option in (
        click.option(
            "--kubeconfig",
            type=click.Path(path_type=Path),
            help="Of the cluster for --from pods. Default: $KUBECONFIG, or the local cluster's.",
        ),
        click.option(
            "--workers", type=int, default=1, show_default=True, help="So many pods share the rate."
        ),
        click.option(
            "--from",
            "source",
            type=click.Choice(["host", "pods"]),
            default="host",
            show_default=True,
            help="Send from this machine, or from pods of the cluster, to its own addresses.",
        ),
    ):
        command = option(command)
    return command


class RunOptions(TypedDict):
    """The options of `loadgen run` by their names."""

    url: str
    rate: float
    duration: float
    arrival: str
    ramp_to: float | None
    stages: Path | None
    seed: int
    connections: int
    queue: int
    timeout: float
    fresh: bool
    method: str
    headers: Sequence[str]
    data: str
    size: int
    backend_header: str
    insecure: bool
    fail_if: Sequence[str]
    find_max: str
    probe: float
    allow_invalid: bool
    cluster: str
    write: Path | None
    output: str
    progress: bool | None
    source: str
    workers: int
    kubeconfig: Path | None


def plan_of(context: click.Context, options: RunOptions) -> LoadPlan:
    """Return the plan that *options* describe; raises PlanError."""
    arrival, ramp_to = Arrival(options["arrival"]), options["ramp_to"]
    if ramp_to is not None:
        arrival = Arrival.POISSON_RAMP if arrival.is_random else Arrival.RAMP
    return LoadPlan(
        url=options["url"],
        rate=options["rate"],
        rate_end=ramp_to,
        duration_s=options["duration"],
        arrival=arrival,
        stages=_stages(context, options["stages"]),
        seed=options["seed"],
        connections=options["connections"],
        queue=options["queue"],
        timeout_s=options["timeout"],
        fresh=options["fresh"],
        method=options["method"].upper(),
        headers=dict(map(_header, options["headers"])),
        body=options["data"].encode(),
        size=options["size"],
        backend_header=options["backend_header"],
        insecure=options["insecure"],
    )


def _stages(context: click.Context, path: Path | None) -> tuple[Stage, ...]:
    if path is None:
        return ()
    for name in _SAID_BY_STAGES:
        if is_given(context, name):
            raise PlanError(f"--{name.replace('_', '-')} and --stages exclude each other")
    try:
        return read_stages(path)
    except StageError as error:
        raise PlanError(str(error)) from None


def is_given(context: click.Context, name: str) -> bool:
    """Tell whether an option was written, be it with its default."""
    return context.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon:
        raise PlanError(f"{text!r} is no header; write NAME:VALUE")
    return name.strip(), value.strip()
