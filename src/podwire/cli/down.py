"""`podwire down`: stop every process of a cluster, whatever has become of its launcher."""

from __future__ import annotations

import shutil
import time

import click

from podwire.cli import CommandFailed, cluster_option
from podwire.cluster.layout import Layout, UsageError
from podwire.launcher import session


@click.command()
@cluster_option
@click.option(
    "--keep-state",
    is_flag=True,
    help="Keep the store and certificates: the next `up` continues with them.",
)
def down(cluster_name: str, keep_state: bool) -> None:
    """Stop a cluster and remove its state.

    \b
    Example: podwire down
    """
    paths = Layout.of(cluster_name)
    if not paths.directory.exists():
        raise UsageError(f"there is no cluster {cluster_name!r}: nothing to stop")
    click.echo(stop(paths, keep_state=keep_state), err=True)


def stop(paths: Layout, *, keep_state: bool = False) -> str:
    """Kill the cluster's processes, remove its files; return what was done, for people."""
    began = time.monotonic()
    known = session.read(paths.session_file)
    try:
        killed = session.kill(known) if known is not None else 0
    except TimeoutError as error:
        raise CommandFailed(f"{error}; see podwire status") from None
    if keep_state:
        paths.session_file.unlink(missing_ok=True)
        paths.launcher_socket.unlink(missing_ok=True)
        shutil.rmtree(paths.directory / "nodes", ignore_errors=True)
    elif paths.cluster_file.exists() or paths.session_file.exists():
        shutil.rmtree(paths.directory)
    return (
        f"Cluster {paths.directory.name} is down: {killed} processes stopped "
        f"in {time.monotonic() - began:.1f} s{', state kept' if keep_state else ''}."
    )
