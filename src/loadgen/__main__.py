"""`loadgen`, and `python -m loadgen`: drives traffic from a command line."""

from __future__ import annotations

import io
import os
import sys
from typing import Final

import click

from componentbase.process import allow_many_files
from loadgen.commands.compare import compare_runs
from loadgen.commands.report import report
from loadgen.commands.run import run

_STDERR: Final = 2


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def cli() -> None:
    """Drive traffic and say what became of it.

    \b
    loadgen run http://127.0.1.1:30080/hostname --rate 200 --duration 30s -w run.jsonl
    loadgen report run.jsonl --html run.html
    loadgen compare before.jsonl after.jsonl
    """


for command in (run, report, compare_runs):
    cli.add_command(command)


def main() -> None:
    """Run the command line."""
    _mend_standard_streams()
    allow_many_files()
    cli(prog_name="loadgen")


def _mend_standard_streams() -> None:
    """Let no socket be descriptor 0, 1 or 2, where a shell has closed these; write what it can."""
    while (number := os.open(os.devnull, os.O_RDWR)) <= _STDERR:
        pass
    os.close(number)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # A µ is no reason to fail.


if __name__ == "__main__":
    main()
