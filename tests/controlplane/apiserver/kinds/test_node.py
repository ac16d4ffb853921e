from __future__ import annotations

import pytest

READY = {"type": "Ready", "status": "True"}
UNKNOWN = {"type": "Ready", "status": "Unknown"}


def test_defaults_keep_both_forms_of_the_pod_network_in_step(made):
    assert made("Node", {"spec": {"podCIDR": "10.244.1.0/24"}})["spec"]["podCIDRs"] == [
        "10.244.1.0/24"
    ]
    assert made("Node", {"spec": {"podCIDRs": ["10.244.1.0/24"]}})["spec"]["podCIDR"] == (
        "10.244.1.0/24"
    )


def test_a_kubelet_registers_with_its_status(made):
    node = made("Node", {"status": {"capacity": {"cpu": 4, "memory": "1024Ki"}}})
    assert node["status"]["capacity"] == {"cpu": "4", "memory": "1Mi"}
    assert node["status"]["allocatable"] == node["status"]["capacity"]


@pytest.mark.parametrize(
    ("taints", "cause"),
    [
        ([{"key": "a", "effect": "NoSchedule"}, {"key": "a", "effect": "NoExecute"}], None),
        ([{"key": "a"}], "metadata.taints[0].effect: Required value"),
        (
            [{"key": "a", "effect": "Never"}],
            'metadata.taints[0].effect: Unsupported value: "Never"',
        ),
        ([{"key": "a b", "effect": "NoSchedule"}], 'metadata.taints[0].key: Invalid value: "a b"'),
        ([{"key": "a", "effect": "NoSchedule"}] * 2, "metadata.taints[1]: Duplicate value"),
    ],
)
def test_taints(wrong, taints, cause):
    causes = wrong("Node", {"spec": {"taints": taints}})
    assert causes == [] if cause is None else causes[0].startswith(cause)


def test_networks_are_judged(wrong):
    assert wrong("Node", {"spec": {"podCIDR": "10.244"}})[0].startswith("spec.podCIDRs[0]: Invalid")
    two = {"spec": {"podCIDR": "10.0.0.0/24", "podCIDRs": ["10.0.1.0/24"]}}
    assert wrong("Node", two)[0].startswith("spec.podCIDR: Invalid")


def test_the_pod_network_is_set_once(made, update):
    bare, given = made("Node"), made("Node", {"spec": {"podCIDR": "10.244.1.0/24"}})
    assert update("Node", made("Node", {"spec": {"podCIDR": "10.244.1.0/24"}}), bare) == []
    assert update("Node", made("Node", {"spec": {"podCIDR": "10.244.2.0/24"}}), given) == [
        'spec.podCIDRs: Forbidden: node updates may not change podCIDR except from "" to valid'
    ]


def test_a_provider_is_set_once_and_retired_fields_are_not_judged(made, update):
    old = made("Node", {"spec": {"providerID": "a", "externalID": "a"}})
    assert update("Node", made("Node", {"spec": {"providerID": "b"}}), old) == [
        'spec.providerID: Forbidden: node updates may not change providerID except from "" to valid'
    ]
    assert update("Node", made("Node", {"spec": {"providerID": "a", "externalID": "b"}}), old) == []


def test_status_and_spec_are_written_apart(made, update):
    old = made("Node", {"status": {"conditions": [READY]}})
    new = made("Node", {"spec": {"unschedulable": True}, "status": {"conditions": [UNKNOWN]}})
    assert update("Node", new, old) == []
    assert new["status"]["conditions"] == [READY]
    new = made("Node", {"spec": {"unschedulable": True}, "status": {"conditions": [UNKNOWN]}})
    assert update("Node", new, old, status=True) == []
    assert new["spec"] == {}
    assert new["status"]["conditions"] == [UNKNOWN]


@pytest.mark.parametrize(
    ("conditions", "unschedulable", "text"),
    [
        ([READY], False, "Ready"),
        ([UNKNOWN], False, "NotReady"),
        ([READY], True, "Ready,SchedulingDisabled"),
        ([], False, "Unknown"),
    ],
)
def test_status_cell(kind_of, made, conditions, unschedulable, text):
    spec = {"unschedulable": True} if unschedulable else {}
    node = made("Node", {"spec": spec, "status": {"conditions": conditions}})
    assert kind_of("Node").cells(node, 0)[1] == text
    assert kind_of("Node").fields(node) == {"spec.unschedulable": str(unschedulable).lower()}


def test_wide_row(kind_of, made):
    labels = {"node-role.kubernetes.io/worker": "", "kubernetes.io/role": "edge"}
    info = {
        "kubeletVersion": "v1.32.0",
        "osImage": "Podwire",
        "kernelVersion": "6.1",
        "containerRuntimeVersion": "podwire://0.1",
    }
    addresses = [{"type": "InternalIP", "address": "192.168.64.1"}]
    body = {
        "metadata": {"labels": labels},
        "status": {"nodeInfo": info, "addresses": addresses, "conditions": [READY]},
    }
    assert kind_of("Node").cells(made("Node", body, "node-1"), 1767323045) == (
        "node-1",
        "Ready",
        "edge,worker",
        "0s",
        "v1.32.0",
        "192.168.64.1",
        "<none>",
        "Podwire",
        "6.1",
        "podwire://0.1",
    )


def test_values_and_addresses_are_judged(wrong):
    taint = {"key": "a", "value": "-", "effect": "NoSchedule"}
    assert wrong("Node", {"spec": {"taints": [taint]}})[0].startswith(
        'metadata.taints[0].value: Invalid value: "-"'
    )
    address = {"type": "InternalIP", "address": "192.168.64.1"}
    assert wrong("Node", {"status": {"addresses": [address, address]}})[0].startswith(
        "status.addresses[1]: Duplicate value"
    )
