"""What a write of an object, and of its status, does not reach belongs to nobody who tries.

Upstream: test/integration/apiserver/apply/reset_fields_test.go, which applies one object and then
another one's status, and status_test.go. And which kinds count generations, and of what.
"""
# ruff: noqa: E501

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
import yaml

from .apiextensions.conftest import until
from .apiextensions.definitions import crd
from .test_kubectl_kinds import KINDS, NAMES

APPLY = {"Content-Type": "application/apply-patch+yaml"}
MERGE = {"Content-Type": "application/merge-patch+json"}

CONDITION = {"type": "MyStatus", "status": "True"}
TIMED = {**CONDITION, "reason": "Mine", "message": "", "lastTransitionTime": "2020-01-01T00:00:00Z"}
OTHER_IMAGE = "spec: {template: {spec: {containers: [{name: c, image: other}]}}}"
OTHER_JOB = (
    "spec: {jobTemplate: {spec: {template: {spec: {containers: [{name: c, image: other}]}}}}}"
)
MORE_KINDS = {
    "v1 Pod": "spec: {containers: [{name: c, image: nginx}]}",
    "v1 Node": "spec: {podCIDR: 10.9.0.0/24}",
    "v1 Service": "spec: {type: LoadBalancer, ports: [{port: 80}]}",
    "networking.k8s.io/v1 Ingress": "spec: {defaultBackend: {service: {name: x, port: {number: 1}}}}",
    "flowcontrol.apiserver.k8s.io/v1 FlowSchema": "spec: {priorityLevelConfiguration: {name: a}}",
    "flowcontrol.apiserver.k8s.io/v1 PriorityLevelConfiguration": (
        "spec: {type: Limited, limited: {nominalConcurrencyShares: 5, limitResponse: {type: Reject}}}"
    ),
    "admissionregistration.k8s.io/v1 ValidatingAdmissionPolicy": (
        "spec: {matchConstraints: {resourceRules: [{apiGroups: [x], apiVersions: [v1], "
        "operations: [CREATE], resources: [things]}]}, validations: [{expression: 'true'}]}"
    ),
}
#: kind → what another manager wants of it, and of its status, twice.
RESETS = {
    "v1 Pod": ("spec: {containers: [{name: c, image: other}]}", "{phase: Running}", "{phase: Failed}"),
    "v1 Node": ("spec: {unschedulable: true, podCIDR: 10.8.0.0/24}", "{phase: Running}", "{phase: Terminated}"),
    "v1 PersistentVolume": ("spec: {capacity: {storage: 2Gi}}", "{message: hello}", "{message: hello2}"),
    "v1 PersistentVolumeClaim": (
        "spec: {resources: {requests: {storage: 2Gi}}}",
        *("{phase: Pending}", "{phase: Lost}"),
    ),
    "v1 ReplicationController": ("spec: {replicas: 7}", "{replicas: 1}", "{replicas: 2}"),
    "v1 ResourceQuota": ("spec: {hard: {services: 6}}", "{used: {services: '1'}}", "{used: {services: '2'}}"),
    "v1 Service": (
        "spec: {publishNotReadyAddresses: true}",
        "{loadBalancer: {ingress: [{ip: 127.0.0.1, ipMode: VIP}]}}",
        "{loadBalancer: {ingress: [{ip: 127.0.0.2, ipMode: VIP}]}}",
    ),
    "apps/v1 Deployment": (OTHER_IMAGE, "{replicas: 0, observedGeneration: 1}", "{observedGeneration: 2}"),
    "apps/v1 ReplicaSet": (OTHER_IMAGE, "{replicas: 0, observedGeneration: 1}", "{replicas: 0, observedGeneration: 2}"),
    "apps/v1 DaemonSet": (OTHER_IMAGE, "{observedGeneration: 1}", "{observedGeneration: 2}"),
    "apps/v1 StatefulSet": ("spec: {replicas: 7}", "{replicas: 0, observedGeneration: 1}", "{replicas: 0, observedGeneration: 2}"),
    "batch/v1 Job": ("spec: {parallelism: 7}", "{active: 1}", "{active: 2}"),
    "batch/v1 CronJob": (OTHER_JOB, "{lastScheduleTime: '2020-01-01T00:00:00Z'}", "{lastScheduleTime: '2021-01-01T00:00:00Z'}"),
    "autoscaling/v2 HorizontalPodAutoscaler": (
        *("spec: {maxReplicas: 23}", "{desiredReplicas: 1}", "{desiredReplicas: 2}"),
    ),
    "policy/v1 PodDisruptionBudget": (
        "spec: {minAvailable: 2}",
        "{currentHealthy: 1, desiredHealthy: 1, disruptionsAllowed: 0, expectedPods: 1}",
        "{currentHealthy: 2, desiredHealthy: 1, disruptionsAllowed: 0, expectedPods: 1}",
    ),
    "networking.k8s.io/v1 Ingress": (
        "spec: {defaultBackend: {service: {name: y, port: {number: 1}}}}",
        "{loadBalancer: {ingress: [{ip: 127.0.0.1}]}}",
        "{loadBalancer: {ingress: [{ip: 127.0.0.2}]}}",
    ),
    "storage.k8s.io/v1 VolumeAttachment": (
        *("spec: {nodeName: n2}", "{attached: true}", "{attached: false}"),
    ),
    "apiregistration.k8s.io/v1 APIService": ("spec: {versionPriority: 2}", json.dumps({"conditions": [CONDITION]}), json.dumps({"conditions": [{**CONDITION, "status": "False"}]})),
    "flowcontrol.apiserver.k8s.io/v1 FlowSchema": (
        "spec: {priorityLevelConfiguration: {name: b}}",
        json.dumps({"conditions": [CONDITION]}),
        json.dumps({"conditions": [{**CONDITION, "status": "False"}]}),
    ),
    "flowcontrol.apiserver.k8s.io/v1 PriorityLevelConfiguration": (
        "spec: {limited: {nominalConcurrencyShares: 6}}",
        json.dumps({"conditions": [CONDITION]}),
        json.dumps({"conditions": [{**CONDITION, "status": "False"}]}),
    ),
    "admissionregistration.k8s.io/v1 ValidatingAdmissionPolicy": (
        "spec: {failurePolicy: Ignore}",
        json.dumps({"conditions": [TIMED]}),
        json.dumps({"conditions": [{**TIMED, "status": "False"}]}),
    ),
    "resets.example.org/v1 Noxu": ("spec: {n: 2}\ndata: y", "{n: 1}", "{n: 2}"),
}  # fmt: skip
#: Kinds whose metadata a write of the status does not reach either.
CLOSED = (
    *("storage.k8s.io/v1 VolumeAttachment", "apiregistration.k8s.io/v1 APIService"),
    *(f"flowcontrol.apiserver.k8s.io/v1 {name}" for name in ("FlowSchema", "PriorityLevelConfiguration")),
    *("admissionregistration.k8s.io/v1 ValidatingAdmissionPolicy", "resets.example.org/v1 Noxu"),
)  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def custom(server: Any) -> None:
    """A kind of one's own, with a field besides spec and status."""
    anything = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    properties = {"spec": anything, "status": anything, "data": {"type": "string"}}
    made = crd("resets.example.org", {"properties": properties}, subresources={"status": {}})
    path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    assert server.request("POST", path, made).code == 201
    until(lambda: server.request("GET", "/apis/resets.example.org/v1/noxus").code == 200)


