"""`podwire kubeconfig`: the path that kubectl wants."""

from __future__ import annotations

import click

from podwire.cli import cluster_option
from podwire.cluster.layout import Layout


@click.command()
@cluster_option
def kubeconfig(cluster_name: str) -> None:
    """Print the path of the cluster's kubeconfig.

    \b
    Example: export KUBECONFIG=$(podwire kubeconfig)
    """
    paths = Layout.of(cluster_name)
    paths.read_cluster()
    click.echo(paths.kubeconfig)
