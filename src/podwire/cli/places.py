"""Where a pod is: its node, its interface's name there, its address."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from kubeapi.objects import Object
from kubeapi.resources import PODS
from podwire.cli import CommandFailed, api, netlink
from podwire.cluster.layout import Layout


@dataclass(frozen=True, slots=True)
class Place:
    """An interface on a node; *label* is what captures call it."""

    node: str
    interface: str
    label: str
    is_pod: bool = False

    def describe(self) -> str:
        where = f"{self.node} {self.interface}"
        return f"{self.label} ({where})" if self.is_pod else where


def link_addresses(link: Mapping[str, object]) -> list[str]:
    """Return the addresses behind a link, of either family."""
    fields = (str(link.get(name) or "") for name in ("address", "address6"))
    return [text.partition("/")[0] for text in fields if text]


def find_pod(paths: Layout, text: str) -> Object:
    """Return the pod called `[NAMESPACE/]NAME`; raises CommandFailed when there is none."""
    namespace, _, name = text.rpartition("/")
    return api.run(paths, lambda client: client.get(PODS, name, namespace or "default"))


def place_of_pod(paths: Layout, text: str) -> Place:
    """Return where the pod's frames pass: its port on its node's bridge."""
    pod = find_pod(paths, text)
    node = pod["spec"].get("nodeName")
    address = pod.get("status", {}).get("podIP")
    if not node or not address:
        raise CommandFailed(f"pod {text} has no address yet: it is not running")
    for link in netlink.ask(paths, node, "link_list"):
        if address in link_addresses(link) and link.get("kind") == "veth":
            namespace, name = pod["metadata"]["namespace"], pod["metadata"]["name"]
            return Place(node, link["name"], f"pod {namespace}/{name}", is_pod=True)
    raise CommandFailed(f"{node} has no interface for {text} ({address})")
