"""The TCP/IP stack of a pod or a node, asked from outside by its calls, and whom it may ask for."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from ipaddress import ip_address
from typing import Final, TypeVar

from componentbase import rpc
from kubeapi.objects import Object
from kubeapi.resources import PODS, SERVICES
from podwire.cli import CommandFailed, api, netlink
from podwire.cli.places import find_pod
from podwire.cluster.layout import Layout, UsageError, node_number

T = TypeVar("T")

_SERVICE: Final = "svc/"


def is_node(text: str) -> bool:
    """Tell whether *text* is a node's name, not a pod's."""
    try:
        node_number(text)
    except UsageError:
        return False
    return True


async def connect(paths: Layout, source: str) -> rpc.Client:
    """Connect to what answers for the stack of a node or a pod; raises CommandFailed."""
    if is_node(source):
        return await netlink.connect(paths, source)
    return await _connect_pod(paths, source, await asyncio.to_thread(find_pod, paths, source))


async def _connect_pod(paths: Layout, name: str, pod: Object) -> rpc.Client:
    node, uid = pod["spec"].get("nodeName"), pod["metadata"]["uid"]
    if not node:
        raise CommandFailed(f"pod {name} is not on a node yet")
    runtime = await rpc.Client.connect(paths.node(node) / "cri.sock")
    try:
        sandboxes = await runtime.call("ListPodSandbox")
    finally:
        await runtime.close()
    ready = [
        sandbox["id"]
        for sandbox in sandboxes
        if sandbox["metadata"]["uid"] == uid and sandbox["state"] == "SANDBOX_READY"
    ]
    if not ready:
        raise CommandFailed(f"pod {name} does not run on {node}")
    return await rpc.Client.connect(paths.node(node) / "pods" / ready[0] / "control.sock")


def run(paths: Layout, source: str, work: Callable[[rpc.Client], Awaitable[T]]) -> T:
    """Connect to *source*'s stack, do *work* with the connection, return its result."""

    async def connected() -> T:
        client = await connect(paths, source)
        try:
            return await work(client)
        finally:
            await client.close()

    try:
        return asyncio.run(connected())
    except rpc.RpcError as error:
        wrong = UsageError if error.code == "InvalidArgument" else CommandFailed
        raise wrong(f"{source}: {error.message}") from None
    except OSError as error:
        raise CommandFailed(
            f"{source} does not answer: {error.strerror or error}; see podwire status --pods"
        ) from None


def address_of(paths: Layout, target: str, family: int) -> str:
    """Return the address of a node, a pod, a Service (`svc/[NAMESPACE/]NAME`), or itself."""
    with suppress(ValueError):
        return str(ip_address(target))
    found = _addresses(paths, target)
    fitting = [text for text in found if ip_address(text).version == family]
    if not fitting:
        raise UsageError(f"{target} has no address of IPv{family}, only {' '.join(found)}")
    return fitting[0]


def _addresses(paths: Layout, target: str) -> list[str]:
    if is_node(target):
        cluster = paths.read_cluster()
        if node_number(target) not in cluster.node_numbers:
            raise UsageError(f"there is no {target}: the nodes are {cluster.nodes_text}")
        return cluster.host_addresses(node_number(target))
    if target.startswith(_SERVICE):
        namespace, _, name = target.removeprefix(_SERVICE).rpartition("/")
        service = api.run(paths, lambda client: client.get(SERVICES, name, namespace or "default"))
        found = [text for text in service["spec"].get("clusterIPs") or () if text != "None"]
        if not found:
            raise UsageError(f"{target} has no address of its own: name one of its pods")
        return found
    found = [
        str(each["ip"]) for each in find_pod(paths, target).get("status", {}).get("podIPs", ())
    ]
    if not found:
        raise CommandFailed(f"pod {target} has no address yet: it is not running")
    return found


def names(paths: Layout) -> dict[str, str]:
    """Return what addresses belong to: nodes, their networks' gateways, pods, Services."""
    cluster = paths.read_cluster()
    found: dict[str, str] = {}
    for number in cluster.node_numbers:
        node = f"node-{number}"
        found |= dict.fromkeys(cluster.host_addresses(number), node)
        with suppress(CommandFailed, UsageError):  # A dead node has nothing to be named.
            rows = netlink.ask(paths, node, "address_list")
            found |= {row["address"].partition("/")[0]: f"{node}/{row['device']}" for row in rows}
    with suppress(CommandFailed, UsageError):
        for pod in api.run(paths, lambda client: client.list(PODS))["items"]:
            if not pod["spec"].get("hostNetwork"):
                shown = f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"
                ips = pod.get("status", {}).get("podIPs") or ()
                found |= {each["ip"]: shown for each in ips}
        for service in api.run(paths, lambda client: client.list(SERVICES))["items"]:
            shown = f"svc/{service['metadata']['namespace']}/{service['metadata']['name']}"
            ips = service["spec"].get("clusterIPs") or ()
            found |= {each: shown for each in ips if each != "None"}
    return found
