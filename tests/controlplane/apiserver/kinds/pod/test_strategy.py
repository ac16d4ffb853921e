from __future__ import annotations

import pytest

from controlplane.apiserver.kinds.pod.strategy import fields, grace_s

SPEC = {"containers": [{"name": "web", "image": "nginx:1"}]}


def test_a_pod_begins_as_pending(made):
    pod = made("Pod", {"spec": SPEC, "status": {"phase": "Running"}})
    assert pod["status"] == {"phase": "Pending", "qosClass": "BestEffort"}


def test_the_kubelet_writes_the_status_only(made, update):
    old = made("Pod", {"spec": SPEC})
    new = made("Pod", {"spec": {**SPEC, "nodeName": "node-9"}})
    new["metadata"]["ownerReferences"] = [{"uid": "1"}]
    new["status"] = {"phase": "Running", "podIP": "10.244.1.2"}
    assert update("Pod", new, old, status=True) == []
    assert new["spec"] == old["spec"]
    assert "ownerReferences" not in new["metadata"]
    assert new["status"] == {"phase": "Running", "podIP": "10.244.1.2", "qosClass": "BestEffort"}


@pytest.mark.parametrize(
    ("spec", "status", "seconds"),
    [
        ({"nodeName": "a", "terminationGracePeriodSeconds": 30}, {}, 30),
        ({"nodeName": "a", "terminationGracePeriodSeconds": 0}, {}, 0),
        ({"nodeName": "a", "terminationGracePeriodSeconds": -1}, {}, 1),
        ({"terminationGracePeriodSeconds": 30}, {}, 0),
        ({"nodeName": "a", "terminationGracePeriodSeconds": 30}, {"phase": "Failed"}, 0),
    ],
)
def test_grace(spec, status, seconds):
    assert grace_s({"spec": spec, "status": status}) == seconds


def test_selectable_fields():
    pod = {
        "spec": {"nodeName": "node-1", "hostNetwork": True, "serviceAccountName": "default"},
        "status": {"phase": "Running", "podIPs": [{"ip": "10.244.1.2"}]},
    }
    found = fields(pod)
    assert found["spec.nodeName"] == "node-1"
    assert found["spec.hostNetwork"] == "true"
    assert found["spec.serviceAccountName"] == "default"
    assert found["status.phase"] == "Running"
    assert found["status.podIP"] == "10.244.1.2"
    assert fields({})["spec.nodeName"] == ""
