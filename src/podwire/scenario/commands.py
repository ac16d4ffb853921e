"""The commands that a scenario may give: podwire's own, checked before anything is done."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from typing import Final

import click

from podwire.cli import CommandFailed, root
from podwire.cluster.layout import UsageError

#: What acts on a cluster that is up, and comes to an end by itself.
ALLOWED: Final = ("node", "process", "fault", "apply", "delete")


def check(words: Sequence[str]) -> None:
    """Raise UsageError unless *words* are a command with arguments that it takes."""
    if not words or words[0] not in ALLOWED:
        raise UsageError(f"a step can give these commands: {', '.join(ALLOWED)}")
    context = click.Context(root, info_name="podwire")
    command: click.Command = root
    rest = list(words)
    try:
        while isinstance(command, click.Group):
            name, found, rest = command.resolve_command(context, rest)
            assert found is not None
            command = found
            if isinstance(command, click.Group):
                context = click.Context(command, parent=context, info_name=name)
            if isinstance(command, click.Group) and not rest:
                raise UsageError(f"say what: {', '.join(command.list_commands(context))}")
        command.make_context(command.name, rest, parent=context)
    except click.exceptions.Exit:
        raise UsageError("a step cannot ask for help") from None
    except click.ClickException as error:
        raise UsageError(error.format_message()) from None


def run(words: Sequence[str], cluster_name: str) -> str:
    """Run a command against a cluster; return what it printed, or raise CommandFailed."""
    said = io.StringIO()
    try:
        with contextlib.redirect_stdout(said):
            root.main([*words, "--name", cluster_name], standalone_mode=False)
    except click.ClickException as error:
        raise CommandFailed(f"{' '.join(words)}: {error.format_message()}") from None
    except UsageError as error:
        raise CommandFailed(f"{' '.join(words)}: {error}") from None
    return said.getvalue().strip()
