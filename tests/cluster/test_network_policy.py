"""NetworkPolicies between real pods: who is cut off, from when on, and who is not."""

from __future__ import annotations

import asyncio
import json
import random
import subprocess
from typing import Any

import policy_rows
import pytest
from admin_policy_rows import ADMIN_ROWS
from clusters import Lab
from pods import Pod

from componentbase import rpc

pytestmark = [pytest.mark.cluster, pytest.mark.xdist_group("network-policy")]

NODE_PORT = 30190
_AGNHOST = "registry.k8s.io/e2e-test-images/agnhost:2.53"


def _pod(name: str, node: int, args: list[str], **spec: Any) -> dict[str, Any]:
    container = {
        "name": "agnhost",
        "image": _AGNHOST,
        "args": args,
        "ports": [{"name": "http", "containerPort": 8080}],
    }
    if args == ["netexec"]:
        container["readinessProbe"] = {"httpGet": {"path": "/", "port": 8080}, "periodSeconds": 1}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": {
            "nodeName": f"node-{node}",
            "containers": [container],
            "terminationGracePeriodSeconds": 1,
            **spec,
        },
    }


def _policy(name: str, selected: str, **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": name},
        "spec": {"podSelector": {"matchLabels": {"app": selected}}, **spec},
    }


_SERVICE = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "server"},
    "spec": {
        "type": "NodePort",
        "selector": {"app": "server"},
        "ports": [{"port": 80, "targetPort": "http", "nodePort": NODE_PORT}],
    },
}
_FROM_FAR = {"podSelector": {"matchLabels": {"app": "far"}}}


@pytest.fixture(scope="module")
def pods(lab: Lab) -> dict[str, Pod]:
    """A server on node-1, a pod beside it and one far away."""
    places = {"server": 1, "near": 1, "far": 2}
    manifests = [_pod(name, node, ["netexec"]) for name, node in places.items()]
    lab.apply("\n".join(map(json.dumps, [*manifests, _SERVICE])))
    lab.kubectl("wait", "pod", "--all", "--for=condition=Ready", "--timeout=60s")
    return {name: Pod(lab, name) for name in places}


def reaches(pod: Pod, target: str) -> bool:
    done = pod.run("/agnhost", "connect", "--timeout=1s", target)
    assert done.status == 0 or "TIMEOUT" in done.output + done.complaints
    return done.status == 0


def from_the_host(lab: Lab) -> bool:
    url = lab.url(1, NODE_PORT, "/hostname")
    done = subprocess.run(["curl", "-s", "-m", "1", url], capture_output=True, check=False)
    return done.returncode == 0


def apply(lab: Lab, *policies: dict[str, Any]) -> None:
    lab.apply("\n".join(map(json.dumps, policies)))


def programmed(lab: Lab, pods: dict[str, Pod], pod: str, expected: bool) -> None:
    """Wait until *pod* reaches the server, or does not."""
    target = f"{pods['server'].address}:8080"
    lab.eventually(lambda: reaches(pods[pod], target) is expected)


def test_ingress_is_what_the_policies_allow(lab: Lab, pods: dict[str, Pod]) -> None:
    server = f"{pods['server'].address}:8080"
    assert reaches(pods["near"], server)
    assert from_the_host(lab)
    apply(lab, _policy("deny", "server"))
    programmed(lab, pods, "far", False)
    assert not reaches(pods["near"], server)
    assert not from_the_host(lab)
    ports = [{"port": "http"}]
    apply(lab, _policy("allow", "server", ingress=[{"from": [_FROM_FAR], "ports": ports}]))
    programmed(lab, pods, "far", True)
    (service,) = lab.objects("service", "server")
    assert reaches(pods["far"], f"{service['spec']['clusterIP']}:80")
    assert not reaches(pods["far"], f"{pods['server'].address}:8083")
    assert not reaches(pods["near"], server)
    assert not from_the_host(lab)
    assert "NetworkPolicy default/allow and 1 more (ingress)" in lab.podwire("counters node-1")
    (ready,) = lab.objects("pod", "server")
    assert all(each["ready"] for each in ready["status"]["containerStatuses"]), "node to pod"


def test_policies_outlive_the_processes_that_apply_them(lab: Lab, pods: dict[str, Pod]) -> None:
    server = f"{pods['server'].address}:8080"
    for process in ("node-1/nodeagent", "node-1/datapath"):
        lab.podwire(f"process kill {process}")
        lab.podwire(f"process start {process}")
        programmed(lab, pods, "far", True)
        assert not reaches(pods["near"], server)


