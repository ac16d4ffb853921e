import random
from dataclasses import replace

import pytest

from kubeapi.objects import condition, is_condition_true
from nodeagent.kubelet import configuration
from nodeagent.kubelet.node_lease import LeaseHolder, lease_of
from nodeagent.kubelet.node_status import (
    NodeFacts,
    Readiness,
    allocatable,
    image_list,
    new_node,
    node_status,
    rebooted,
    same_status,
    transitions,
)

FACTS = NodeFacts(
    name="node-1",
    internal_ips=("192.168.64.1", "fd00:192:168:64::1"),
    kubelet_port=10250,
    cpu="4",
    memory="8Gi",
    pods_max=110,
)
GOOD = Readiness(runtime=True, network_error="")


def test_new_node_carries_the_well_known_labels():
    labels = new_node(FACTS)["metadata"]["labels"]
    assert labels["kubernetes.io/hostname"] == "node-1"
    assert labels["kubernetes.io/os"] == "linux"


def test_status_has_what_kubectl_shows():
    status = node_status(FACTS, GOOD, {}, 0)
    assert status["addresses"] == [
        {"type": "InternalIP", "address": "192.168.64.1"},
        {"type": "InternalIP", "address": "fd00:192:168:64::1"},
        {"type": "Hostname", "address": "node-1"},
    ]
    assert status["capacity"]["pods"] == "110"
    assert status["nodeInfo"]["containerRuntimeVersion"].startswith("podruntime://")
    assert status["nodeInfo"]["kubeletVersion"].startswith("v1.32.0")
    assert status["daemonEndpoints"] == {"kubeletEndpoint": {"Port": 10250}}
    assert is_condition_true({"status": status}, "Ready")
    for kind in ("MemoryPressure", "DiskPressure", "PIDPressure"):
        assert condition({"status": status}, kind)["status"] == "False"


@pytest.mark.parametrize(
    ("runtime", "error", "text"),
    [
        (False, "", "container runtime is down"),
        (
            True,
            "cni plugin not initialized",
            "container runtime network not ready: NetworkReady=false "
            "reason:NetworkPluginNotReady message:Network plugin returns error: "
            "cni plugin not initialized",
        ),
    ],
)
def test_not_ready_says_why(runtime, error, text):
    status = node_status(FACTS, Readiness(runtime=runtime, network_error=error), {}, 0)
    found = condition({"status": status}, "Ready")
    assert (found["status"], found["reason"]) == ("False", "KubeletNotReady")
    assert text in found["message"]


def test_heartbeats_are_no_change_and_transitions_are():
    before = node_status(FACTS, GOOD, {}, 0)
    later = node_status(FACTS, GOOD, before, 10)
    assert same_status(later, before)
    assert condition({"status": later}, "Ready")["lastTransitionTime"] == "1970-01-01T00:00:00Z"
    worse = node_status(FACTS, Readiness(runtime=True, network_error="no"), later, 20)
    assert not same_status(worse, later)
    assert condition({"status": worse}, "Ready")["lastTransitionTime"] == "1970-01-01T00:00:20Z"


def test_no_images_are_the_same_as_none_told_of():
    told = node_status(FACTS, GOOD, {}, 0)
    kept = {name: each for name, each in told.items() if name != "images"}
    assert same_status(told, kept)
    image = {"names": ["nginx"], "sizeBytes": 1}
    assert not same_status(told, {**kept, "images": [image]})
    assert not same_status({**told, "images": [image]}, kept)


def test_conditions_of_others_are_kept():
    theirs = {"type": "FrequentReboots", "status": "False"}
    status = node_status(FACTS, GOOD, {"conditions": [theirs]}, 0)
    assert theirs in status["conditions"]


def test_lease_is_renewed_with_jitter_and_expires():
    holder = LeaseHolder(duration_s=40, renew_every_s=10, rng=random.Random(1))
    assert holder.deadline() == 0
    holder.renewed(100)
    assert 109 <= holder.deadline() <= 110
    assert not holder.expired(139.9)
    assert holder.expired(140)
    holder.failed(120)
    assert holder.deadline() == 122


def test_lease_belongs_to_the_node():
    node = {"metadata": {"name": "node-1", "uid": "u"}}
    lease = lease_of(node, 4.0, 0.5)
    assert lease["spec"] == {
        "holderIdentity": "node-1",
        "leaseDurationSeconds": 4,
        "renewTime": "1970-01-01T00:00:00.500000Z",
    }
    assert lease["metadata"]["ownerReferences"][0]["kind"] == "Node"


def test_allocatable_leaves_out_what_is_reserved_and_kept_free():
    options = configuration.parse(
        "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n"
        "systemReserved: {cpu: 500m, memory: 1Gi}\nkubeReserved: {cpu: 250m}\nmaxPods: 30\n"
    )
    resources = allocatable(replace(FACTS, options=options))
    assert resources["cpu"] == "3250m"
    assert resources["memory"] == "7068Mi"  # 8Gi less 1Gi, and 100Mi that eviction keeps free.
    assert resources["ephemeral-storage"] == "90Gi"
    assert resources["pods"] == "30"


def test_pressure_and_images_are_shown_and_changes_are_events():
    before = node_status(FACTS, GOOD, {}, 0)
    images = image_list({"small": 1, "large": 9})
    after = node_status(FACTS, GOOD, before, 1, pressure=("MemoryPressure",), images=images)
    found = condition({"status": after}, "MemoryPressure")
    assert (found["status"], found["reason"]) == ("True", "KubeletHasInsufficientMemory")
    assert [each["names"] for each in after["images"]] == [["large"], ["small"]]
    assert transitions(before, after) == ["NodeHasInsufficientMemory"]
    assert "NodeHasSufficientMemory" in transitions({}, before)
    assert "NodeReady" not in transitions({}, before)
    assert not rebooted({}, before)
    assert not rebooted(before, after)
    elsewhere = {**before, "nodeInfo": {**before["nodeInfo"], "bootID": "another"}}
    assert rebooted(elsewhere, after) == after["nodeInfo"]["bootID"]
    stopping = replace(GOOD, shutting_down=True)
    ended = node_status(FACTS, stopping, before, 2)
    assert transitions(before, ended) == ["NodeNotReady"]
    assert condition({"status": ended}, "Ready")["message"] == "node is shutting down"


def test_taints_of_the_configuration_come_with_the_node():
    taint = {"key": "gpu", "effect": "NoSchedule"}
    options = replace(FACTS.options, taints=(taint,))
    assert new_node(replace(FACTS, options=options))["spec"]["taints"] == [taint]
