"""`podwire up --scheduler-config FILE`: how pods are scheduled (docs/scheduler.md)."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click

from controlplane.scheduler.scheduler_config import BadConfiguration, parse, resolve
from podwire.cluster.layout import UsageError


def _read(_context: click.Context, _option: click.Parameter, path: Path | None) -> str:
    """Return the text of the file; the scheduler would not start with one that makes no sense."""
    if path is None:
        return ""
    try:
        text = path.read_text()
        resolve(parse(text))
    except (OSError, UnicodeError, BadConfiguration) as error:
        raise UsageError(f"--scheduler-config {path}: {error}; see docs/scheduler.md") from None
    return text


scheduler_option: Final = click.option(
    "--scheduler-config",
    type=click.Path(dir_okay=False, path_type=Path),
    callback=_read,
    metavar="FILE",
    help="A KubeSchedulerConfiguration: profiles, plugins, weights.",
)
