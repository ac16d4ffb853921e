"""kube-proxy's promises, kept between real pods: who is reached, by whom, and what is said else."""

from __future__ import annotations

import collections
import http.client
import json
import re
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from clusters import Lab
from pods import Pod

pytestmark = [pytest.mark.cluster, pytest.mark.xdist_group("services")]

HTTP, UDP, LOCAL, EMPTY_UDP, ROLLING = 30180, 30181, 30182, 30183, 30184


def _pod(name: str, node: int, labels: dict[str, str], *args: str) -> dict[str, Any]:
    container = {
        "name": "netexec",
        "image": "registry.k8s.io/e2e-test-images/agnhost:2.53",
        "args": ["netexec", *args],
        "ports": [
            {"name": "http", "containerPort": 8080},
            {"name": "udp", "containerPort": 8081, "protocol": "UDP"},
        ],
        "readinessProbe": {"httpGet": {"path": "/healthz", "port": "http"}, "periodSeconds": 1},
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": labels},
        "spec": {
            "nodeName": f"node-{node}",
            "containers": [container],
            "terminationGracePeriodSeconds": 1,
        },
    }


def _service(name: str, selector: dict[str, str], *ports: dict[str, Any], **spec: Any) -> Any:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name},
        "spec": {"selector": selector, "ports": list(ports), **spec},
    }


def _stream(manifests: list[dict[str, Any]]) -> str:
    return "\n".join(json.dumps(manifest) for manifest in manifests)


_TCP_PORT = {"name": "http", "port": 80, "targetPort": "http"}
_UDP_PORT = {"name": "udp", "port": 80, "targetPort": "udp", "protocol": "UDP"}
_MANIFESTS = [
    *(_pod(f"server-{n}", n, {"app": "server", "at": f"node-{n}"}) for n in (1, 2, 3)),
    _pod("client", 1, {"app": "client"}),
    _pod("neighbour", 1, {"app": "neighbour"}),
    _service(
        "server",
        {"app": "server"},
        _TCP_PORT | {"nodePort": HTTP},
        _UDP_PORT | {"nodePort": UDP},
        type="NodePort",
    ),
    _service("sticky", {"app": "server"}, _TCP_PORT, sessionAffinity="ClientIP"),
    _service("mirror", {"app": "client"}, _TCP_PORT, _UDP_PORT),
    _service("headless", {"app": "server"}, _TCP_PORT, clusterIP="None"),
    _service(
        "local",
        {"at": "node-1"},
        _TCP_PORT | {"nodePort": LOCAL},
        type="NodePort",
        externalTrafficPolicy="Local",
    ),
    _service(
        "empty",
        {"app": "nobody"},
        _TCP_PORT,
        _UDP_PORT | {"nodePort": EMPTY_UDP},
        type="NodePort",
    ),
]


@pytest.fixture(scope="module")
def servers(lab: Lab) -> Lab:
    """A server on each node, a client on node-1, and Services of every kind."""
    lab.apply(_stream(_MANIFESTS))
    lab.kubectl("wait", "pod", "--all", "--for=condition=Ready", "--timeout=60s")
    for node in ("node-1", "node-2", "node-3"):
        lab.eventually(lambda node=node: _backends(lab, node, "default/server:http") == 3)
        lab.eventually(lambda node=node: _backends(lab, node, "default/mirror:http") == 1)
        lab.eventually(lambda node=node: "default/empty" in lab.podwire(f"services {node}"))
    return lab


@pytest.fixture(scope="module")
def client(servers: Lab) -> Pod:
    return Pod(servers, "client")


def _backends(lab: Lab, node: str, service: str) -> int:
    rows = json.loads(lab.podwire(f"services {node}", "-o", "json"))
    found = [row for row in rows if row["service"] == service]
    return len(found[0]["backends"]) if found else -1


def cluster_ip(lab: Lab, name: str) -> str:
    address: str = lab.objects("service", name)[0]["spec"]["clusterIP"]
    return address


