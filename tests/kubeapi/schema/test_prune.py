"""What decoding drops: nulls, what no schema knows, empty collections that nobody asks for."""

from __future__ import annotations

import pytest

from kubeapi.schema import schema_for
from kubeapi.schema.prune import prune


@pytest.mark.parametrize(
    ("kind", "given", "kept"),
    [
        (
            "v1 ConfigMap",
            {"metadata": {"labels": {}, "finalizers": []}, "data": {}},
            {"metadata": {}},
        ),
        (
            "v1 Pod",
            {
                "spec": {
                    "containers": [],
                    "volumes": [{"name": "v", "emptyDir": {}}],
                    "tolerations": [],
                }
            },
            {"spec": {"containers": [], "volumes": [{"name": "v", "emptyDir": {}}]}},
        ),
        (
            "networking.k8s.io/v1 NetworkPolicy",
            {"spec": {"podSelector": {"matchLabels": {}}, "ingress": [{}], "egress": []}},
            {"spec": {"podSelector": {}, "ingress": [{}]}},
        ),
        (
            "apiextensions.k8s.io/v1 CustomResourceDefinition",
            {"spec": {"versions": [{"name": "v1", "subresources": {"status": {}}}]}},
            {"spec": {"versions": [{"name": "v1", "subresources": {"status": {}}}]}},
        ),
        ("rbac.authorization.k8s.io/v1 Role", {"rules": []}, {"rules": []}),
        ("rbac.authorization.k8s.io/v1 RoleBinding", {"subjects": []}, {}),
        ("discovery.k8s.io/v1 EndpointSlice", {"endpoints": [], "ports": []}, None),
        (
            "v1 Pod",
            {"spec": {"nodeName": "", "hostNetwork": False, "nothing": 1, "dnsPolicy": None}},
            {"spec": {"nodeName": "", "hostNetwork": False}},
        ),
    ],
)
def test_pruned(kind, given, kept):
    schema = schema_for(*kind.split())
    assert schema is not None
    assert prune(given, schema) == (given if kept is None else kept)