def body_of(kind: str, namespace: str) -> dict[str, Any]:
    """Return an object of a kind, with a name of the test's own."""
    version, name = kind.split()
    more = {"resets.example.org/v1 Noxu": "spec: {n: 1}\ndata: x", **MORE_KINDS}
    text = more.get(kind) or KINDS[kind][0]
    head = {
        "apiVersion": version,
        "kind": name,
        "metadata": {"name": NAMES.get(kind, f"x-{namespace[-5:]}")},
    }
    return {**head, **yaml.safe_load(text)}


@pytest.fixture(scope="module")
def resources(server: Any) -> dict[str, dict[str, Any]]:
    """Return what discovery says of every kind."""
    found: dict[str, dict[str, Any]] = {}
    groups = server.request("GET", "/apis").json["groups"]
    roots = [
        "/api/v1",
        *(f"/apis/{each['groupVersion']}" for g in groups for each in g["versions"]),
    ]
    for root in roots:
        version = root.removeprefix("/apis/").removeprefix("/api/")
        for each in server.request("GET", root).json["resources"]:
            if "/" not in each["name"]:
                found.setdefault(f"{version} {each['kind']}", {**each, "root": root})
    return found


def path_of(resource: dict[str, Any], namespace: str, name: str) -> str:
    within = f"/namespaces/{namespace}" if resource["namespaced"] else ""
    return f"{resource['root']}{within}/{resource['name']}/{name}"


