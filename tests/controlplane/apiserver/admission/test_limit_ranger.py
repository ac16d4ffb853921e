"""LimitRanger: upstream's defaults, bounds and sentences."""

from __future__ import annotations

import copy

import pytest

from controlplane.apiserver.admission.limit_ranger import (
    ANNOTATION,
    complete,
    pod_faults,
)

DEFAULTS = {
    "type": "Container",
    "default": {"cpu": "500m", "memory": "64Mi"},
    "defaultRequest": {"cpu": "100m"},
}


def container(name: str = "c", **resources: dict) -> dict:
    return {"name": name, "image": "pause", "resources": resources}


def test_defaults_are_given_and_noted() -> None:
    pod = {
        "metadata": {},
        "spec": {
            "containers": [container(), container("d", limits={"cpu": "1"}, requests={"cpu": "1"})],
            "initContainers": [container("i", limits={"memory": "1Mi"})],
        },
    }
    complete(pod, [DEFAULTS])
    first, second = pod["spec"]["containers"]
    assert first["resources"]["requests"] == {"cpu": "100m"}
    assert first["resources"]["limits"] == {"cpu": "500m", "memory": "64Mi"}
    assert second["resources"]["limits"] == {"cpu": "1", "memory": "64Mi"}
    assert second["resources"]["requests"] == {"cpu": "1"}
    assert pod["metadata"]["annotations"][ANNOTATION] == (
        "LimitRanger plugin set: cpu request for container c; cpu, memory limit for container c; "
        "memory limit for container d; cpu request for init container i; "
        "cpu limit for init container i"
    )
    before = copy.deepcopy(pod)
    complete(pod, [DEFAULTS])
    assert pod == before


CASES = [
    (
        "Container",
        {"min": {"cpu": "100m"}},
        {},
        "minimum cpu usage per Container is 100m.  No request is specified",
    ),
    (
        "Container",
        {"min": {"cpu": "100m"}},
        {"requests": {"cpu": "50m"}},
        "minimum cpu usage per Container is 100m, but request is 50m",
    ),
    (
        "Container",
        {"max": {"memory": "1Gi"}},
        {"requests": {"memory": "1Mi"}},
        "maximum memory usage per Container is 1Gi.  No limit is specified",
    ),
    (
        "Container",
        {"max": {"cpu": "1"}},
        {"limits": {"cpu": "2"}},
        "maximum cpu usage per Container is 1, but limit is 2",
    ),
    (
        "Pod",
        {"max": {"cpu": "1"}},
        {"limits": {"cpu": "2"}},
        "maximum cpu usage per Pod is 1, but limit is 2",
    ),
    (
        "Container",
        {"maxLimitRequestRatio": {"cpu": "2"}},
        {"limits": {"cpu": "3"}, "requests": {"cpu": "1"}},
        "cpu max limit to request ratio per Container is 2, but provided ratio is 3.000000",
    ),
    (
        "Container",
        {"min": {"cpu": "1"}, "max": {"cpu": "2"}},
        {"requests": {"cpu": "1"}, "limits": {"cpu": "2"}},
        "",
    ),
]


@pytest.mark.parametrize(("kind", "bounds", "resources", "message"), CASES, ids=range(len(CASES)))
def test_bounds(kind, bounds, resources, message) -> None:
    pod = {"metadata": {}, "spec": {"containers": [container(**resources)]}}
    assert list(pod_faults(pod, {"type": kind, **bounds})) == ([message] if message else [])


def test_pods_are_completed_and_judged(server, namespace) -> None:
    path = f"/api/v1/namespaces/{namespace}"
    limit = {"type": "Container", "default": {"cpu": "100m"}, "max": {"cpu": "1"}}
    limits = {"metadata": {"name": "l"}, "spec": {"limits": [limit]}}
    assert server.request("POST", f"{path}/limitranges", limits).code == 201

    def create(name: str, **resources: dict):
        spec = {"containers": [container(**resources)]}
        return server.request("POST", f"{path}/pods", {"metadata": {"name": name}, "spec": spec})

    made = create("a").json
    assert made["spec"]["containers"][0]["resources"]["limits"] == {"cpu": "100m"}
    assert made["status"]["qosClass"] == "Burstable"
    answer = create("b", limits={"cpu": "2"}, requests={"cpu": "2"})
    assert (answer.code, answer.json["reason"]) == (403, "Forbidden")
    assert answer.json["message"] == (
        'pods "b" is forbidden: maximum cpu usage per Container is 1, but limit is 2'
    )


def test_claims_have_bounds(server, namespace) -> None:
    path = f"/api/v1/namespaces/{namespace}"
    bounds = {"type": "PersistentVolumeClaim", "min": {"storage": "1Gi"}, "max": {"storage": "2Gi"}}
    limits = {"metadata": {"name": "l"}, "spec": {"limits": [bounds]}}
    assert server.request("POST", f"{path}/limitranges", limits).code == 201

    def claim(name: str, size: str) -> dict:
        spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}}
        return {"metadata": {"name": name}, "spec": spec}

    claims = f"{path}/persistentvolumeclaims"
    answer = server.request("POST", claims, claim("small", "1Mi"))
    assert answer.code == 403
    assert "minimum storage usage per PersistentVolumeClaim is 1Gi" in answer.json["message"]
    answer = server.request("POST", claims, claim("large", "3Gi"))
    assert "maximum storage usage per PersistentVolumeClaim is 2Gi" in answer.json["message"]
    assert server.request("POST", claims, claim("fits", "1Gi")).code == 201