def address_of(text: str) -> str:
    """Return the address in what netexec's `clientip` says."""
    return text.rpartition(":")[0]


def test_a_cluster_ip_reaches_every_endpoint_by_named_ports(servers: Lab, client: Pod) -> None:
    address = cluster_ip(servers, "server")
    for options in ({}, {"protocol": "udp"}):
        answers = client.dial(address, 80, request="hostname", tries=45, **options)
        assert set(answers["responses"]) == {"server-1", "server-2", "server-3"}
        assert "errors" not in answers


@pytest.mark.parametrize("target", ["neighbour", "server-1", "server-2"])
def test_pods_reach_each_other_untranslated(servers: Lab, client: Pod, target: str) -> None:
    address = Pod(servers, target).address
    assert address_of(client.get(f"http://{address}:8080/clientip")) == client.address
    seen = client.dial(address, 8081, request="clientip", protocol="udp")["responses"]
    assert [address_of(each) for each in seen] == [client.address]


def test_a_cluster_ip_keeps_the_source_of_pods(servers: Lab, client: Pod) -> None:
    answers = client.dial(cluster_ip(servers, "server"), 80, request="clientip", tries=20)
    assert {address_of(each) for each in answers["responses"]} == {client.address}


def test_affinity_keeps_a_client_with_its_endpoint(servers: Lab, client: Pod) -> None:
    answers = client.dial(cluster_ip(servers, "sticky"), 80, request="hostname", tries=30)
    assert len(answers["responses"]) == 30
    assert len(set(answers["responses"])) == 1


def test_a_pod_reaches_itself_through_its_service(servers: Lab, client: Pod) -> None:
    address = cluster_ip(servers, "mirror")
    for options in ({}, {"protocol": "udp"}):
        answers = client.dial(address, 80, request="clientip", **options)
        (seen,) = answers["responses"]
        gateway = client.address.rsplit(".", 1)[0] + ".1"
        assert address_of(seen) == gateway, "a hairpin is masqueraded"


def test_without_endpoints_a_pod_is_refused_at_once(servers: Lab, client: Pod) -> None:
    address = cluster_ip(servers, "empty")
    began = time.monotonic()
    refused = client.run("/agnhost", "connect", "--timeout=4s", f"{address}:80")
    assert refused.status == 1
    assert "REFUSED" in refused.output + refused.complaints
    answers = client.dial(address, 80, request="hostname", protocol="udp")
    assert "refused" in answers["errors"][0].lower()
    assert time.monotonic() - began < 3


def test_a_pod_reaches_the_node_port_of_any_node(servers: Lab, client: Pod) -> None:
    for node in (1, 2, 3):
        answers = client.dial(f"192.168.64.{node}", HTTP, request="hostname", tries=12)
        assert len(answers.get("responses", [])) == 12, answers
        assert set(answers["responses"]) <= {"server-1", "server-2", "server-3"}


def test_a_udp_node_port_answers_programs_of_this_machine(servers: Lab) -> None:
    seen: collections.Counter[str] = collections.Counter()
    for node in (1, 2, 3):
        for _ in range(10):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
                sock.settimeout(5)
                sock.connect((servers.cluster.transport_address(node), UDP))
                sock.send(b"hostname")
                seen[sock.recv(100).decode()] += 1
    assert set(seen) == {"server-1", "server-2", "server-3"}


def test_traffic_from_outside_is_masqueraded(servers: Lab) -> None:
    seen = {address_of(servers.fetch(2, HTTP, "/clientip")) for _ in range(20)}
    # Of node-2, by the device that leads to the endpoint.
    assert all(re.fullmatch(r"10\.244\.\d+\.[01]|192\.168\.64\.2", each) for each in seen), seen


def test_a_headless_service_has_no_frontend(servers: Lab) -> None:
    for node in ("node-1", "node-2", "node-3"):
        assert "default/headless" not in servers.podwire(f"services {node}")


