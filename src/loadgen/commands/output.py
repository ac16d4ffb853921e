"""What all commands share: how they print, and what their exit statuses mean."""

from __future__ import annotations

from typing import Final

import click
import msgspec

#: Some request failed, or two runs cannot be compared, or the result file lacks its end.
EXIT_FAILED: Final = 1
#: A `--fail-if` was met. Status 2 is click's: the command makes no sense.
EXIT_THRESHOLD: Final = 3
EXIT_INVALID: Final = 4

output_option = click.option(
    "--output",
    "-o",
    type=click.Choice(["table", "json"]),
    default="table",
    show_default=True,
    help="JSON has one row a second, and times in Unix seconds.",
)


def print_json(value: object) -> None:
    """Print *value* for programs, and for people who look at what programs get."""
    click.echo(msgspec.json.format(msgspec.json.encode(value)).decode())