def test_a_pods_first_packet_is_judged_already(lab: Lab, pods: dict[str, Pod]) -> None:
    apply(lab, _policy("closed", "hasty", policyTypes=["Egress"]))
    target = f"{pods['far'].address}:8080"
    hasty = _pod("hasty", 1, ["connect", "--timeout=1s", target], restartPolicy="Never")
    lab.apply(json.dumps(hasty))
    ended = lab.eventually(
        lambda: next(
            (
                each["status"]["phase"]
                for each in lab.objects("pod", "hasty")
                if each["status"]["phase"] in ("Succeeded", "Failed")
            ),
            None,
        )
    )
    assert (ended, lab.kubectl("logs", "hasty").strip()) == ("Failed", "TIMEOUT")


def test_egress_names_whom_a_pod_may_ask(lab: Lab, pods: dict[str, Pod]) -> None:
    lab.kubectl("delete", "networkpolicy", "--all")
    programmed(lab, pods, "near", True)
    to = [{"ipBlock": {"cidr": "10.244.0.0/16", "except": [f"{pods['far'].address}/32"]}}]
    rules = [{"to": to}]
    apply(lab, _policy("egress", "near", policyTypes=["Egress"], egress=rules))
    lab.eventually(lambda: not reaches(pods["near"], f"{pods['far'].address}:8080"))
    assert reaches(pods["near"], f"{pods['server'].address}:8080")
    assert reaches(pods["far"], f"{pods['near'].address}:8080"), "egress says nothing of ingress"


@pytest.mark.parametrize("excluded", [[], ["192.168.64.254/32"]])
def test_who_comes_from_outside_has_its_own_address(
    lab: Lab, pods: dict[str, Pod], excluded: list[str]
) -> None:
    lab.kubectl("delete", "networkpolicy", "--all")
    block = {"cidr": "192.168.64.0/24", "except": excluded}
    rules = [{"from": [{"ipBlock": block}], "ports": [{"port": "http"}]}]
    apply(lab, _policy("world", "server", ingress=rules))
    programmed(lab, pods, "far", False)
    lab.eventually(lambda: from_the_host(lab) is not bool(excluded))
    words = ("policy", "explain", "outside", "server:http", "--name", lab.name)
    assert lab.home.run_podwire(*words).returncode == bool(excluded)


def test_nonsense_is_refused_in_upstreams_words(lab: Lab) -> None:
    wrong = _policy("wrong", "server", ingress=[{"from": [{}]}])
    refused = lab.kubectl("create", "-f", "-", stdin=json.dumps(wrong), check=False)
    assert "spec.ingress[0].from[0]: Required value: must specify a peer" in refused


# A sample of the truth table, by real processes; every row of it meets the same code in memory
# (tests/nodeagent/datapath/test_truth_table.py).

SAMPLE = (
    "from pods or namespace: one is enough",
    "both ends must allow, by ports",
    "three tiers for three namespaces",
    "cnp: ingress of TCP: one port allowed, the rest denied",
)
PROBES_A_ROW = 16


@pytest.fixture(scope="module")
def houses(lab: Lab) -> dict[str, str]:
    """The namespaces and pods of the truth table; their addresses."""
    namespaces = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": n, "labels": {"ns": n}}}
        for n in policy_rows.NAMESPACES
    ]
    apply(lab, *namespaces)
    for key, node in policy_rows.NODES.items():
        namespace, name = key.split("/")
        made = _pod(name, node, ["pause"])
        made["metadata"] = {"name": name, "namespace": namespace, "labels": {"pod": name}}
        apply(lab, made)
    for namespace in policy_rows.NAMESPACES:
        lab.kubectl(
            "wait", "pod", "--all", "-n", namespace, "--for=condition=Ready", "--timeout=60s"
        )
    return {
        f"{pod['metadata']['namespace']}/{pod['metadata']['name']}": pod["status"]["podIP"]
        for pod in lab.objects("pod", "-A")
        if pod["metadata"]["namespace"] in policy_rows.NAMESPACES
    }