def test_policy_local_serves_where_there_is_an_endpoint(servers: Lab) -> None:
    assert address_of(servers.fetch(1, LOCAL, "/clientip")) == "192.168.64.254"
    with pytest.raises(OSError, match="timed out"):
        servers.fetch(2, LOCAL, timeout_s=1)


def test_connections_outlive_the_end_of_other_endpoints(servers: Lab) -> None:
    connection = http.client.HTTPConnection(servers.cluster.transport_address(3), HTTP, timeout=5)
    connection.request("GET", "/hostname")
    mine = connection.getresponse().read().decode()
    gone = next(name for name in ("server-1", "server-2", "server-3") if name != mine)
    servers.kubectl("label", "pod", gone, "app-", "--overwrite")
    try:
        for node in ("node-1", "node-2", "node-3"):
            servers.eventually(
                lambda node=node: _backends(servers, node, "default/server:http") == 2
            )
        assert gone not in {servers.fetch(n, HTTP, "/hostname") for n in (1, 2, 3) * 15}
        connection.request("GET", "/hostname")
        assert connection.getresponse().read().decode() == mine
    finally:
        connection.close()
        servers.kubectl("label", "pod", gone, "app=server", "--overwrite")
    servers.eventually(lambda: _backends(servers, "node-1", "default/server:http") == 3)


def test_a_udp_flow_moves_on_when_its_endpoint_goes(servers: Lab) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(1)
        sock.connect((servers.cluster.transport_address(1), UDP))

        def ask() -> str:
            sock.send(b"hostname")
            return sock.recv(100).decode()

        first = ask()
        assert {ask() for _ in range(5)} == {first}, "a flow stays with its endpoint"
        servers.kubectl("label", "pod", first, "app-", "--overwrite")
        try:
            servers.eventually(lambda: ask() != first, within_s=10)
        finally:
            servers.kubectl("label", "pod", first, "app=server", "--overwrite")
    servers.eventually(lambda: _backends(servers, "node-1", "default/server:udp") == 3)


def test_a_rolling_update_loses_no_request(servers: Lab, tmp_path: Path) -> None:
    """Pods that go on serving for a while after SIGTERM end without anybody noticing."""
    pod = _pod("unused", 1, {"app": "rolling"}, "--delay-shutdown=2")
    template = {"metadata": {"labels": {"app": "rolling"}}, "spec": pod["spec"]}
    del template["spec"]["nodeName"]
    template["spec"]["terminationGracePeriodSeconds"] = 10
    rolling = {"replicas": 3, "selector": {"matchLabels": {"app": "rolling"}}}
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "rolling"},
        "spec": rolling | {"template": template},
    }
    service = _service(
        "rolling", {"app": "rolling"}, _TCP_PORT | {"nodePort": ROLLING}, type="NodePort"
    )
    servers.apply(_stream([deployment, service]))
    servers.kubectl("rollout", "status", "deployment/rolling", "--timeout=60s")
    servers.eventually(lambda: _backends(servers, "node-1", "default/rolling:http") == 3)
    command = [
        sys.executable, "-m", "loadgen", "run", servers.url(1, ROLLING, "/hostname"),
        "--rate", "50", "--duration", "14s", "--fresh", "-o", "json", "--allow-invalid",
        "-w", str(result := tmp_path / "result.jsonl"),
    ]  # fmt: skip
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as load:
        servers.eventually(lambda: result.exists() and b'"second"' in result.read_bytes())
        servers.kubectl(
            "patch", "deployment", "rolling", "-p",
            '{"spec":{"template":{"metadata":{"annotations":{"version":"2"}}}}}',
        )  # fmt: skip
        servers.kubectl("rollout", "status", "deployment/rolling", "--timeout=60s")
        output, complaints = load.communicate(timeout=60)
    report = json.loads(output)
    assert load.returncode == 0, complaints
    assert report["failed"] == 0, report["errors"]
    assert report["sent"] > 500
    assert len(report["backends"]) >= 4, "old and new pods have answered"
