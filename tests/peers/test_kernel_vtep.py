"""A Linux kernel is a node of a podwire cluster, set up by what docs/interoperation.md says.

A cluster in one network namespace, the kernel's VXLAN device in another, a host behind it in a
third; the blocks of the page are run in them as they stand there.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import kernel_icmp
import netns
import pytest
from clusters import EXAMPLES, Home, Lab
from netns import Namespace
from pods import Pod

pytestmark = [pytest.mark.cluster, pytest.mark.xdist_group("kernel-vtep"), pytest.mark.timeout(180)]

PAGE = Path(__file__).parents[2] / "docs" / "interoperation.md"
BIN = Path(__file__).with_name("bin")
FILE = random.Random(4).randbytes(3_000_000)


class RemoteHome(Home):
    """A home whose commands run in a network namespace."""

    def __init__(self, directory: Path, namespace: Namespace) -> None:
        super().__init__(directory)
        self.namespace = namespace

    def run(self, words: list[str], timeout_s: float = 120) -> subprocess.CompletedProcess[str]:
        return super().run([*self.namespace.enter, *words], timeout_s)


class KernelNode:
    """A cluster, the machine `kernel-1` that has joined it, and a host behind that."""

    def __init__(self, home: RemoteHome) -> None:
        self.cluster = home.namespace
        self.machine, self.host = Namespace(self.cluster), Namespace(self.cluster)
        home.podwire("up", "--nodes", "2", "--name", "peers")
        self.lab = InsideLab(home, "peers")
        self.address = ""

    def join(self) -> None:
        """Do what the page says."""
        places = {"cluster": self.cluster, "machine": self.machine}
        environment = {
            **self.lab.environment,
            "MACHINE": str(self.machine.pid),
            "HOST": str(self.host.pid),
            "PATH": os.environ["PATH"],
        }
        if shutil.which("ethtool") is None:
            environment["PATH"] += f"{os.pathsep}{BIN}"
        blocks = re.findall(r"```sh\n# (\w+)\n(.*?)```", PAGE.read_text(), re.DOTALL)
        assert len(blocks) == 5
        for place, script in blocks:
            done = subprocess.run(
                [*places[place].enter, "bash", "-euo", "pipefail", "-c", script],
                env=environment, capture_output=True, text=True, timeout=60, check=False,
            )  # fmt: skip
            assert done.returncode == 0, f"{script}\n{done.stderr}"
        shown = json.loads(self.host.run("ip", "-j", "-4", "address", "show", "dev", "eth0"))
        self.address = shown[0]["addr_info"][0]["local"]

    def close(self) -> None:
        self.host.close()
        self.machine.close()


class InsideLab(Lab):
    """A cluster in a namespace, and kubectl beside it."""

    def kubectl(
        self, *words: str, check: bool = True, stdin: str | None = None, timeout_s: float = 60
    ) -> str:
        assert isinstance(self.home, RemoteHome)
        done = subprocess.run(
            [*self.home.namespace.enter, "kubectl", *words], env=self.environment, input=stdin,
            capture_output=True, text=True, timeout=timeout_s, check=False,
        )  # fmt: skip
        assert not check or done.returncode == 0, f"kubectl {' '.join(words)}: {done.stderr}"
        return done.stdout


@pytest.fixture(scope="module")
def joined(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KernelNode]:
    for feature in ("netns", "vxlan", "kubectl", "curl", "bash"):
        if why := netns.missing(feature):
            pytest.skip(why)
    namespace = Namespace()
    home = RemoteHome(tmp_path_factory.mktemp("vtep"), namespace)
    try:
        node = KernelNode(home)
        with contextlib.closing(node):
            lab = node.lab
            lab.kubectl("apply", "-f", str(EXAMPLES / "web.yaml"))
            node.join()
            lab.kubectl("rollout", "status", "deployment/web", "--timeout=60s")
            yield node
    finally:
        home.stop_all()
        namespace.close()


@pytest.fixture
def pods(joined: KernelNode) -> list[Pod]:
    """Return a pod of each node."""
    found = joined.lab.objects("pods", "-l", "app=web")
    by_node = {pod["spec"]["nodeName"]: pod["metadata"]["name"] for pod in found}
    assert sorted(by_node) == ["node-1", "node-2"]
    return [Pod(joined.lab, name) for _, name in sorted(by_node.items())]


def test_the_kernel_was_set_up_by_annotations_alone(joined):
    shown = {
        name: joined.machine.run(*words.split())
        for name, words in {
            "link": "ip -d link show flannel.1",
            "fdb": "bridge fdb show dev flannel.1",
            "routes": "ip route show dev flannel.1",
            "neighbours": "ip neighbour show dev flannel.1",
        }.items()
    }
    assert "vxlan id 1 local 127.0.1.77 dev underlay" in shown["link"]
    for node in joined.lab.objects("nodes"):
        name, annotations = node["metadata"]["name"], node["metadata"]["annotations"]
        if name == "kernel-1":
            continue
        data = json.loads(annotations["flannel.alpha.coreos.com/backend-data"])
        cidr = node["spec"]["podCIDR"]
        assert f"{data['VtepMAC']} dst 127.0.1." in shown["fdb"]
        assert f"{cidr} via {cidr.split('/')[0]} onlink" in shown["routes"]
        assert f"lladdr {data['VtepMAC']} PERMANENT" in shown["neighbours"]


def test_our_nodes_were_set_up_by_the_nodes_annotations(joined):
    assert "02:00:00:00:00:77 dev flannel.1 dst 192.168.64.77" in joined.lab.podwire("fdb node-1")


@pytest.mark.asyncio
async def test_host_and_pods_ping_each_other(joined, pods):
    for place, source in ((joined.host, joined.address), (joined.machine, "")):
        with kernel_icmp.open_raw(place, source) as raw:
            for pod in pods:
                for size in (0, 56, 1422, 1423, 8000):
                    payload = random.Random(size).randbytes(size)
                    assert await kernel_icmp.ping(raw, pod.address, payload) == payload
    for pod in pods:
        said = joined.lab.podwire("ping", pod.name, joined.address, "-c", "2", check=False)
        assert " 0% packet loss" in said


def test_the_host_fetches_from_pods(joined, pods):
    for pod in pods:
        url = f"http://{pod.address}:8080/hostname"
        assert joined.host.run("curl", "-sS", "--max-time", "10", url) == pod.name
        assert joined.machine.run("curl", "-sS", "--max-time", "10", url) == pod.name
