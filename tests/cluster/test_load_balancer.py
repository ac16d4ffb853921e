"""Load balancers and host ports of a real cluster, reached from this machine."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from http.client import HTTPConnection
from typing import Any

import pytest
from clusters import Lab
from pods import Pod

from nodeagent.datapath.privileged_ports import listened_for_at

pytestmark = [pytest.mark.cluster, pytest.mark.xdist_group("load-balancer")]

HTTP, HOST_PORT, NODES_PORT = listened_for_at(80), 8088, 8090


def _pod(name: str, node: int, **labels: str) -> dict[str, Any]:
    container = {
        "name": "netexec",
        "image": "registry.k8s.io/e2e-test-images/agnhost:2.53",
        "args": ["netexec"],
        "ports": [{"containerPort": 8080, "hostPort": HOST_PORT}],
        "readinessProbe": {"httpGet": {"path": "/healthz", "port": 8080}, "periodSeconds": 1},
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"app": "server", **labels}},
        "spec": {"nodeName": f"node-{node}", "containers": [container]},
    }


def _balancer(name: str, **spec: Any) -> dict[str, Any]:
    ports = [{"port": 80, "targetPort": 8080}]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name},
        "spec": {
            "type": "LoadBalancer",
            "selector": {"app": "server"},
            "ports": ports,
            **spec,
        },
    }


def _in_the_nodes_network(name: str) -> dict[str, Any]:
    made = _pod(name, 2)
    (container,) = made["spec"]["containers"]
    container["args"] = ["netexec", f"--http-port={NODES_PORT}", "--udp-port=-1"]
    container["ports"] = [{"containerPort": NODES_PORT}]
    container["readinessProbe"]["httpGet"]["port"] = NODES_PORT
    made["metadata"]["labels"] = {"app": "host"}
    made["spec"]["hostNetwork"] = True
    return made


MANIFESTS = [
    _in_the_nodes_network("host"),
    _balancer("host", ports=[{"port": 80, "targetPort": NODES_PORT}], selector={"app": "host"}),
    *(_pod(f"server-{node}", node, at=f"node-{node}") for node in (1, 2, 3)),
    _balancer("web"),
    _balancer("local", externalTrafficPolicy="Local", selector={"at": "node-2"}),
]


def _addresses(lab: Lab, name: str) -> list[str]:
    (service,) = lab.objects("service", name)
    ingress = service["status"]["loadBalancer"].get("ingress") or ()
    return [each["ip"] for each in ingress]


def _machine(lab: Lab, name: str) -> str:
    """Return the address that this machine dials."""
    found: str = lab.eventually(lambda: _addresses(lab, name))[-1]
    return found


def _client(lab: Lab, number: int) -> str:
    return f"127.0.{63 + lab.cluster.block}.{number}"


def fetch(address: str, path: str, port: int = HTTP, source: str = "", timeout_s: float = 5) -> str:
    """GET over a connection of its own, from an address of its own."""
    connection = HTTPConnection(
        address, port, timeout=timeout_s, source_address=(source, 0) if source else None
    )
    try:
        connection.request("GET", path)
        return connection.getresponse().read().decode()
    finally:
        connection.close()


@pytest.fixture(scope="module")
def servers(lab: Lab) -> Lab:
    lab.apply("\n".join(json.dumps(each) for each in MANIFESTS))
    lab.kubectl("wait", "pod", "--all", "--for=condition=Ready", "--timeout=60s")
    return lab


def _who(address: str, path: str, port: int = HTTP, source: str = "") -> Callable[[], str]:
    return lambda: fetch(address, path, port, source).rpartition(":")[0]


def test_a_balancer_answers_this_machine_from_every_node(servers: Lab) -> None:
    inside, address = servers.eventually(lambda: _addresses(servers, "web"))
    assert inside.replace("192.168.65.", "") == address.rsplit(".", 1)[1]
    row = servers.kubectl("get", "service", "web").splitlines()[1].split()
    assert row[3] == f"{address},{inside}"
    seen: set[str] = set()

    def all_seen() -> bool:
        seen.add(fetch(address, "/hostname"))
        return seen == {"server-1", "server-2", "server-3"}

    servers.eventually(all_seen)
    masqueraded = fetch(address, "/clientip")
    assert masqueraded.startswith("10.244.")  # Policy Cluster: the node that let us in.
    events = servers.kubectl("get", "events", "-o", "custom-columns=R:.reason")
    assert {"EnsuringLoadBalancer", "EnsuredLoadBalancer"} <= set(events.split())


def test_policy_local_shows_who_asks_and_ranges_choose(servers: Lab) -> None:
    address, other = _machine(servers, "local"), _client(servers, 200)
    servers.eventually(lambda: fetch(address, "/hostname") == "server-2")
    assert {fetch(address, "/hostname") for _ in range(10)} == {"server-2"}
    assert _who(address, "/clientip")() == "192.168.64.254"
    assert _who(address, "/clientip", source=other)() == "192.168.65.200"
    ranges = {"spec": {"loadBalancerSourceRanges": ["192.168.65.200/32"]}}
    servers.kubectl("patch", "service", "local", "-p", json.dumps(ranges))

    def shut() -> bool:
        try:
            fetch(address, "/hostname", timeout_s=0.3)
        except TimeoutError:
            return True
        return False

    servers.eventually(shut)
    assert fetch(address, "/hostname", source=other) == "server-2"


def test_host_ports_are_each_nodes_own(servers: Lab) -> None:
    for node in (1, 2, 3):
        transport = servers.cluster.transport_address(node)
        assert fetch(transport, "/hostname", HOST_PORT) == f"server-{node}"
    assert _who(servers.cluster.transport_address(1), "/clientip", HOST_PORT)() == "192.168.64.254"


def test_a_pod_in_its_nodes_network_is_reached_as_the_node(servers: Lab) -> None:
    (pod,) = servers.objects("pod", "host")
    assert pod["status"]["podIP"] == pod["status"]["hostIP"] == "192.168.64.2"
    assert fetch(servers.cluster.transport_address(2), "/hostname", NODES_PORT) == "node-2"
    assert fetch(_machine(servers, "host"), "/hostname") == "node-2"
    asks = Pod(servers, "server-1").get(f"http://192.168.64.2:{NODES_PORT}/clientip")
    assert asks.startswith("192.168.64.1:")  # A pod of another node: as its node.
    servers.apply(json.dumps(_in_the_nodes_network("second")))
    text = "address already in use"
    servers.eventually(lambda: text in servers.kubectl("logs", "second", check=False))


def test_a_killed_nodes_share_goes_to_the_others(servers: Lab) -> None:
    address = _machine(servers, "web")
    servers.podwire("node kill node-3")

    def left(node: int) -> bool:
        """Its endpoint stays until the dead node's grace has passed."""
        rows = json.loads(servers.podwire(f"services node-{node}", "-o", "json"))
        ends = [row["backends"] for row in rows if row["service"] == "default/web"]
        return bool(ends) and all(len(each) == 2 for each in ends)

    servers.eventually(lambda: left(1) and left(2))
    assert {fetch(address, "/hostname") for _ in range(12)} == {"server-1", "server-2"}
    servers.podwire("node start node-3")


def test_a_deleted_service_gives_its_address_back(servers: Lab) -> None:
    inside, address = servers.eventually(lambda: _addresses(servers, "web"))
    servers.kubectl("delete", "service", "web", "--timeout=20s")

    def closed() -> bool:
        with socket.socket() as probe:
            return probe.connect_ex((address, HTTP)) != 0

    servers.eventually(closed)
    servers.apply(json.dumps(_balancer("again", loadBalancerIP=inside)))
    assert servers.eventually(lambda: _addresses(servers, "again")) == [inside, address]
    servers.eventually(lambda: fetch(address, "/hostname"))
