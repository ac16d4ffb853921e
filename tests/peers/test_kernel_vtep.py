"""A Linux kernel is a node of a podwire cluster, set up by what docs/interoperation.md says.

A cluster in one network namespace, the kernel's VXLAN device in another, a host behind it in a
third; the blocks of the page are run in them as they stand there.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import kernel_icmp
import netns
import pytest
import wireshark
from clusters import EXAMPLES, Home, Lab, eventually
from length import TIMES
from netns import Namespace
from pods import Pod

pytestmark = [pytest.mark.cluster, pytest.mark.xdist_group("kernel-vtep"), pytest.mark.timeout(180)]

PAGE = Path(__file__).parents[2] / "docs" / "interoperation.md"
BIN = Path(__file__).with_name("bin")
FILE = random.Random(4).randbytes(3_000_000 * TIMES)


class RemoteHome(Home):
    """A home whose commands run in a network namespace."""

    def __init__(self, directory: Path, namespace: Namespace) -> None:
        super().__init__(directory)
        self.namespace = namespace
        path = (str(Path(__file__).parent), self.environment["PYTHONPATH"])  # For peer_apps.py.
        self.environment["PYTHONPATH"] = os.pathsep.join(path)

    def run(self, words: list[str], timeout_s: float = 120) -> subprocess.CompletedProcess[str]:
        return super().run([*self.namespace.enter, *words], timeout_s)

    def typed(
        self, words: tuple[str, ...], timeout_s: float = 120
    ) -> subprocess.CompletedProcess[str]:
        return self.typed_afresh(words, timeout_s)


class KernelNode:
    """A cluster, the machine `kernel-1` that has joined it, and a host behind that."""

    def __init__(self, home: RemoteHome) -> None:
        self.cluster = home.namespace
        self.machine, self.host = Namespace(self.cluster), Namespace(self.cluster)
        for place in (self.machine, self.host):  # The cluster's own machine stays without IPv6.
            place.sysctl("net.ipv6.conf.all.disable_ipv6=0", "net.ipv6.conf.default.disable_ipv6=0")
        home.podwire("up", "--nodes", "2", "--ip-family", "dual", "--name", "peers")
        self.lab = InsideLab(home, "peers")
        self.address = self.address6 = ""

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
        assert len(blocks) == 6
        for place, script in blocks:
            done = subprocess.run(
                [*places[place].enter, "bash", "-euo", "pipefail", "-c", script],
                env=environment, capture_output=True, text=True, timeout=60, check=False,
            )  # fmt: skip
            assert done.returncode == 0, f"{script}\n{done.stderr}"
        self.address, self.address6 = (self._address("-4"), self._address("-6"))

    def _address(self, family: str) -> str:
        (shown,) = json.loads(self.host.run("ip", "-j", family, "address", "show", "dev", "eth0"))
        (found,) = (each["local"] for each in shown["addr_info"] if each["scope"] == "global")
        return str(found)

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
        said = joined.lab.podwire("ping", pod.name, joined.address, "-c", "1", check=False)
        assert " 0% packet loss" in said


@pytest.mark.asyncio
async def test_host_and_pods_ping_each_other_by_ipv6(joined, pods):
    raw_icmp6 = (socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
    for place in (joined.host, joined.machine):
        with place.socket(*raw_icmp6) as raw:
            for pod in pods:
                for size in (0, 56, 1402, 1403, 8000):
                    payload = random.Random(size).randbytes(size)
                    assert await kernel_icmp.ping6(raw, address6(pod), payload) == payload
    for pod in pods:
        said = joined.lab.podwire("ping", pod.name, joined.address6, "-c", "1", check=False)
        assert " 0% packet loss" in said
    routes = joined.machine.run("ip", "-6", "route", "show", "dev", "flannel.1")
    assert routes.count("onlink") == 2


def test_host_and_pods_fetch_from_each_other_by_ipv6(joined, pods, tmp_path):
    (tmp_path / "file").write_bytes(FILE)
    server = (sys.executable, "-m", "http.server", "8006", "--bind", "::")
    joined.host.start(*server, cwd=tmp_path)
    url = f"http://[{joined.address6}]:8006/file"
    eventually(lambda: fetch(joined.host, url, check=False) == FILE)
    for pod in pods:
        for place in (joined.host, joined.machine):
            seen = fetch(place, f"http://[{address6(pod)}]:8080/hostname")
            assert seen.decode() == pod.name
        start(joined.lab, f"six-{pod.node}", int(pod.node[-1]), "peer_apps:digest", url)
    for pod in pods:
        name = f"six-{pod.node}"
        joined.lab.kubectl("wait", "pod", name, "--for=jsonpath={.status.phase}=Succeeded")
        assert joined.lab.kubectl("logs", name).split() == [hashlib.sha256(FILE).hexdigest()]


def address6(pod: Pod) -> str:
    return str(pod.object["status"]["podIPs"][1]["ip"])


def test_the_host_fetches_from_the_endpoints_of_a_service(joined):
    slices = joined.lab.objects("endpointslices", "-l", "kubernetes.io/service-name=web")
    endpoints = [each for found in slices for each in found["endpoints"]]
    assert len(endpoints) == 6
    for endpoint in endpoints:
        url = f"http://{endpoint['addresses'][0]}:8080/hostname"
        for place in (joined.host, joined.machine):
            assert fetch(place, url).decode() == endpoint["targetRef"]["name"]


def test_the_host_exchanges_much_with_pods(joined, tmp_path):
    file = tmp_path / "file"
    file.write_bytes(FILE)
    for node in (1, 2):
        start(joined.lab, f"site-{node}", node, "python_apps:site")
    for node in (1, 2):
        joined.lab.kubectl("wait", "pod", f"site-{node}", "--for=condition=Ready")
        url = f"http://{Pod(joined.lab, f'site-{node}').address}:8080"
        assert fetch(joined.host, f"{url}/zeros/{len(FILE)}") == bytes(len(FILE))
        told = fetch(joined.host, f"{url}/digest", "--data-binary", f"@{file}")
        assert told.decode() == hashlib.sha256(FILE).hexdigest()


def test_pods_fetch_from_the_host(joined, tmp_path):
    (tmp_path / "file").write_bytes(FILE)
    joined.host.start(sys.executable, "-m", "http.server", "8000", cwd=tmp_path)
    url = f"http://{joined.address}:8000/file"
    eventually(lambda: fetch(joined.host, url, check=False) == FILE)
    for node in (1, 2):
        start(joined.lab, f"reader-{node}", node, "peer_apps:digest", url, url)
    for node in (1, 2):
        name = f"reader-{node}"
        joined.lab.kubectl("wait", "pod", name, "--for=jsonpath={.status.phase}=Succeeded")
        assert joined.lab.kubectl("logs", name).split() == [hashlib.sha256(FILE).hexdigest()] * 2


def test_the_wire_between_them_is_clean(joined, pods, tmp_path):
    if why := netns.missing("tshark"):
        pytest.skip(why)
    patient(joined)
    file = tmp_path / "wire.pcapng"
    with capturing(joined.lab, file):
        for pod in pods:
            assert fetch(joined.host, f"http://{pod.address}:8080/hostname").decode() == pod.name
            url = f"http://[{address6(pod)}]:8080/hostname"
            assert fetch(joined.host, url).decode() == pod.name
        for address in (joined.address, joined.address6):
            said = joined.lab.podwire("ping", pods[0].name, address, "-c", "1")
            assert " 0% packet loss" in said
    both = "vxlan && ip.addr == 192.168.64.77 && ip.addr == 192.168.64."
    for node in (1, 2):
        assert wireshark.tshark(file, "-Y", f"{both}{node} && tcp"), f"node-{node}"
    assert wireshark.tshark(file, "-Y", f"{both}1 && icmp")
    assert wireshark.tshark(file, "-Y", f"{both}1 && icmpv6")
    assert wireshark.findings(file) == []


def fetch(place: Namespace, url: str, *options: str, check: bool = True) -> bytes:
    command = [*place.enter, "curl", "-sS", "--max-time", "20", *options, url]
    return subprocess.run(command, capture_output=True, check=check, timeout=30).stdout


def start(lab: Lab, name: str, node: int, target: str, *args: str) -> None:
    """Start a pod that runs a Python program."""
    container = {"name": "main", "image": f"python://{target}", "args": list(args)}
    spec = {
        "nodeName": f"node-{node}",
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": 1,
        "containers": [container],
    }
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}
    lab.kubectl("apply", "-f", "-", stdin=json.dumps(pod))


def patient(joined: KernelNode) -> None:
    """Let the host's kernel not take a busy machine for a lossy wire."""
    joined.host.sysctl("net.ipv4.tcp_early_retrans=0")
    gateway = joined.address.rsplit(".", 1)[0] + ".1"
    joined.host.ip(f"route change default via {gateway} rto_min 5s")


@contextlib.contextmanager
def capturing(lab: Lab, file: Path) -> Iterator[None]:
    """Capture what crosses the wire between the nodes."""
    command = [sys.executable, "-m", "podwire", "capture", "--name", lab.name, "-w", str(file)]
    with subprocess.Popen(
        command, env=lab.environment, stderr=subprocess.PIPE, text=True
    ) as capture:
        assert capture.stderr is not None
        assert "Ctrl-C" in capture.stderr.readline()
        yield
        capture.send_signal(signal.SIGINT)
        assert "dropped" not in capture.stderr.read()
    assert capture.returncode == 0
