"""Debian's host-local and static (containernetworking-plugins) beside ours and below ours."""

from __future__ import annotations

import asyncio
import random
from ipaddress import ip_network
from pathlib import Path

import pytest
from cni_node import Node, bridge, invocation, ipam

from nodeagent.cni import conflist
from nodeagent.cni.chain import Wanted
from nodeagent.cni.errors import CniError
from nodeagent.cni.execute import Executor
from nodeagent.cni.network import CniNetwork
from nodeagent.cni.result import interface_name
from nodeagent.tables import Tables

CNI_PATH = "/usr/lib/cni"
SUBNET, SUBNET6 = "10.244.1.0/28", "fd00:10:244:1::/64"

pytestmark = pytest.mark.skipif(
    not Path(CNI_PATH, "host-local").exists(),
    reason="containernetworking-plugins is not installed",
)


def of(config, kind: str, directory: Path, **more):
    """Return *config* for another IPAM plugin."""
    return {
        **config,
        "ipam": {**config["ipam"], "type": kind, "dataDir": str(directory), **more},
    }


class Debian(Node):
    """A node whose addresses are host-local's."""

    def call(self, plugin, command, config, container="pod", **more):
        told = of(config, "host-local", self.directory / "cni" / "networks")
        made = invocation(command, told, container, CNI_PATH, **more)
        return asyncio.run(Executor().call("host-local", made))


def outcome(node: Node, command, config, container):
    try:
        return node.call("podwire-ipam", command, config, container)
    except CniError as error:
        return error.message.removeprefix("failed to allocate for range 0: ")


@pytest.mark.parametrize("version", ["0.4.0", "1.0.0"])
def test_ours_and_host_local_give_the_same_addresses(tmp_path, version):
    ours, theirs = Node(tmp_path / "ours"), Debian(tmp_path / "theirs")
    config = ipam(SUBNET, SUBNET6, version=version)
    config["ipam"]["routes"] = [{"dst": "0.0.0.0/0", "gw": "10.244.1.1"}]
    rng = random.Random(7)
    for step in range(120):
        command = rng.choice(("ADD", "ADD", "DEL", "CHECK"))
        container = f"pod-{rng.randrange(16)}"
        said = [outcome(node, command, config, container) for node in (ours, theirs)]
        assert said[0] == said[1], (step, command, container)
        assert ours.owners() == theirs.owners(), (step, command, container)


def test_both_may_work_on_one_directory(tmp_path):
    ours, theirs = Node(tmp_path), Debian(tmp_path)
    config = ipam("10.244.1.0/24", version="1.0.0")

    async def both() -> None:
        path = f"{CNI_PATH}"
        told = of(config, "host-local", tmp_path / "cni" / "networks")
        executor = Executor()
        calls = []
        for number in range(20):
            add = invocation("ADD", config, f"ours-{number}", path)
            calls.append(ours.plugins.call("podwire-ipam", add))
            add = invocation("ADD", told, f"theirs-{number}", path)
            calls.append(executor.call("host-local", add))
        await asyncio.gather(*calls)

    asyncio.run(both())
    taken = ours.taken()
    assert len(taken) == 40
    assert len(set(taken.values())) == 40
    for number in range(20):
        theirs.call("podwire-ipam", "DEL", config, f"ours-{number}")
        ours.call("podwire-ipam", "DEL", config, f"theirs-{number}")
    assert ours.taken() == {}


def test_host_local_below_our_bridge(tmp_path):
    node = Node(tmp_path, CNI_PATH)
    networks = tmp_path / "cni" / "networks"
    config = of(bridge("10.244.1.0/24", SUBNET6, version="1.0.0"), "host-local", networks)
    result = node.call("podwire-bridge", "ADD", config)
    assert node.links() == {interface_name("pod"): ("10.244.1.2/24", "fd00:10:244:1::2/64")}
    assert set(node.taken()) == {"10.244.1.2", "fd00:10:244:1::2"}
    node.call("podwire-bridge", "CHECK", {**config, "prevResult": result})
    made = node.tables.wanted("link")[interface_name("pod"),]
    node.call("podwire-bridge", "DEL", config)
    assert (node.links(), node.taken()) == ({}, {})
    node.tables.replace("link", made)
    with pytest.raises(CniError, match="Failed to find address added by container pod"):
        node.call("podwire-bridge", "CHECK", {**config, "prevResult": result})


def test_static_below_our_bridge(tmp_path):
    node = Node(tmp_path, CNI_PATH)
    addresses = [
        {"address": "10.244.1.77/24", "gateway": "10.244.1.1"},
        {"address": "fd00:10:244:1::77/64"},
    ]
    config = of(bridge(version="1.0.0"), "static", tmp_path, addresses=addresses)
    result = node.call("podwire-bridge", "ADD", config)
    assert node.links() == {interface_name("pod"): ("10.244.1.77/24", "fd00:10:244:1::77/64")}
    assert [each["gateway"] for each in result["ips"]] == ["10.244.1.1", "fd00:10:244:1::1"]
    node.call("podwire-bridge", "CHECK", {**config, "prevResult": result})
    node.call("podwire-bridge", "DEL", config)
    assert node.links() == {}


def test_static_gives_what_the_pod_asks_for(tmp_path):
    node = Node(tmp_path, CNI_PATH)
    config = of(bridge(version="1.0.0"), "static", tmp_path)
    config["runtimeConfig"] = {"ips": ["10.244.1.9/24"]}
    node.call("podwire-bridge", "ADD", config)
    assert node.links() == {interface_name("pod"): ("10.244.1.9/24", "")}


@pytest.mark.asyncio
async def test_a_network_that_lists_versions_speaks_host_locals(tmp_path):
    plugin = {
        "type": "podwire-bridge",
        "ipam": {
            "type": "host-local",
            "ranges": [[{"subnet": SUBNET}]],
            "dataDir": str(tmp_path / "cni" / "networks"),
        },
    }
    document = {
        "cniVersions": ["0.4.0", "1.0.0", "1.1.0"],
        "name": "net",
        "plugins": [plugin],
    }
    conflist.install(tmp_path, "flannel", document, "", [ip_network(SUBNET)])
    network = CniNetwork(tmp_path, Tables(), mtu=1450, path=CNI_PATH)
    await network.take_over([])
    assert await network.collect([])
    assert await network.look() == ""
    attachment = await network.add(Wanted(container_id="uid", namespace="n", name="p"))
    assert str(attachment.addresses[0]) == "10.244.1.2/28"
    await network.check("uid")
    await network.delete("uid")
    networks = tmp_path / "cni" / "networks" / "net"
    assert sorted(path.name for path in networks.iterdir()) == ["last_reserved_ip.0", "lock"]
