"""Clusters of two families, and of IPv6 alone: pods, Services, NodePorts, the API, a dead node.

The machine has no IPv6 meanwhile, as far as the cluster's processes can tell (`without_ipv6.py`).
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import pytest
from clusters import Home, Lab, eventually
from pods import Pod

from podwire.cluster.families import underlay6

pytestmark = [pytest.mark.cluster, pytest.mark.xdist_group("dual-stack")]

PREFER, SECOND = 30190, 30191


class MachineWithoutIpv6(Home):
    """A home whose commands, and all that they start, cannot have a socket of IPv6."""

    def run(self, words: list[str], timeout_s: float = 120) -> subprocess.CompletedProcess[str]:
        wrapper = str(Path(__file__).with_name("without_ipv6.py"))
        return super().run([sys.executable, wrapper, *words], timeout_s)


def _pod(name: str, node: int) -> dict[str, Any]:
    fields = ("status.podIPs", "status.hostIPs", "status.podIP")
    container = {
        "name": "netexec",
        "image": "registry.k8s.io/e2e-test-images/agnhost:2.53",
        "args": ["netexec"],
        "ports": [{"name": "http", "containerPort": 8080}],
        "readinessProbe": {"httpGet": {"path": "/healthz", "port": "http"}, "periodSeconds": 1},
        "env": [
            {"name": path.partition(".")[2], "valueFrom": {"fieldRef": {"fieldPath": path}}}
            for path in fields
        ],
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"app": "netexec", "name": name}},
        "spec": {
            "nodeName": f"node-{node}",
            "containers": [container],
            "terminationGracePeriodSeconds": 1,
        },
    }


def _asker(ca: str) -> dict[str, Any]:
    """Return a pod that asks the API server, and believes only who has its address."""
    container = {
        "name": "main",
        "image": "python://python_apps:ask_api_server",
        "env": [{"name": "CA", "value": ca}],
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "asker"},
        "spec": {"nodeName": "node-2", "restartPolicy": "Never", "containers": [container]},
    }


def _service(name: str, *, node_port: int = 0, **spec: Any) -> dict[str, Any]:
    port = {"port": 80, "targetPort": "http"} | ({"nodePort": node_port} if node_port else {})
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name},
        "spec": {
            "selector": {"app": "netexec"},
            "ports": [port],
            "type": "NodePort" if node_port else "ClusterIP",
            **spec,
        },
    }


SERVICES = [
    _service("single"),
    _service("prefer", ipFamilyPolicy="PreferDualStack", node_port=PREFER),
    _service("second", ipFamilies=["IPv6"], node_port=SECOND),
]
REQUIRE = _service("require", ipFamilyPolicy="RequireDualStack")
#: The families of each Service, by the cluster's.
FAMILIES = {
    "dual": {"single": [4], "prefer": [4, 6], "second": [6], "require": [4, 6]},
    "ipv6": {"single": [6], "prefer": [6], "second": [6]},
}


def _apply(lab: Lab, *manifests: dict[str, Any]) -> None:
    lab.apply("\n".join(json.dumps(each) for each in manifests))


@pytest.fixture(scope="module", params=["dual", "ipv6"])
def lab(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    home = MachineWithoutIpv6(tmp_path_factory.mktemp(request.param))
    probe = "import socket; socket.socket(socket.AF_INET6)"
    denied = home.run([sys.executable, "-c", probe]).stderr
    if "seccomp" in denied:
        pytest.skip("no seccomp filters here")
    assert "Address family not supported" in denied
    home.podwire("up", "--ip-family", request.param, "--nodes", "2", "--name", request.param)
    made = Lab(home, request.param)
    try:
        require = [REQUIRE] if made.name == "dual" else []
        ca = made.paths.certificate("ca").read_text()
        _apply(made, _pod("one", 1), _pod("two", 2), *SERVICES, *require, _asker(ca))
        made.kubectl("wait", "pod", "one", "two", "--for=condition=Ready", "--timeout=30s")
        yield made
    finally:
        home.stop_all()


def versions(addresses: list[str]) -> list[int]:
    return [ip_address(address).version for address in addresses]


def addresses_of(pod: Pod) -> list[str]:
    return [each["ip"] for each in pod.object["status"]["podIPs"]]


def host_in_url(address: str) -> str:
    return f"[{address}]" if ":" in address else address


def test_objects_have_the_addresses_of_the_clusters_families(lab: Lab) -> None:
    families = list(lab.cluster.families)
    for number, node in enumerate(lab.objects("nodes"), 1):
        found = [a["address"] for a in node["status"]["addresses"] if a["type"] == "InternalIP"]
        assert found == lab.cluster.host_addresses(number)
        assert [ip_network(text).version for text in node["spec"]["podCIDRs"]] == families
    pod = Pod(lab, "one")
    status = pod.object["status"]
    assert versions(addresses_of(pod)) == families
    assert [each["ip"] for each in status["hostIPs"]] == lab.cluster.host_addresses(1)
    told = dict(line.split("=", 1) for line in pod.run("env").output.splitlines() if "=" in line)
    assert told["podIP"] == status["podIP"]
    assert told["podIPs"].split(",") == addresses_of(pod)
    assert told["hostIPs"].split(",") == lab.cluster.host_addresses(1)
    assert told["KUBERNETES_SERVICE_HOST"] in ("10.96.0.1", "fd00:10:96::1")
    assert ("fd00" in told["KUBERNETES_SERVICE_HOST"]) is (families == [6])
    shown = lab.kubectl("get", "pods", "one", "-o", "wide")
    assert status["podIP"] in shown


def test_pods_meet_across_nodes_by_every_address(lab: Lab) -> None:
    one, two = Pod(lab, "one"), Pod(lab, "two")
    for target in addresses_of(two):
        assert "2 packets received" in one.run("ping", "-c", "2", "-i", "0.1", target).output
        seen = one.get(f"http://{host_in_url(target)}:8080/clientip")
        own = next(a for a in addresses_of(one) if versions([a]) == versions([target]))
        assert seen.rpartition(":")[0] == host_in_url(own), "no address is translated"
        answered = one.dial(target, 8081, protocol="udp", request="hostname")
        assert answered == {"responses": ["two"]}
    assert "0% packet loss" in lab.podwire("ping -6 -c 1", "node-1", "node-2")
    assert "0% packet loss" in lab.podwire("ping -6 -c 1", "one", "two")


def test_services_are_of_the_families_that_their_policy_says(lab: Lab) -> None:
    pods = [Pod(lab, "one"), Pod(lab, "two")]
    for name, families in FAMILIES[lab.name].items():
        (service,) = lab.objects("service", name)
        cluster_ips = service["spec"]["clusterIPs"]
        assert versions(cluster_ips) == families, name
        for address in cluster_ips:
            for pod in pods:
                url = f"http://{host_in_url(address)}/hostname"
                reached = {pod.get(url) for _ in range(12)}
                assert reached == {"one", "two"}, f"{name} by {address} from {pod.name}"
    if lab.name == "ipv6":
        refused = lab.kubectl("apply", "-f", "-", stdin=json.dumps(REQUIRE), check=False)
        assert "dual-stack" in refused


def test_node_ports_answer_this_machine_by_ipv4_whatever_the_family(lab: Lab) -> None:
    for port in (PREFER, SECOND):
        for node in (1, 2):
            reached = eventually(lambda node=node, port=port: _reached(lab, node, port))
            assert reached == {"one", "two"}
    networks = [lab.cluster.underlay, underlay6(lab.cluster.underlay)]
    networks += lab.cluster.cluster_cidr.split(",")
    for port, version in ((PREFER, lab.cluster.families[0]), (SECOND, 6)):
        seen = ip_address(lab.fetch(1, port, "/clientip").rpartition(":")[0].strip("[]"))
        assert seen.version == version
        assert any(seen in ip_network(each) for each in networks), "masqueraded by the node"


def _reached(lab: Lab, node: int, port: int) -> set[str] | None:
    found = {lab.fetch(node, port, "/hostname") for _ in range(12)}
    return found if len(found) == 2 else None


def test_the_api_is_reached_from_pods_and_pods_logs_by_the_api(lab: Lab) -> None:
    words = ("wait", "pod", "asker", "--for=jsonpath={.status.phase}=Succeeded", "--timeout=30s")
    lab.kubectl(*words)
    assert lab.kubectl("logs", "asker").split()[1] in ("401", "403")
    assert "Started HTTP server" in lab.kubectl("logs", "one")


def test_a_node_that_was_killed_comes_back_with_all_families(lab: Lab) -> None:
    lab.podwire("node kill", "node-2")
    lab.podwire("node start", "node-2")

    def is_back() -> bool:
        (pod,) = lab.objects("pod", "two")
        status = pod["status"]
        conditions = {each["type"]: each["status"] for each in status["conditions"]}
        return status["containerStatuses"][0]["restartCount"] > 0 and conditions["Ready"] == "True"

    eventually(is_back, what="the pod runs again")
    one, two = Pod(lab, "one"), Pod(lab, "two")
    assert versions(addresses_of(two)) == list(lab.cluster.families)
    for target in addresses_of(two):
        url = f"http://{host_in_url(target)}:8080/hostname"
        eventually(lambda url=url: one.get(url) == "two", what=f"{url} answers")
        own = addresses_of(one)[-1]
        assert two.get(f"http://{host_in_url(own)}:8080/hostname") == "one"
    assert eventually(lambda: _reached(lab, 1, PREFER)) == {"one", "two"}


def test_the_cluster_grows_tells_its_family_and_keeps_it(lab: Lab) -> None:
    assert f"addresses {lab.name}: pods {lab.cluster.cluster_cidr}" in lab.podwire("status")
    if lab.name == "dual":
        lab.podwire("node add")
        found = {node["metadata"]["name"]: node for node in lab.objects("nodes")}
        assert len(found["node-3"]["spec"]["podCIDRs"]) == 2
        assert "0% packet loss" in lab.podwire("ping -6 -c 1", "node-3", "two")
        return
    lab.podwire("down --keep-state")
    refused = lab.home.refused("up", "--name", lab.name, "--ip-family", "ipv4")
    assert "--ip-family ipv6; start it so" in refused


@pytest.mark.skipif(shutil.which("etcd") is None, reason="etcd is not installed")
def test_one_of_three_masters_of_both_families_may_die(home: Home) -> None:
    home.podwire("up", "--ip-family", "dual", "--nodes", "2", "--control-planes", "3")
    lab = Lab(home, "podwire")
    ca = lab.paths.certificate("ca").read_text()
    _apply(lab, _pod("one", 1), _pod("two", 2), _service("single"), _asker(ca))
    lab.kubectl("wait", "pod", "one", "two", "--for=condition=Ready", "--timeout=30s")
    lab.podwire("process kill apiserver-1")
    lab.podwire("process kill etcd-2")
    _apply(lab, _pod("three", 1), REQUIRE)
    lab.kubectl("wait", "pod", "three", "--for=condition=Ready", "--timeout=30s")
    (require,) = lab.objects("service", "require")
    assert versions(require["spec"]["clusterIPs"]) == [4, 6]
    two, three = Pod(lab, "two"), Pod(lab, "three")
    assert versions(addresses_of(three)) == [4, 6]
    for target in addresses_of(three):
        assert two.get(f"http://{host_in_url(target)}:8080/hostname") == "three"
    for address in require["spec"]["clusterIPs"]:
        url = f"http://{host_in_url(address)}/hostname"
        eventually(lambda url=url: {two.get(url) for _ in range(12)} == {"one", "two", "three"})
    ended = "--for=jsonpath={.status.phase}=Succeeded"
    lab.kubectl("wait", "pod", "asker", ended, "--timeout=30s")
