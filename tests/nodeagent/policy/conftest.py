"""Objects as policies see them, short to write."""

from __future__ import annotations

import pytest


def _meta(name, namespace="", labels=None):
    meta = {"name": name, "uid": f"uid-{namespace}-{name}", "labels": labels or {}}
    return {**meta, "namespace": namespace} if namespace else meta


@pytest.fixture(scope="session")
def pod():
    def make(name, *addresses, namespace="default", node="node-1", ports=(), host=False, **labels):
        return {
            "metadata": _meta(name, namespace, labels),
            "spec": {
                "nodeName": node,
                "hostNetwork": host,
                "containers": [{"name": "a", "ports": list(ports)}],
            },
            "status": {"phase": "Running", "podIPs": [{"ip": each} for each in addresses]},
        }

    return make


@pytest.fixture(scope="session")
def namespace():
    return lambda name, **labels: {"metadata": _meta(name, "", labels)}


@pytest.fixture(scope="session")
def policy():
    def make(name="some", *, namespace="default", types=("Ingress",), select=None, **rules):
        selector = {"matchLabels": select} if select else {}
        spec = {"podSelector": selector, "policyTypes": list(types), **rules}
        return {"metadata": _meta(name, namespace), "spec": spec}

    return make
