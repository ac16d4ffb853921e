"""The command line: one module a command, imported only when it is typed.

What a user did wrong is a `UsageError`: one line on stderr that says what to do, exit status 2;
what failed although it was asked rightly is a `CommandFailed`: one line, exit status 1.
"""

from __future__ import annotations

import sys

if sys.argv[1:2] == ["up"]:
    # Before what the command line alone needs: the cluster's processes are forks of this one, and
    # a pod is 0.1 MB smaller where what they write to lies together (componentbase.memory).
    import podwire.launcher.entries  # noqa: F401 - Only to be there first.

import importlib
import io
import os
from collections.abc import Mapping
from typing import Any, Final

import click

from podwire.cluster.layout import DEFAULT_NAME, UsageError, home, no_home


class CommandFailed(Exception):
    """The command could not do its work; the text says why."""


#: Command -> module and attribute.
COMMANDS: Final[Mapping[str, str]] = {
    "up": "podwire.cli.up:up",
    "down": "podwire.cli.down:down",
    "status": "podwire.cli.status:status",
    "kubeconfig": "podwire.cli.kubeconfig:kubeconfig",
    "certs": "podwire.cli.certs:certs",
    "node": "podwire.cli.node:node",
    "process": "podwire.cli.node:process",
    "fault": "podwire.cli.fault:fault",
    "etcdctl": "podwire.cli.etcdctl:etcdctl",
    "scenario": "podwire.cli.scenario:scenario",
    "get": "podwire.cli.objects:get",
    "apply": "podwire.cli.objects:apply",
    "delete": "podwire.cli.objects:delete",
    "logs": "podwire.cli.objects:logs",
    "ping": "podwire.cli.ping:ping",
    "traceroute": "podwire.cli.traceroute:traceroute",
    "trace": "podwire.cli.trace:trace",
    "capture": "podwire.cli.capture:capture",
    "routes": "podwire.cli.tables:routes",
    "neigh": "podwire.cli.tables:neigh",
    "fdb": "podwire.cli.tables:fdb",
    "links": "podwire.cli.tables:links",
    "services": "podwire.cli.tables:services",
    "flows": "podwire.cli.flows:flows",
    "conntrack": "podwire.cli.conntrack:conntrack",
    "ss": "podwire.cli.ss:ss",
    "counters": "podwire.cli.counters:counters",
    "outside": "podwire.cli.outside:outside",
    "policy": "podwire.cli.policy:policy",
    "drops": "podwire.cli.tables:drops",
    "explain": "podwire.cli.explain:explain",
    "events": "podwire.cli.events:events",
    "demo": "podwire.cli.demo:demo",
}


class _LazyGroup(click.Group):
    """A group that imports a command's module when the command is used."""

    def list_commands(self, _ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, _ctx: click.Context, name: str) -> click.Command | None:
        target = COMMANDS.get(name)
        if target is None:
            return None
        module, attribute = target.split(":")
        command = getattr(importlib.import_module(module), attribute)
        assert isinstance(command, click.Command)
        return command


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="podwire", message="podwire %(version)s")
def root() -> None:
    """Podwire: a Kubernetes cluster with a real wire, in processes on this machine.

    \b
    podwire up                               start a cluster of three nodes
    export KUBECONFIG=$(podwire kubeconfig)  use your own kubectl
    podwire node kill node-2                 and watch what happens
    podwire down                             stop everything

    Every command has an example: podwire COMMAND --help
    """


def cluster_option(function: Any) -> Any:
    """Add `--name`, the cluster that a command acts on."""
    return click.option(
        "--name",
        "cluster_name",
        default=DEFAULT_NAME,
        envvar="PODWIRE_CLUSTER",
        show_default=True,
        show_envvar=True,
        help="Which cluster.",
    )(function)


def output_option(function: Any) -> Any:
    """Add `-o json` to a command that prints data."""
    return click.option(
        "-o",
        "--output",
        type=click.Choice(["table", "json"]),
        default="table",
        show_default=True,
        help="For people, or for programs.",
    )(function)


def main() -> None:
    """Run the command line; every error is one line and an exit status."""
    _mend_streams()
    try:
        root(prog_name="podwire", standalone_mode=False)
    except click.exceptions.Abort:
        sys.exit(130)
    except KeyboardInterrupt:
        sys.exit(130)
    except click.exceptions.Exit as end:
        sys.exit(end.exit_code)
    except click.ClickException as error:
        click.echo(_in_one_line(error), err=True)
        sys.exit(2)
    except UsageError as error:
        click.echo(f"podwire: {error}", err=True)
        sys.exit(2)
    except CommandFailed as error:
        click.echo(f"podwire: {error}", err=True)
        sys.exit(1)
    except BrokenPipeError:
        sys.stderr.close()  # The reader of our output left, as `head` does.
        sys.exit(1)
    except OSError as error:
        if isinstance(error, PermissionError) and str(home()) in str(error.filename):
            click.echo(f"podwire: {no_home(error)}", err=True)  # Somebody else's cluster.
            sys.exit(2)
        where = f"{error.filename}: " if error.filename else ""
        click.echo(f"podwire: {where}{error.strerror or error}", err=True)
        sys.exit(1)


def _mend_streams() -> None:
    """Make closed streams swallow what is written, and poor ones show what they can."""
    for name in ("stdin", "stdout", "stderr"):  # In this order: each opens its own descriptor.
        stream = getattr(sys, name)
        if stream is None:
            mode = "r" if name == "stdin" else "w"
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_RDWR), mode))
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # An arrow is no reason to fail.


def _in_one_line(error: click.ClickException) -> str:
    """Return what is wrong with the words that were typed, and where the right ones stand."""
    context = error.ctx if isinstance(error, click.UsageError) else None
    typed = context.command_path if context is not None else "podwire"
    text = " ".join(error.format_message().split()).rstrip(".")
    return f"podwire: {text[:1].lower()}{text[1:]}; see {typed} --help"