async def _arriving(
    lab: Lab, addresses: dict[str, str], probes: list[policy_rows.Probe]
) -> set[policy_rows.Probe]:
    """Let pods connect; nobody listens, so whoever is not kept away is refused."""

    async def refused(probe: policy_rows.Probe) -> bool:
        source, destination, port, _ = probe
        client = await rpc.Client.connect(
            lab.paths.node(f"node-{policy_rows.NODES[source]}") / "cri.sock"
        )
        try:
            namespace, name = source.split("/")
            container = next(
                each["id"]
                for each in await client.call("ListContainers")
                if each["labels"].get("io.kubernetes.pod.namespace") == namespace
                and each["labels"].get("io.kubernetes.pod.name") == name
            )
            command = ["/agnhost", "connect", "--timeout=1s", f"{addresses[destination]}:{port}"]
            request = {"container_id": container, "cmd": command, "timeout_s": 20}
            answer = await client.call("ExecSync", request, timeout_s=25)
        finally:
            await client.close()
        said = str(answer["stdout"]) + str(answer["stderr"])
        assert "REFUSED" in said or "TIMEOUT" in said
        return "REFUSED" in said

    found = await asyncio.gather(*map(refused, probes))
    return {probe for probe, arrives in zip(probes, found, strict=True) if arrives}


@pytest.mark.parametrize("name", SAMPLE)
def test_rows_of_the_truth_table_hold_between_processes(
    lab: Lab, houses: dict[str, str], name: str
) -> None:
    (row,) = (each for each in (*policy_rows.ROWS, *ADMIN_ROWS) if each.name == name)
    expected = {probe for probe in row.allowed() if probe[3] == "TCP"}
    tcp = sorted(probe for probe in policy_rows.PROBES if probe[3] == "TCP")
    some = random.Random(name).sample
    denied = [probe for probe in tcp if probe not in expected]
    probes = some(sorted(expected), PROBES_A_ROW // 2) + some(denied, PROBES_A_ROW // 2)
    apply(lab, *row.policies)
    try:
        lab.eventually(
            lambda: asyncio.run(_arriving(lab, houses, probes)) == expected.intersection(probes)
        )
        for probe in probes[:: PROBES_A_ROW // 2]:
            said = lab.home.run_podwire(
                "policy", "explain", probe[0], f"{probe[1]}:{probe[2]}", "--name", lab.name
            )
            assert (said.returncode == 0) is (probe in expected), said.stdout
            assert "but node" not in said.stdout, "the nodes are of the same opinion"
    finally:
        manifests = "\n".join(map(json.dumps, row.policies))
        lab.kubectl("delete", "-f", "-", stdin=manifests)


def test_the_administrators_word_is_logged_and_shown(lab: Lab, houses: dict[str, str]) -> None:
    deny = {"action": "Deny", "from": [{"namespaces": {}}], "name": "nobody"}
    spec = {"priority": 1, "subject": {"namespaces": {"matchLabels": {"ns": "x"}}}}
    policy = {
        "apiVersion": "policy.networking.k8s.io/v1alpha1",
        "kind": "AdminNetworkPolicy",
        "metadata": {"name": "closed"},
        "spec": {**spec, "ingress": [deny]},
    }
    apply(lab, policy)
    probe = ("y/a", "x/a", 80, "TCP")
    lab.eventually(lambda: not asyncio.run(_arriving(lab, houses, [probe])))
    by = "AdminNetworkPolicy closed rule nobody (ingress)"
    notes = json.loads(lab.podwire("policy log node-1 -o json"))
    assert any(
        (each["action"], each["by"], each["destination"]) == ("deny", by, houses["x/a"])
        for each in notes
    )
    assert by in lab.podwire("counters node-1")
    lab.podwire("process kill node-1/nodeagent")
    lab.kubectl("delete", "anp", "closed")
    said = lab.podwire("policy explain y/a x/a:80")
    assert "allowed" in said
    assert f"but node-1 has not been told yet: its datapath says deny by {by}" in said
    lab.podwire("process start node-1/nodeagent")
    lab.eventually(lambda: "but node-1" not in lab.podwire("policy explain y/a x/a:80"))
    apply(lab, policy)
    rows = json.loads(lab.podwire("policy matrix -n x -n y --port 80 -o json"))
    verdicts = {(each["from"], each["to"]): each["verdict"] for each in rows}
    assert verdicts["y/a", "x/a"] == "denied"
    assert verdicts["x/a", "y/a"] == "allowed"
    lab.kubectl("delete", "anp", "closed")
