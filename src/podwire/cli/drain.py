"""`podwire node cordon|uncordon|drain`: take a node out of service gently (kubectl drain).

Eviction goes through the Eviction API, as kubectl's does. A pod that nothing would make again is
evicted only with --force; it is looked for before anything is done.
"""

from __future__ import annotations

import asyncio
from typing import Final

import click

from componentbase import clock
from kubeapi.client import PatchType, RestClient
from kubeapi.objects import Object, controller_of, key_of, name_of, namespace_of, uid_of
from kubeapi.resources import NODES, PODS
from kubeapi.status import StatusError, is_not_found
from podwire.cli import CommandFailed, api, cluster_option
from podwire.cli.units import DURATION, duration_text
from podwire.cluster.layout import Layout, UsageError, node_number

_POLL_S: Final = 0.1
_REFUSED_AGAIN_S: Final = 1.0
_TOO_MANY_REQUESTS: Final = 429
_NAMED_MAX: Final = 3


def _known_node(cluster_name: str, name: str) -> Layout:
    """Return the cluster's layout; raises UsageError when it has no such node."""
    paths = Layout.of(cluster_name)
    cluster = paths.read_cluster()
    if node_number(name) not in cluster.node_numbers:
        raise UsageError(f"there is no {name}: the nodes are {cluster.nodes_text}")
    return paths


async def _set_unschedulable(client: RestClient, name: str, *, wanted: bool) -> bool:
    """Return whether the node was otherwise before."""
    node = await client.get(NODES, name)
    if bool(node["spec"].get("unschedulable")) == wanted:
        return False
    patch = {"spec": {"unschedulable": wanted or None}}
    await client.patch(NODES, name, patch, kind=PatchType.MERGE)
    return True


def _mark(target: str, cluster_name: str, *, wanted: bool) -> None:
    paths = _known_node(cluster_name, target)
    changed = api.run(paths, lambda client: _set_unschedulable(client, target, wanted=wanted))
    click.echo(f"{target} {'' if changed else 'already '}{'' if wanted else 'un'}cordoned")


@click.command()
@click.argument("target", metavar="NAME")
@cluster_option
def cordon(target: str, cluster_name: str) -> None:
    """Mark a node unschedulable: no new pod comes to it.

    \b
    Example: podwire node cordon node-2
    """
    _mark(target, cluster_name, wanted=True)


@click.command()
@click.argument("target", metavar="NAME")
@cluster_option
def uncordon(target: str, cluster_name: str) -> None:
    """Mark a node schedulable again.

    \b
    Example: podwire node uncordon node-2
    """
    _mark(target, cluster_name, wanted=False)


@click.command()
@click.argument("target", metavar="NAME")
@click.option("--force", is_flag=True, help="Evict pods that nothing would make again, too.")
@click.option(
    "--timeout",
    "timeout_s",
    type=DURATION,
    default="60s",
    show_default=True,
    help="How long to wait for the pods to end.",
)
@cluster_option
def drain(target: str, force: bool, timeout_s: float, cluster_name: str) -> None:
    """Cordon a node and evict its pods; return when they are gone.

    \b
    Example: podwire node drain node-2
    """
    paths = _known_node(cluster_name, target)
    try:
        count = api.run(paths, lambda client: _drain(client, target, force, timeout_s))
    except TimeoutError:
        raise CommandFailed(
            f"{target} is cordoned, but not all its pods ended within {duration_text(timeout_s)}"
        ) from None
    click.echo(f"{target} drained: {count} pod{'' if count == 1 else 's'} evicted")


async def _drain(client: RestClient, node: str, force: bool, timeout_s: float) -> int:
    pods = await _pods_on(client, node)
    orphans = [key_of(pod) for pod in pods if controller_of(pod) is None and not _is_over(pod)]
    if orphans and not force:
        more = f" and {len(orphans) - _NAMED_MAX} more" if len(orphans) > _NAMED_MAX else ""
        raise UsageError(
            f"nothing would make {', '.join(orphans[:_NAMED_MAX])}{more} again; "
            "evict such pods too with --force"
        )
    if await _set_unschedulable(client, node, wanted=True):
        click.echo(f"{node} cordoned")
    async with asyncio.timeout(timeout_s):
        await asyncio.gather(*(_evict(client, pod) for pod in pods))
    return len(pods)


async def _pods_on(client: RestClient, node: str) -> list[Object]:
    """Return the node's pods; a DaemonSet's would come back at once, so they stay."""
    found = await client.list(PODS, field_selector=f"spec.nodeName={node}")
    pods: list[Object] = found["items"]
    return [pod for pod in pods if (controller_of(pod) or {}).get("kind") != "DaemonSet"]


def _is_over(pod: Object) -> bool:
    return pod.get("status", {}).get("phase") in ("Succeeded", "Failed")


async def _evict(client: RestClient, pod: Object) -> None:
    click.echo(f"evicting pod {key_of(pod)}")
    began = clock.monotonic()
    eviction = {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": name_of(pod), "namespace": namespace_of(pod)},
    }
    while not await _is_gone(client, pod):
        try:
            await client.create(
                PODS, eviction, namespace_of(pod), subresource="eviction", name=name_of(pod)
            )
            break
        except StatusError as error:
            if error.code != _TOO_MANY_REQUESTS:
                if is_not_found(error):
                    break
                raise
        await asyncio.sleep(_REFUSED_AGAIN_S)
    while not await _is_gone(client, pod):
        await asyncio.sleep(_POLL_S)
    click.echo(f"pod {key_of(pod)} evicted ({clock.monotonic() - began:.1f} s)")


async def _is_gone(client: RestClient, pod: Object) -> bool:
    try:
        now = await client.get(PODS, name_of(pod), namespace_of(pod))
    except StatusError as error:
        if is_not_found(error):
            return True
        raise
    return uid_of(now) != uid_of(pod)
