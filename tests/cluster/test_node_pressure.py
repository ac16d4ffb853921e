"""A node that runs short, a container that takes too much, a node that is shut down: one lab."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from clusters import Home, Lab

pytestmark = [pytest.mark.cluster, pytest.mark.xdist_group("node-pressure")]

CONFIG = """\
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
evictionHard: {memory.available: 120Mi}
evictionPressureTransitionPeriod: 1s
shutdownGracePeriod: 6s
shutdownGracePeriodCriticalPods: 3s
"""
#: With nothing running a node has 240Mi; what it keeps is half of it, so it is looked at often.
UP = ("--nodes", "2", "--node-memory", "240Mi", "--node-cpu", "4")


def pod(name: str, node: int, command: str, **extra: Any) -> dict[str, Any]:
    """Return a pod of one container on one node, which ends quickly when it is told to."""
    limits = extra.pop("limits", {})
    container = {
        "name": "main",
        "image": "polinux/stress" if command.startswith("stress") else "busybox",
        "command": command.split(),
        "resources": {"limits": limits},
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {
            "nodeSelector": {"kubernetes.io/hostname": f"node-{node}"},
            "terminationGracePeriodSeconds": 1,
            "containers": [container],
            **extra,
        },
    }


PODS = [
    pod("hog", 1, "stress --vm 1 --vm-bytes 150M --vm-hang 1"),
    pod("small", 1, "sleep 1000"),
    pod("greedy", 2, "stress --vm 1 --vm-bytes 60M --vm-hang 1", limits={"memory": "20Mi"},
        restartPolicy="Never"),
    pod("plain", 2, "sleep 1000"),
    pod("critical", 2, "sleep 1000", priorityClassName="system-node-critical"),
]  # fmt: skip


def condition(obj: dict[str, Any], kind: str) -> dict[str, Any]:
    return next((c for c in obj["status"].get("conditions", ()) if c["type"] == kind), {})


def events(lab: Lab, reason: str) -> list[str]:
    return [each["message"] for each in lab.objects("events") if each["reason"] == reason]


@pytest.fixture
def short(home: Home, tmp_path: Path) -> Lab:
    config = tmp_path / "kubelet.yaml"
    config.write_text(CONFIG)
    home.podwire("up", "--name", "short", *UP, "--kubelet-config", str(config))
    return Lab(home, "short")


def test_nodes_that_run_short_and_one_that_is_shut_down(short: Lab) -> None:
    lab = short
    lab.apply(json.dumps({"apiVersion": "v1", "kind": "List", "items": PODS}))
    greedy = lab.eventually(
        lambda: next((p for p in lab.objects("pod") if p["metadata"]["name"] == "greedy"
                      and p["status"]["phase"] == "Failed"), None), within_s=60,
    )  # fmt: skip
    ended = greedy["status"]["containerStatuses"][0]["state"]["terminated"]
    assert (ended["reason"], ended["exitCode"]) == ("OOMKilled", 137)
    a_node_evicts_who_takes_most(lab)
    a_node_is_shut_down_in_order(lab)


def a_node_evicts_who_takes_most(lab: Lab) -> None:
    def evicted() -> dict[str, Any] | None:
        (hog,) = lab.objects("pod", "hog")
        return hog if hog["status"].get("reason") == "Evicted" else None

    hog = lab.eventually(evicted, within_s=60)
    assert hog["status"]["phase"] == "Failed"
    words = "The node was low on resource: memory. Threshold quantity: 120Mi, available: "
    assert hog["status"]["message"].startswith(words)
    assert condition(hog, "DisruptionTarget")["reason"] == "TerminationByKubelet"
    assert any(text.startswith(words) for text in events(lab, "Evicted"))
    (small,) = lab.objects("pod", "small")
    assert small["status"]["phase"] == "Running", "it takes next to nothing"
    lab.eventually(lambda: events(lab, "NodeHasInsufficientMemory"))

    def relieved() -> bool:
        (node,) = lab.objects("node", "node-1")
        return condition(node, "MemoryPressure")["status"] == "False"

    lab.eventually(relieved)
    told = lab.kubectl("get", "--raw", "/api/v1/nodes/node-1/proxy/metrics")
    assert 'kubelet_evictions_total{eviction_signal="memory.available"} 1\n' in told
    assert "kubelet_running_pods 1\n" in told
    assert 'kubelet_runtime_operations_total{operation_type="run_podsandbox"} 2\n' in told
    assert "kubeproxy_sync_proxy_rules_duration_seconds_count" in lab.fetch(1, 10249, "/metrics")


def a_node_is_shut_down_in_order(lab: Lab) -> None:
    lab.podwire("node shutdown", "node-2")
    found = {each["metadata"]["name"]: each for each in lab.objects("pod")}
    ends = []
    for name in ("plain", "critical"):
        status = found[name]["status"]
        assert (status["phase"], status["reason"]) == ("Failed", "Terminated")
        assert status["message"] == "Pod was terminated in response to imminent node shutdown."
        ends.append(status["containerStatuses"][0]["state"]["terminated"]["finishedAt"])
    assert ends == sorted(ends), "the critical pod ends last"
    (node,) = lab.objects("node", "node-2")
    ready = condition(node, "Ready")
    assert (ready["status"], ready["message"]) == ("False", "node is shutting down")
    assert lab.pid("node-2/nodeagent") is None