def owned(obj: dict[str, Any], manager: str) -> dict[str, Any]:
    entries = obj["metadata"].get("managedFields", [])
    (found,) = [each for each in entries if each["manager"] == manager] or [{"fieldsV1": {}}]
    fields: dict[str, Any] = found["fieldsV1"]
    return fields


@pytest.mark.parametrize("kind", RESETS)
def test_apply_reset_fields(server: Any, namespace: str, resources: Any, kind: str) -> None:
    first, (spec, status, other) = body_of(kind, namespace), RESETS[kind]
    path = path_of(resources[kind], namespace, first["metadata"]["name"])
    first["status"] = yaml.safe_load(status)
    first["metadata"]["labels"] = {"a": "b"}
    second = copy.deepcopy(first)
    for key, value in yaml.safe_load(spec).items():
        second[key] = {**second[key], **value} if isinstance(value, dict) else value
    second["status"] = yaml.safe_load(other)
    second["metadata"]["labels"] = {"a": "c"}

    def apply(where: str, manager: str, obj: dict[str, Any]) -> Any:
        return server.request("PATCH", f"{where}?fieldManager={manager}", obj, headers=APPLY)

    made = apply(path, "one", first)
    assert made.code == 201, made.json
    assert "f:status" not in owned(made.json, "one")
    status_of_second = {key: second[key] for key in ("apiVersion", "kind", "status")}
    status_of_second["metadata"] = {"name": first["metadata"]["name"]}
    if kind in CLOSED:  # Whatever else is said does not count.
        status_of_second = second
    answer = apply(f"{path}/status", "two", status_of_second)
    assert answer.code == 200, answer.json
    assert owned(answer.json, "two").keys() == {"f:status"}
    assert answer.json["metadata"]["labels"] == {"a": "b"}
    assert apply(path, "two", second).code == 409
    assert apply(f"{path}/status", "one", first).code == 409
    server.request("DELETE", f"{path}?gracePeriodSeconds=0")


@pytest.mark.parametrize("kind", RESETS)
def test_a_patch_of_the_status_may_annotate(
    server: Any, namespace: str, resources: Any, kind: str
) -> None:
    """Conformance tests of many kinds patch `/status` with an annotation, and look for it."""
    body, (_, status, other) = body_of(kind, namespace), RESETS[kind]
    path = path_of(resources[kind], namespace, body["metadata"]["name"])
    assert server.request("POST", path.rpartition("/")[0], body).code == 201
    patch = {"metadata": {"annotations": {"p": "true"}}, "status": yaml.safe_load(status)}
    patched = server.request("PATCH", f"{path}/status", patch, headers=MERGE)
    assert patched.code == 200, patched.json
    annotations = patched.json["metadata"].get("annotations") or {}
    assert ("p" in annotations) is (kind not in CLOSED)
    assert patch["status"].items() <= patched.json["status"].items()
    changed = {**patched.json, "status": {**patched.json["status"], **yaml.safe_load(other)}}
    changed["spec"] = {**changed["spec"], "no": "such field"}
    updated = server.request("PUT", f"{path}/status?fieldValidation=Ignore", changed)
    assert updated.code == 200, updated.json
    assert yaml.safe_load(other).items() <= updated.json["status"].items()
    assert updated.json["spec"] == patched.json["spec"]
    seen = server.request("GET", f"{path}/status").json
    assert (seen["kind"], seen["status"]) == (kind.split()[1], updated.json["status"])
    server.request("DELETE", f"{path}?gracePeriodSeconds=0")


