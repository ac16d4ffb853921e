"""NetworkPolicies between real pods: who is cut off, from when on, and who is not."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest
from clusters import Lab
from pods import Pod

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


def test_nonsense_is_refused_in_upstreams_words(lab: Lab) -> None:
    wrong = _policy("wrong", "server", ingress=[{"from": [{}]}])
    refused = lab.kubectl("create", "-f", "-", stdin=json.dumps(wrong), check=False)
    assert "spec.ingress[0].from[0]: Required value: must specify a peer" in refused
