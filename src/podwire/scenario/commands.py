"""The commands that a scenario may give: podwire's own, checked before anything is done."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from typing import Final

import click

from netdev.impairment import SEED_MAX
from podwire.cli import CommandFailed, root
from podwire.cli.fault_options import check_options
from podwire.cluster import hosts
from podwire.cluster.layout import Cluster, UsageError

#: What acts on a cluster that is up, and comes to an end by itself.
ALLOWED: Final = ("node", "process", "fault", "apply", "delete")
_LINK: Final = ("fault", "link")


def check(words: Sequence[str]) -> click.Context:
    """Understand a command with its arguments; raises UsageError when that cannot be."""
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
        given = command.make_context(command.name, rest, parent=context)
        if tuple(words[:2]) == _LINK:
            check_options(given.params)
        return given
    except click.exceptions.Exit:
        raise UsageError("a step cannot ask for help") from None
    except click.ClickException as error:
        raise UsageError(error.format_message()) from None


def check_names(words: Sequence[str], cluster: Cluster, processes: Sequence[str]) -> None:
    """Raise UsageError when a command names what *cluster* does not have."""
    given = check(words).params
    if words[0] == "node" and given.get("target", "") not in ("", *hosts.nodes(cluster)):
        raise UsageError(f"there is no {given['target']}; the nodes are {cluster.nodes_text}")
    if words[0] == "process" and not _is_process(given["target"], processes):
        raise UsageError(f"there is no process {given['target']}; there are {', '.join(processes)}")
    if "left" in given:
        _check_link(cluster, given["left"], given["right"] or hosts.ALL)
    for name in (*given.get("names", ()), *(given.get("ends") or ())):
        if not hosts.names_pods(name):
            hosts.expand(cluster, name)


def _check_link(cluster: Cluster, left: str, right: str) -> None:
    """Look at a link's ends; which pods there are is known when they are to have the fault."""
    if not hosts.names_pods(left) and not hosts.names_pods(right):
        hosts.pairs(cluster, left, right)
        return
    for name in (left, right):
        if not hosts.names_pods(name) and name != hosts.ALL:
            hosts.expand(cluster, name)


def _is_process(name: str, processes: Sequence[str]) -> bool:
    """Tell whether *name* is a process, or could be one that comes and goes."""
    return name in processes or "/pod/" in name or name.endswith("zygote")


def seeded(words: Sequence[str], seed: int) -> Sequence[str]:
    """Return *words*, with *seed* where they make a fault that has none: fates repeat, too."""
    if tuple(words[:2]) != _LINK or any(word.startswith("--seed") for word in words):
        return words
    return (*words, "--seed", str(seed % (SEED_MAX + 1)))


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
