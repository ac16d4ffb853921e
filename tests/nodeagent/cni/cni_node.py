"""A node's directory and tables, whose plugins are called in process."""

from __future__ import annotations

import asyncio
from pathlib import Path

from kubeapi.objects import Object
from nodeagent.cni.execute import Executor
from nodeagent.cni.invocation import Command, Invocation
from nodeagent.cni.links import WantedLinks
from nodeagent.cni.plugins import Plugins
from nodeagent.tables import Tables

NETNS = "/run/netns/pod"


class Node:
    """Calls plugins and shows what they did."""

    def __init__(self, directory: Path, path: str = "/nowhere") -> None:
        self.directory, self.path = directory, path
        self.tables = Tables()
        self.plugins = Plugins(directory, WantedLinks(self.tables), Executor())

    def call(
        self, plugin: str, command: Command, config: Object, container: str = "pod", **more: str
    ) -> Object | None:
        """Call *plugin* about the interface eth0 of *container*."""
        return asyncio.run(
            self.plugins.call(plugin, invocation(command, config, container, self.path, **more))
        )

    def links(self) -> dict[str, tuple[str, str]]:
        """Return the addresses of the links that are wanted, by name."""
        wanted = self.tables.wanted("link").values()
        return {entry["name"]: (entry["address"], entry.get("address6", "")) for entry in wanted}

    def owners(self, network: str = "net") -> dict[str, str]:
        """Return the files of IPAM."""
        directory = self.directory / "cni" / "networks" / network
        files = directory.iterdir() if directory.is_dir() else ()
        return {
            path.name: path.read_bytes().decode() for path in sorted(files) if path.name != "lock"
        }

    def taken(self) -> dict[str, str]:
        """Return who has which address."""
        return {
            name: text.partition("\r\n")[0]
            for name, text in self.owners().items()
            if not name.startswith("last_reserved_ip")
        }


def invocation(
    command: Command, config: Object, container: str, path: str, **more: str
) -> Invocation:
    """Return a call as a runtime makes it."""
    if command in ("VERSION", "GC", "STATUS"):
        return Invocation(command=command, config=config, path=path, **more)
    attached = {"container_id": container, "netns": NETNS, "ifname": "eth0", **more}
    return Invocation(command=command, config=config, path=path, **attached)


def ipam(*subnets: str, version: str = "1.1.0", **more: object) -> Object:
    """Return what `podwire-ipam` is told."""
    ranges = [[{"subnet": subnet}] for subnet in subnets]
    return {
        "cniVersion": version,
        "name": "net",
        "ipam": {"type": "podwire-ipam", "ranges": ranges},
        **more,
    }


def bridge(*subnets: str, **more: object) -> Object:
    """Return what `podwire-bridge` is told."""
    return {"type": "podwire-bridge", "mtu": 1450, **ipam(*subnets, **more)}
