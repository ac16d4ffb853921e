"""`podwire up`: make a cluster, start it in the background, return when every node is Ready."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import sys
import time
from typing import Final

import click
import msgspec
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from componentbase.timings import TimingsName
from podwire.cli import CommandFailed, cluster_option
from podwire.cli.readiness import Readiness
from podwire.cluster import blocks, make
from podwire.cluster.layout import NODES_MAX, Cluster, Layout, UsageError
from podwire.cluster.lock import exclusive
from podwire.launcher import session
from podwire.launcher.client import call, running_session

_READY_TIMEOUT_S: Final = 60.0
_READY_TIMEOUT_PER_NODE_S: Final = 2.0
_POLL_S: Final = 0.05
_NOTED_POLL_S: Final = 0.001
_STATUS_TIMEOUT_S: Final = 2.0
_RESTARTS_MANY: Final = 3
_NAMED_MAX: Final = 4


class AlreadyUp(UsageError):
    """The cluster that should be started runs."""


@click.command()
@cluster_option
@click.option(
    "--nodes", type=click.IntRange(1, NODES_MAX), default=3, show_default=True, help="How many."
)
@click.option(
    "--timings",
    type=click.Choice(["lab", "kubernetes"]),
    default="lab",
    show_default=True,
    help="kubernetes: upstream's timers. lab: the same, ten times faster.",
)
@click.option(
    "--network",
    type=click.Choice(["flannel"]),
    default="flannel",
    show_default=True,
    help="How pods of different nodes reach each other.",
)
@click.option("--node-cpu", default="4", show_default=True, help="CPUs that a node says it has.")
@click.option("--node-memory", default="8Gi", show_default=True, help="Memory, likewise.")
def up(
    cluster_name: str,
    nodes: int,
    timings: TimingsName,
    network: str,
    node_cpu: str,
    node_memory: str,
) -> None:
    """Start a cluster in the background.

    \b
    Example: podwire up --nodes 5
    """
    paths = start(
        Cluster(
            name=cluster_name,
            nodes=nodes,
            timings=timings,
            network=network,
            node_cpu=node_cpu,
            node_memory=node_memory,
        ),
        Console(stderr=True),
    )
    name = paths.name_option
    click.echo(
        f"\n  export KUBECONFIG=$(podwire kubeconfig{name})\n"
        f"  kubectl get nodes -o wide\n"
        f"\nA NodePort answers on {_node_addresses(paths.read_cluster())}."
        f"\nWithout kubectl: podwire get nodes{name}.  Stop it all: podwire down{name}"
    )


def start(wanted: Cluster, console: Console) -> Layout:
    """Start the cluster that is *wanted*, on a free address block; wait until Ready.

    Raises AlreadyUp when it runs, CommandFailed when it does not become Ready.
    """
    began = time.monotonic()
    name = wanted.name
    paths = Layout.of(name)
    is_ours = False
    try:
        with exclusive():
            if running_session(paths) is not None:
                raise AlreadyUp(
                    f"cluster {name!r} is up already; podwire status{paths.name_option} shows it, "
                    f"podwire down{paths.name_option} stops it"
                )
            is_ours = True
            cluster, launcher_pid = _launch(paths, wanted)
        _wait_ready(cluster, paths, launcher_pid, console)
    except KeyboardInterrupt:
        if is_ours:
            _stop(paths)
            console.print(
                "Interrupted: everything is stopped again; "
                f"podwire down{paths.name_option} removes the files."
            )
        raise
    console.print(
        f"Cluster [bold]{name}[/bold] is up: {cluster.nodes} "
        f"node{'s' if cluster.nodes > 1 else ''} Ready in {time.monotonic() - began:.1f} s."
    )
    return paths


def _launch(paths: Layout, wanted: Cluster) -> tuple[Cluster, int]:
    """Make the cluster on disk and fork its launcher; leave no half-made directory behind."""
    is_new = not paths.directory.exists()
    block, holder = _claim_block(paths, wanted.nodes)
    cluster = msgspec.structs.replace(wanted, block=block)
    try:
        paths.session_file.unlink(missing_ok=True)
        paths.launcher_socket.unlink(missing_ok=True)
        make.make(cluster, paths)
        return cluster, _fork_launcher(cluster, paths, holder)
    except (OSError, KeyboardInterrupt) as error:
        _stop(paths)  # The interrupt may have waited until the launcher was there.
        if is_new:
            shutil.rmtree(paths.directory, ignore_errors=True)
        if not isinstance(error, OSError):
            raise
        raise CommandFailed(
            f"cannot make the cluster in {paths.directory}: {error.strerror or error}"
        ) from None
    finally:
        holder.close()  # The cluster's processes hold it now.


def _claim_block(paths: Layout, nodes: int) -> tuple[int, socket.socket]:
    """Return the block the cluster had before if it is still free, else another one.

    Nothing that was kept names the block: certificates and kubeconfigs are made anew.
    """
    if paths.cluster_file.exists():
        block = paths.read_cluster().block
        holder = blocks.claim_block(block, nodes)
        if holder is not None:
            return block, holder
    elif paths.directory.exists() and not paths.is_half_made():
        raise UsageError(
            f"{paths.directory} exists and is not a cluster of ours; "
            "move it away, or choose another --name"
        )
    return blocks.claim(nodes)


def _fork_launcher(cluster: Cluster, paths: Layout, holder: socket.socket) -> int:
    # Imported here, before the fork: every process of the cluster shares these pages.
    from podwire.launcher.entries import ENTRIES
    from podwire.launcher.run import daemonize_and_run

    sys.stdout.flush()
    sys.stderr.flush()
    interrupts = {signal.SIGINT, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, interrupts)
    try:
        pid = os.fork()
        if pid == 0:
            try:
                os._exit(daemonize_and_run(cluster, paths, dict(ENTRIES), keep=holder.fileno()))
            except OSError as error:
                os.write(2, f"podwire: the launcher: {error}\n".encode())
            finally:
                os._exit(1)  # Whatever happens, this fork must not go on as `podwire up`.
        while not paths.session_file.exists() and not _ended(pid):
            time.sleep(_NOTED_POLL_S)
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, interrupts)
    return pid


def _wait_ready(cluster: Cluster, paths: Layout, launcher_pid: int, console: Console) -> None:
    timeout_s = _READY_TIMEOUT_S + _READY_TIMEOUT_PER_NODE_S * cluster.nodes
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:.0f}/{task.total:.0f}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        nodes = progress.add_task("nodes Ready", total=cluster.nodes)
        try:
            asyncio.run(
                _poll(Readiness(paths), cluster, (progress, nodes), launcher_pid, timeout_s)
            )
        except (TimeoutError, CommandFailed) as error:
            dying = _dying(paths)
            with exclusive():  # `podwire down` may be at work; if so let it finish.
                _stop(paths)
                is_gone = not paths.directory.exists()
            if is_gone:
                raise CommandFailed("another command stopped the cluster") from None
            reason = str(error) or f"not every node became Ready within {timeout_s:.0f} s"
            raise CommandFailed(
                f"{reason}{dying}; everything is stopped again, "
                f"the logs are in {paths.directory / 'logs'}"
            ) from None


def _dying(paths: Layout) -> str:
    """Name the processes that the launcher starts again and again."""
    try:
        rows = call(paths, "status", timeout_s=_STATUS_TIMEOUT_S)["processes"]
    except UsageError:
        return ""
    names = [row["name"] for row in rows if row["restarts"] >= _RESTARTS_MANY]
    return f" ({', '.join(names[:_NAMED_MAX])} cannot start)" if names else ""


def _stop(paths: Layout) -> None:
    known = running_session(paths)
    if known is not None:
        session.kill(known)


async def _poll(
    readiness: Readiness,
    cluster: Cluster,
    bar: tuple[Progress, TaskID],
    launcher_pid: int,
    timeout_s: float,
) -> None:
    progress, task = bar
    try:
        async with asyncio.timeout(timeout_s):
            while (ready := await readiness.nodes_ready()) < cluster.nodes:
                progress.update(task, completed=ready)
                if _ended(launcher_pid):
                    raise CommandFailed("the launcher ended")
                await asyncio.sleep(_POLL_S)
    finally:
        await readiness.close()


def _ended(child: int) -> bool:
    try:
        return os.waitpid(child, os.WNOHANG)[0] != 0
    except ChildProcessError:
        return True  # It was seen to end before.


def _node_addresses(cluster: Cluster) -> str:
    first, last = cluster.transport_address(1), cluster.transport_address(cluster.nodes)
    return first if cluster.nodes == 1 else f"{first} to {last}, one for each node"
