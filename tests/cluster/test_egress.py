"""The world outside, as pods reach it: services of this machine, and who these see asking."""

from __future__ import annotations

import asyncio
import http.server
import json
import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from clusters import Home, Lab, eventually
from pods import Pod

from componentbase import rpc

pytestmark = [pytest.mark.cluster, pytest.mark.xdist_group("egress")]

_NOT_THERE = "can't connect to remote host"  # At once: the sender heard that nobody is there.


class Site(http.server.BaseHTTPRequestHandler):
    """Says who asks."""

    def do_GET(self) -> None:
        body = self.client_address[0].encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_words: Any) -> None:
        """Say nothing."""


class Clock(socketserver.BaseRequestHandler):
    """Answers datagrams with who asks."""

    def handle(self) -> None:
        self.request[1].sendto(self.client_address[0].encode(), self.client_address)


def _serving(stack: ExitStack, server: socketserver.BaseServer) -> int:
    threading.Thread(target=server.serve_forever, daemon=True).start()
    stack.callback(server.server_close)
    stack.callback(server.shutdown)
    port: int = server.server_address[1]  # type: ignore[index]
    return port


@pytest.fixture(scope="module")
def ports() -> Iterator[tuple[int, int]]:
    """A site and a clock on this machine's loopback."""
    with ExitStack() as stack:
        site = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Site)
        clock = socketserver.UDPServer(("127.0.0.1", 0), Clock)
        yield _serving(stack, site), _serving(stack, clock)


def _pod(name: str, node: int, namespace: str = "default") -> dict[str, Any]:
    container = {
        "name": "netexec",
        "image": "registry.k8s.io/e2e-test-images/agnhost:2.53",
        "args": ["netexec"],
    }
    tools = {"name": "tools", "image": "busybox", "command": ["sleep", "600"]}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "labels": {"app": name}},
        "spec": {"nodeName": f"node-{node}", "containers": [container, tools]},
    }


def _ask(lab: Lab, pod: str, url: str, *where: str) -> str:
    asking = Pod(lab, pod, *where)
    done = asking.run("wget", "-q", "-O", "-", "-T", "1", url, container="tools")
    return done.output or done.complaints.strip()


def _counters(lab: Lab, node: str) -> Any:
    async def ask() -> Any:
        client = await rpc.Client.connect(lab.paths.node(node) / "netlink.sock")
        try:
            return await client.call("counters")
        finally:
            await client.close()

    return asyncio.run(ask())


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory, ports: tuple[int, int]) -> Iterator[Lab]:
    home = Home(tmp_path_factory.mktemp("egress"))
    site, clock = ports
    home.podwire("up", "--name", "egress", "--nodes", "2", "--dns-replicas", "1",
                 "--outside", f"site:80=127.0.0.1:{site}",
                 "--outside", f"clock:37=127.0.0.1:{clock}/udp")  # fmt: skip
    made = Lab(home, "egress")
    partner: dict[str, Any] = {"apiVersion": "v1", "kind": "Namespace", "metadata": {}}
    partner["metadata"] = {"name": "partner"}
    pods = [_pod("asker-1", 1), _pod("asker-2", 2), _pod("caller", 1, "partner")]
    made.apply("\n".join(map(json.dumps, [partner, *pods])))
    made.kubectl("-n", "kube-system", "rollout", "status", "deploy/coredns", "--timeout=60s")
    made.kubectl("wait", "pod", "--all", "-A", "--for=condition=Ready", "--timeout=60s")
    yield made
    home.stop_all()


def test_pods_reach_a_service_of_the_machine_as_their_node(lab: Lab) -> None:
    for node in (1, 2):
        carrier = lab.cluster.transport_address(node)
        for host in ("site", "site.outside", "203.0.113.1"):
            assert _ask(lab, f"asker-{node}", f"http://{host}/") == carrier, host
    rows = lab.podwire("conntrack node-1", "-o", "json")
    flows = [row for row in json.loads(rows) if row["original"]["destination"] == "203.0.113.1"]
    assert {row["reply"]["destination"] for row in flows} == {"192.168.64.1"}


def test_datagrams_reach_it_too(lab: Lab) -> None:
    answer = Pod(lab, "asker-1").dial(
        "clock.outside", 37, request="hostname", protocol="udp", tries=1
    )
    assert answer == {"responses": [lab.cluster.transport_address(1)]}


