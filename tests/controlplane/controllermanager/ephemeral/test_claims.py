"""What claims a pod's ephemeral volumes need."""

from __future__ import annotations

from controlplane.controllermanager.ephemeral.claims import claims_for


def test_a_claim_is_the_pods_and_as_its_template_says():
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"accessModes": ["ReadWriteOnce"]}}
    volumes = [
        {"name": "scratch", "ephemeral": {"volumeClaimTemplate": template}},
        {"name": "other", "emptyDir": {}},
    ]
    pod = {
        "metadata": {"name": "p", "namespace": "ns", "uid": "u"},
        "spec": {"volumes": volumes},
    }
    (claim,) = claims_for(pod)
    owner = {"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "u"}
    assert claim["metadata"] == {
        "labels": {"a": "b"},
        "name": "p-scratch",
        "namespace": "ns",
        "ownerReferences": [{**owner, "controller": True, "blockOwnerDeletion": True}],
    }
    assert claim["spec"] == template["spec"]
