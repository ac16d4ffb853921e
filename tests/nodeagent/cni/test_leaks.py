"""No address is lost, whatever is killed at any moment."""

from __future__ import annotations

import asyncio
import json
import random
import signal
import subprocess
import sys
from ipaddress import ip_network
from pathlib import Path

import pytest
from cni_node import Node, invocation, ipam
from node_processes import agnhost, is_true, running_node
from pod_api_server import pod_path

from nodeagent.cni import conflist
from nodeagent.cni.errors import CniError
from nodeagent.cni.network import CniNetwork
from nodeagent.cni.result import interface_name
from nodeagent.tables import Tables

SUBNET, SUBNET6 = "10.244.1.0/28", "fd00:10:244:1::/64"
#: The longest that a plugin lives here before it is killed; the usual call takes less.
KILL_WITHIN_S = 0.006


class Forge:
    """Plugins as processes, some of them killed."""

    def __init__(self, node: Path) -> None:
        self._node = node
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).parent / "plugin_forge.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def call(self, command, config, container: str, kill_after_s: float) -> int:
        made = invocation(command, config, container, "/nowhere")
        order = {
            "node": str(self._node),
            "plugin": "podwire-ipam",
            "environment": made.environment(),
            "config": config,
            "kill_after_s": kill_after_s,
        }
        return self._order(order)

    def live(self, name: str, kill_after_s: float) -> int:
        """Begin a runtime that ADDs and DELs pods called after *name* until it is killed."""
        return self._order({"node": str(self._node), "life": name, "kill_after_s": kill_after_s})

    def _order(self, order) -> int:
        print(json.dumps(order), file=self._process.stdin, flush=True)
        return int(self._process.stdout.readline())

    def close(self) -> None:
        self._process.communicate()


@pytest.fixture
def forge(tmp_path: Path):
    made = Forge(tmp_path)
    yield made
    made.close()


def test_a_thousand_adds_and_deletes_with_kills_lose_no_address(tmp_path, forge):
    node, config, rng = Node(tmp_path), ipam(SUBNET, SUBNET6), random.Random(1)
    held: dict[str, None] = {}
    killed = 0

    def call(command, container: str) -> int:
        if rng.random() < 0.4:
            return forge.call(command, config, container, rng.uniform(0.0005, KILL_WITHIN_S))
        try:
            node.call("podwire-ipam", command, config, container)
        except CniError:
            return 1
        return 0

    for step in range(500):
        container = f"pod-{step}"
        status = call("ADD", container)
        killed += status == -signal.SIGKILL
        if status == 0:
            held[container] = None
        # A runtime DELs what it ADDed and what it does not know the end of, until that succeeds.
        gone = container if status else rng.choice([*held]) if len(held) > 6 else None
        while gone is not None:
            status = call("DEL", gone)
            killed += status == -signal.SIGKILL
            if status == 0:
                held.pop(gone, None)
                break
        owners = list(node.taken().values())
        assert sorted(set(owners) - {""}) == sorted(held), step
        assert all(owners.count(each) <= 2 for each in held), step
    assert killed > 100
    for container in held:
        node.call("podwire-ipam", "DEL", config, container)
    assert node.taken() == {}
    # Every address can be given again, of both families.
    for number in range(13):
        node.call("podwire-ipam", "ADD", config, f"last-{number}")
    assert len(node.taken()) == 26


def test_what_killed_runtimes_began_is_taken_back(tmp_path, forge):
    plugin = {
        "type": "podwire-bridge",
        "ipam": {"type": "podwire-ipam", "ranges": [[{"subnet": SUBNET}]]},
    }
    document = {"cniVersion": "1.1.0", "name": "net", "plugins": [plugin]}
    conflist.install(tmp_path, "flannel", document, "", [ip_network(SUBNET)])
    node, rng, survivors = Node(tmp_path), random.Random(2), 0
    for life in range(40):
        assert forge.live(f"life-{life}", rng.uniform(0.005, 0.06)) == -signal.SIGKILL
        made = [path for path in results(tmp_path) if is_attached(path)]
        live = [path.name.removeprefix("net-").removesuffix("-eth0") for path in made]
        live = rng.sample(sorted(live), min(3, len(live)))
        links = asyncio.run(begin_again(tmp_path, live))
        assert sorted(node.taken().values()) == sorted(live), life
        assert sorted(links) == sorted(map(interface_name, live)), life
        assert len(results(tmp_path)) == len(live), life
        survivors += len(live)
    assert survivors > 10


def results(node: Path) -> list[Path]:
    return sorted((node / "cni" / "results").glob("*"))


def is_attached(path: Path) -> bool:
    """Tell whether a pod may run with this result: a torn one has been given nothing yet."""
    octets = path.read_bytes()
    return b'"result"' in octets and b'"isEnding"' not in octets


async def begin_again(node: Path, live: list[str]) -> list[str]:
    """Do what a nodeagent does first; return the links that it wants."""
    tables = Tables()
    network = CniNetwork(node, tables, mtu=1450, path="/nowhere")
    await network.take_over([])
    assert await network.collect(live)
    return [str(name) for (name,) in tables.wanted("link")]


@pytest.mark.asyncio
async def test_a_nodeagent_killed_amid_starts_loses_no_address(tmp_path):
    names = [f"web-{number}" for number in range(6)]
    async with running_node(tmp_path) as (api, node):
        networks = node.node / "cni" / "networks" / "flannel"

        def taken() -> list[str]:
            return sorted(path.name for path in networks.glob("10.*"))

        for name in names:
            api.put_pod(name, agnhost("pause"))
        async with asyncio.timeout(20):
            while not taken():
                await asyncio.sleep(0.001)
        await node.kill("nodeagent")
        await node.start("nodeagent")
        await api.until(lambda: all(is_true(api.pod(name), "Ready") for name in names))
        addresses = sorted(api.pod(name)["status"]["podIP"] for name in names)
        assert addresses == taken()
        await node.kill("nodeagent")
        for name in names:
            api.delete_pod(name, 0)
        await node.start("nodeagent")
        await api.until(lambda: all(pod_path(name) not in api.objects for name in names))
        assert taken() == []
        assert [link for link in await node.table("link") if link["kind"] == "veth"] == []