#: Kinds that count generations: 1 where they are made, and one more where the field changes.
COUNTED = {
    "v1 PodTemplate": "template: {spec: {containers: [{name: c, image: other}]}}",
    "v1 ReplicationController": "spec: {replicas: 3}",
    "apps/v1 Deployment": "spec: {replicas: 3}",
    "apps/v1 ReplicaSet": "spec: {replicas: 3}",
    "apps/v1 DaemonSet": "spec: {minReadySeconds: 3}",
    "apps/v1 StatefulSet": "spec: {replicas: 3}",
    "batch/v1 Job": "spec: {parallelism: 3}",
    "batch/v1 CronJob": "spec: {suspend: true}",
    "policy/v1 PodDisruptionBudget": "spec: {minAvailable: 3}",
    "networking.k8s.io/v1 Ingress": "spec: {ingressClassName: y}",
    "networking.k8s.io/v1 IngressClass": "spec: {parameters: {kind: x, name: y}}",
    "networking.k8s.io/v1 NetworkPolicy": "spec: {policyTypes: [Egress]}",
    "flowcontrol.apiserver.k8s.io/v1 FlowSchema": "spec: {matchingPrecedence: 3}",
    "flowcontrol.apiserver.k8s.io/v1 PriorityLevelConfiguration": (
        "spec: {limited: {nominalConcurrencyShares: 6}}"
    ),
    "admissionregistration.k8s.io/v1 ValidatingAdmissionPolicy": "spec: {failurePolicy: Ignore}",
    "resets.example.org/v1 Noxu": "data: y",
}
#: Kinds that never say one.
UNCOUNTED = (
    *("v1 ConfigMap", "v1 Secret", "v1 ServiceAccount", "v1 LimitRange", "v1 ResourceQuota"),
    *("v1 PersistentVolume", "v1 PersistentVolumeClaim", "v1 Service", "v1 Pod", "v1 Node"),
    *("apps/v1 ControllerRevision", "autoscaling/v2 HorizontalPodAutoscaler"),
    *("node.k8s.io/v1 RuntimeClass", "coordination.k8s.io/v1 Lease"),
    *(f"storage.k8s.io/v1 {name}" for name in ("StorageClass", "VolumeAttachment", "CSINode")),
    *(f"rbac.authorization.k8s.io/v1 {name}" for name in ("Role", "RoleBinding", "ClusterRole")),
    *("apiregistration.k8s.io/v1 APIService", "networking.k8s.io/v1 IPAddress"),
    *("networking.k8s.io/v1 ServiceCIDR", "storage.k8s.io/v1 CSIDriver"),
)


@pytest.mark.parametrize("kind", COUNTED)
def test_generation_counts_changes_of_the_spec(
    server: Any, namespace: str, resources: Any, kind: str
) -> None:
    body = body_of(kind, namespace)
    path = path_of(resources[kind], namespace, body["metadata"]["name"])
    made = server.request("POST", path.rpartition("/")[0], body)
    assert made.code == 201, made.json

    def generation_after(patch: dict[str, Any], where: str = path) -> int:
        answer = server.request("PATCH", where, patch, headers=MERGE)
        assert answer.code == 200, answer.json
        found: int = answer.json["metadata"]["generation"]
        return found

    assert made.json["metadata"]["generation"] == 1
    assert generation_after({"metadata": {"labels": {"x": "y"}}}) == 1
    assert generation_after({"metadata": {"annotations": {"x": "y"}, "generation": 9}}) == 1
    assert generation_after(yaml.safe_load(COUNTED[kind])) == 2
    assert generation_after(yaml.safe_load(COUNTED[kind])) == 2
    server.request("DELETE", path)


@pytest.mark.parametrize("kind", UNCOUNTED)
def test_other_kinds_have_no_generation(
    server: Any, namespace: str, resources: Any, kind: str
) -> None:
    body = body_of(kind, namespace)
    path = path_of(resources[kind], namespace, body["metadata"]["name"])
    made = server.request("POST", path.rpartition("/")[0], body)
    assert made.code == 201, made.json
    patched = server.request("PATCH", path, {"metadata": {"labels": {"x": "y"}}}, headers=MERGE)
    assert patched.code == 200, patched.json
    assert "generation" not in patched.json["metadata"]
    server.request("DELETE", f"{path}?gracePeriodSeconds=0")
