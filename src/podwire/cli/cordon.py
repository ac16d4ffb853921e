"""`podwire node cordon|uncordon`: say whether new pods may come to a node (kubectl's words)."""

from __future__ import annotations

import click

from kubeapi.client import PatchType, RestClient
from kubeapi.resources import NODES
from podwire.cli import api, cluster_option
from podwire.cluster.layout import Layout, UsageError


def known_node(cluster_name: str, name: str) -> Layout:
    """Return the cluster's layout; raises UsageError when it has no such node."""
    paths = Layout.of(cluster_name)
    cluster = paths.read_cluster()
    if name not in cluster.all_names:
        raise UsageError(f"there is no {name}: the nodes are {cluster.nodes_text}")
    return paths


async def mark(client: RestClient, name: str, *, unschedulable: bool, dry_run: str = "") -> None:
    """Bring the node to be *unschedulable* or not, and say what came of it."""
    node = await client.get(NODES, name)
    already = bool(node["spec"].get("unschedulable")) == unschedulable
    if not already and not dry_run:
        patch = {"spec": {"unschedulable": unschedulable or None}}
        await client.patch(NODES, name, patch, kind=PatchType.MERGE)
    done = "cordoned" if unschedulable else "uncordoned"
    click.echo(f"node/{name} {'already ' if already else ''}{done}{suffix(dry_run)}")


def suffix(dry_run: str) -> str:
    """Return what stands behind everything that was not done."""
    return {"server": " (server dry run)", "client": " (dry run)"}.get(dry_run, "")


@click.command()
@click.argument("target", metavar="NAME")
@cluster_option
def cordon(target: str, cluster_name: str) -> None:
    """Mark a node unschedulable: no new pod comes to it.

    \b
    Example: podwire node cordon node-2
    """
    paths = known_node(cluster_name, target)
    api.run(paths, lambda client: mark(client, target, unschedulable=True))


@click.command()
@click.argument("target", metavar="NAME")
@cluster_option
def uncordon(target: str, cluster_name: str) -> None:
    """Mark a node schedulable again.

    \b
    Example: podwire node uncordon node-2
    """
    paths = known_node(cluster_name, target)
    api.run(paths, lambda client: mark(client, target, unschedulable=False))