def test_nothing_else_is_outside(lab: Lab) -> None:
    def without_route() -> int:
        drops: dict[str, int] = _counters(lab, "node-1")["drops"]
        return drops.get("ip-outnoroutes", 0)

    before = without_route()
    assert _NOT_THERE in _ask(lab, "asker-1", "http://203.0.113.99/")
    assert without_route() > before
    assert _NOT_THERE in _ask(lab, "asker-1", "http://203.0.113.1:81/")
    assert _NOT_THERE in _ask(lab, "asker-1", "http://192.168.64.254:80/")


def test_services_come_and_go_while_the_cluster_runs(lab: Lab, ports: tuple[int, int]) -> None:
    said = lab.podwire("outside add", f"late:80=127.0.0.1:{ports[0]}")
    assert said == "late is 203.0.113.3 port 80/TCP\n"
    carrier = lab.cluster.transport_address(1)
    assert _ask(lab, "asker-1", "http://203.0.113.3/") == carrier
    listed = json.loads(lab.podwire("outside list", "-o", "json"))
    assert [row["name"] for row in listed] == ["site", "clock", "late"]
    lab.podwire("process kill node-1/datapath")
    lab.podwire("process start node-1/datapath")
    eventually(lambda: _ask(lab, "asker-1", "http://203.0.113.3/") == carrier)
    lab.podwire("outside rm late")
    assert _NOT_THERE in _ask(lab, "asker-1", "http://203.0.113.3/")
    (config,) = lab.objects("-n", "kube-system", "configmap", "coredns")
    assert "late" not in config["data"]["Corefile"]
    assert "site.outside" in config["data"]["Corefile"]
    assert "is mapped nowhere" in lab.home.refused("outside", "rm", "late", "--name", lab.name)


def test_policies_choose_addresses_outside(lab: Lab) -> None:
    """Whitelist and blacklist: an ipBlock, and what it excepts."""
    blocks = {"cidr": "203.0.113.0/24", "except": ["203.0.113.1/32"]}
    policy = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "outside"},
        "spec": {
            "podSelector": {"matchLabels": {"app": "asker-2"}},
            "policyTypes": ["Egress"],
            "egress": [{"to": [{"ipBlock": blocks}]}],
        },
    }

    def asks() -> str:
        return _ask(lab, "asker-2", "http://203.0.113.1/")

    carrier = lab.cluster.transport_address(2)
    assert asks() == carrier
    lab.apply(json.dumps(policy))
    eventually(lambda: "timed out" in asks())
    answer = Pod(lab, "asker-2").dial("203.0.113.2", 37, request="x", protocol="udp", tries=1)
    assert answer == {"responses": [carrier]}  # Not excepted.
    blocks["except"] = ["203.0.113.2/32"]
    lab.apply(json.dumps(policy))
    eventually(lambda: asks() == carrier)


def test_a_namespace_has_an_address_of_its_own_outside(lab: Lab) -> None:
    """Its pods leave by the gateway node, wherever that is."""
    fixed, site = f"127.0.{lab.cluster.block}.220", "http://203.0.113.1/"

    def asks() -> str:
        return _ask(lab, "caller", site, "partner")

    assert asks() == lab.cluster.transport_address(1)
    annotate = ("annotate", "namespace", "partner", "podwire.io/egress-ip=192.168.64.220")
    lab.kubectl(*annotate, "podwire.io/egress-node-selector=egress=here")
    eventually(lambda: _NOT_THERE in asks(), what="without a gateway nothing leaves")
    lab.kubectl("label", "node", "node-2", "egress=here")
    eventually(lambda: asks() == fixed, what="by node-2")
    lab.kubectl("label", "node", "node-2", "egress-")
    lab.kubectl("label", "node", "node-1", "egress=here")
    eventually(lambda: asks() == fixed, what="by node-1")
    assert _ask(lab, "asker-1", site) == lab.cluster.transport_address(1)
    lab.kubectl("annotate", "namespace", "partner", "podwire.io/egress-ip-")
    eventually(lambda: asks() == lab.cluster.transport_address(1))


def test_a_port_of_the_host_is_none_unless_somebody_says_so(
    lab: Lab, ports: tuple[int, int]
) -> None:
    with socket.create_connection(("127.0.0.1", ports[0])):
        assert _NOT_THERE in _ask(lab, "asker-1", f"http://192.168.64.254:{ports[0]}/")
