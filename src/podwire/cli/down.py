"""`podwire down`: stop every process of a cluster, whatever has become of its launcher."""

from __future__ import annotations

import time

import click

from componentbase.directories import remove_tree
from podwire.cli import CommandFailed, cluster_option
from podwire.cluster.layout import Layout, UsageError, home
from podwire.cluster.lock import exclusive
from podwire.launcher import session


@click.command()
@cluster_option
@click.option(
    "--keep-state",
    is_flag=True,
    help="Keep store, certificates and options: the next `up` continues with them.",
)
def down(cluster_name: str, keep_state: bool) -> None:
    """Stop a cluster and remove its state.

    \b
    Example: podwire down
    """
    click.echo(stop(Layout.of(cluster_name), keep_state=keep_state), err=True)


def stop(paths: Layout, *, keep_state: bool = False) -> str:
    """Kill the cluster's processes, remove its files; return what was done, for people.

    Raises UsageError when there is no such cluster.
    """
    began = time.monotonic()
    if not home().is_dir():
        raise _nothing_to_stop(paths)
    with exclusive():
        known = session.read(paths.session_file) or session.search(paths.directory)
        ours = known is not None or paths.cluster_file.exists() or paths.is_half_made()
        if not ours:
            raise _nothing_to_stop(paths)
        try:
            killed = session.kill(known) if known is not None else 0
        except TimeoutError as error:
            raise CommandFailed(f"{error}; see podwire status{paths.name_option}") from None
        _remove(paths, keep_state=keep_state)
    return (
        f"Cluster {paths.directory.name} is down: {killed} processes stopped "
        f"in {time.monotonic() - began:.1f} s{', state kept' if keep_state else ''}."
    )


def _remove(paths: Layout, *, keep_state: bool) -> None:
    if keep_state:
        paths.session_file.unlink(missing_ok=True)
        paths.launcher_socket.unlink(missing_ok=True)
        remove_tree(paths.directory / "nodes")
    elif paths.directory.exists():
        remove_tree(paths.directory)


def _nothing_to_stop(paths: Layout) -> UsageError:
    if paths.directory.exists():
        return UsageError(f"{paths.directory} is not a cluster of ours: it stays untouched")
    return UsageError(f"there is no cluster {paths.directory.name!r}: nothing to stop")
