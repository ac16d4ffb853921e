"""Pods and Services in a capture: as hosts of its filter, and pods as names of interfaces."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from ipaddress import ip_address
from typing import Final

from kubeapi.client import RestClient
from kubeapi.objects import Object, key_of
from kubeapi.resources import ENDPOINTSLICES, PODS, SERVICES
from netdev.capture_filter import tree
from netdev.capture_filter.parse import Endpoint, parse
from netdev.capture_filter.words import FilterError
from podwire.cli import CommandFailed, api, netlink, places
from podwire.cluster.layout import Layout, UsageError

_HEADLESS: Final = "None"
_VETH: Final = re.compile(r"\bveth[0-9a-f]{8}\b")


def plain_filter(paths: Layout, text: str, *, inner: bool) -> str:
    """Return *text* without names, as datapaths take it; raises UsageError that points at a word.

    With *inner* it holds for the frames within VXLAN, too.
    """

    def lookup(kind: str, name: str) -> Sequence[Endpoint]:
        try:
            return api.run(paths, lambda client: _endpoints(client, kind, *name.split("/", 1)))
        except CommandFailed as error:
            raise ValueError(str(error)) from None

    if not text:
        return ""
    try:
        plain = tree.text(parse(text, lookup))
        both = f"{plain} or (vxlan and ({plain}))" if inner else plain
        parse(both)
    except FilterError as error:
        raise UsageError(str(error)) from None
    return both


class InterfaceNames:
    """What captures call the interfaces of nodes; pods' by their pods, as far as they are known."""

    def __init__(self, pods: Mapping[tuple[str, str], str]) -> None:
        self._pods = pods

    def of(self, node: str, interface: str) -> str:
        """Return what an interface of *node* is called."""
        return self._pods.get((node, interface), f"{node}/{interface}")

    def say(self, node: str, verdict: str) -> str:
        """Return a verdict with pods named where their interfaces are."""
        return _VETH.sub(lambda found: self._pods.get((node, found[0]), found[0]), verdict)


def interface_names(paths: Layout, nodes: Iterable[str]) -> InterfaceNames:
    """Return the names of the interfaces of *nodes*; veths keep theirs while nobody knows pods."""
    try:
        pods = api.run(paths, lambda client: client.list(PODS))["items"]
    except (CommandFailed, UsageError):
        return InterfaceNames({})
    by_address = {
        (pod["spec"].get("nodeName"), str(endpoint.address)): f"pod {key_of(pod)}"
        for pod in pods
        for endpoint in pod_endpoints(pod)
        if not pod["spec"].get("hostNetwork")
    }
    names = {}
    for node in nodes:
        with suppress(CommandFailed):  # A dead node has nothing to be named.
            for link in netlink.ask(paths, node, "link_list"):
                address = next(iter(places.link_addresses(link)), "")
                if (node, address) in by_address:
                    names[node, link["name"]] = by_address[node, address]
    return InterfaceNames(names)


async def _endpoints(
    client: RestClient, kind: str, namespace: str, name: str
) -> Sequence[Endpoint]:
    if kind == "pod":
        return list(pod_endpoints(await client.get(PODS, name, namespace)))
    service = await client.get(SERVICES, name, namespace)
    slices = await client.list(
        ENDPOINTSLICES, namespace, label_selector=f"kubernetes.io/service-name={name}"
    )
    return list(service_endpoints(service, slices["items"]))


def pod_endpoints(pod: Object) -> Iterator[Endpoint]:
    """Return the addresses of a pod."""
    status = pod.get("status", {})
    addresses = [each["ip"] for each in status.get("podIPs", ())] or [status.get("podIP")]
    return (Endpoint(ip_address(address)) for address in addresses if address)


def service_endpoints(service: Object, slices: Sequence[Object]) -> Iterator[Endpoint]:
    """Return where a Service's packets are seen: its own addresses, and its endpoints' ports."""
    spec = service["spec"]
    addresses = spec.get("clusterIPs") or [spec.get("clusterIP")]
    for address in addresses:
        if address and address != _HEADLESS:
            yield Endpoint(ip_address(address))
    for each in slices:
        ports = [port["port"] for port in each.get("ports") or ()]
        addresses = [text for one in each.get("endpoints") or () for text in one["addresses"]]
        yield from (Endpoint(ip_address(text), port) for port in ports for text in addresses)
