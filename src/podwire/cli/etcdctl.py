"""`podwire etcdctl …`: the real etcdctl, told where the members are and who we are."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence

import click

from podwire.cli import cluster_option
from podwire.cluster import etcd
from podwire.cluster.layout import Cluster, Layout, UsageError
from podwire.cluster.plan import master_name
from podwire.launcher.etcd import joins


@click.command(
    context_settings={
        "ignore_unknown_options": True,
        "allow_interspersed_args": False,
        "help_option_names": ["--help"],
    }
)
@cluster_option
@click.argument("words", metavar="ARGUMENTS...", nargs=-1, type=click.UNPROCESSED)
def etcdctl(words: tuple[str, ...], cluster_name: str) -> None:
    """Run etcdctl against the cluster's etcd members.

    --name, if it is needed, goes before etcdctl's own arguments.

    \b
    Examples:
    podwire etcdctl endpoint status -w table
    podwire etcdctl get --prefix --keys-only /registry

    \b
    A member whose data is lost (its log: "has already been bootstrapped") comes back so:
    podwire etcdctl member list                       # its id, and its peer URL
    podwire etcdctl member remove ID
    podwire etcdctl member add etcd-1 --peer-urls=URL
    """
    paths = Layout.of(cluster_name)
    cluster = paths.read_cluster()
    if cluster.store != "etcd":
        raise UsageError(
            f"cluster {cluster_name!r} has the embedded store; "
            "one with etcd begins with: podwire up --store etcd"
        )
    program = etcd.find("etcdctl")
    environment = {
        name: text for name, text in os.environ.items() if not name.startswith("ETCDCTL_")
    }
    environment |= {
        "ETCDCTL_API": "3",
        "ETCDCTL_ENDPOINTS": ",".join(etcd.client_urls(cluster)),
        "ETCDCTL_CACERT": str(paths.certificate(etcd.CA)),
        "ETCDCTL_CERT": str(paths.certificate(etcd.CLIENT)),
        "ETCDCTL_KEY": str(paths.private_key(etcd.CLIENT)),
    }
    command = [program, *words]
    if words[:2] != ("member", "add"):
        os.execve(program, command, environment)
    done = subprocess.run(command, env=environment, check=False)
    if done.returncode == 0:
        _let_join(cluster, paths, words[2:])
    raise SystemExit(done.returncode)


def _let_join(cluster: Cluster, paths: Layout, words: Sequence[str]) -> None:
    """Have the member that was added join the others, whose data it does not have."""
    for number in cluster.masters:
        name = master_name(cluster, "etcd", number)
        if name in words:
            joins(paths.etcd_data(name)).touch(mode=0o600)
            click.echo(f"{name} joins with its next start: podwire process start {name}, if needed")
