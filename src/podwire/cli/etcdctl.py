"""`podwire etcdctl …`: the real etcdctl, told where the members are and who we are."""

from __future__ import annotations

import os

import click

from podwire.cli import cluster_option
from podwire.cluster import etcd
from podwire.cluster.layout import Layout, UsageError


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
    os.execve(program, [program, *words], environment)
