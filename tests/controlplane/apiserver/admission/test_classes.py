"""What the names of classes mean: Priority, RuntimeClass, DefaultStorageClass, …Resize.

Upstream's admission_test of each, against a real server process.
"""

from __future__ import annotations

import pytest

PRIORITIES = "/apis/scheduling.k8s.io/v1/priorityclasses"
RUNTIMES = "/apis/node.k8s.io/v1/runtimeclasses"
STORAGE = "/apis/storage.k8s.io/v1/storageclasses"
MERGE = {"Content-Type": "application/merge-patch+json"}


@pytest.fixture
def pods(server, namespace: str) -> str:
    accounts = f"/api/v1/namespaces/{namespace}/serviceaccounts"
    server.request("POST", accounts, {"metadata": {"name": "default"}})
    return f"/api/v1/namespaces/{namespace}/pods"


@pytest.fixture
def make(server, pods):
    def make(name, **spec):
        body = {"containers": [{"name": "c", "image": "i"}], **spec}
        return server.request("POST", pods, {"metadata": {"name": name}, "spec": body})

    return make


@pytest.fixture
def put(server):
    """Create cluster-wide objects that go when the test ends."""
    made = []

    def put(path, name, **body):
        reply = server.request("POST", path, {"metadata": {"name": name}, **body})
        if reply.code == 201:
            made.append(f"{path}/{name}")
        return reply

    yield put
    for path in made:
        server.request("DELETE", path)


def test_a_pod_without_a_class_has_no_priority(make):
    spec = make("p").json["spec"]
    assert (spec["priority"], spec["preemptionPolicy"]) == (0, "PreemptLowerPriority")
    assert "priorityClassName" not in spec


def test_the_system_classes_are_there(make):
    assert make("p", priorityClassName="system-node-critical").json["spec"]["priority"] == (
        2_000_001_000
    )


def test_a_class_gives_its_number_and_its_policy(make, put):
    assert put(PRIORITIES, "high", value=1000, preemptionPolicy="Never").code == 201
    spec = make("p", priorityClassName="high").json["spec"]
    assert (spec["priority"], spec["preemptionPolicy"]) == (1000, "Never")
    assert make("q", priorityClassName="high", priority=1000).code == 201


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        ({"priorityClassName": "none"}, "no PriorityClass with name none was found"),
        ({"priority": 5}, "the integer value of priority (5) must not be provided in pod spec; "
         "priority admission controller computed 0 from the given PriorityClass name"),
        ({"preemptionPolicy": "Never"}, "the string value of PreemptionPolicy (Never) must not be "
         "provided in pod spec; priority admission controller computed PreemptLowerPriority from "
         "the given PriorityClass name"),
    ],
)  # fmt: skip
def test_what_a_pod_may_not_say(make, spec, why):
    refused = make("p", **spec)
    assert (refused.code, refused.json["message"]) == (403, f'pods "p" is forbidden: {why}')


def test_the_default_class_is_one(make, put, server):
    assert put(PRIORITIES, "usual", value=7, globalDefault=True).code == 201
    spec = make("p").json["spec"]
    assert (spec["priorityClassName"], spec["priority"]) == ("usual", 7)
    assert put(PRIORITIES, "other", value=9).code == 201
    for reply in (
        put(PRIORITIES, "second", value=8, globalDefault=True),
        server.request("PATCH", f"{PRIORITIES}/other", {"globalDefault": True}, headers=MERGE),
    ):
        assert reply.code == 403
        assert "PriorityClass usual is already marked as default" in reply.json["message"]


def test_an_update_keeps_the_priority(make, put, server, pods):
    put(PRIORITIES, "high", value=1000)
    pod = make("p", priorityClassName="high").json
    del pod["spec"]["priority"], pod["spec"]["preemptionPolicy"]
    pod["metadata"]["labels"] = {"a": "b"}
    assert server.request("PUT", f"{pods}/p", pod).json["spec"]["priority"] == 1000


def test_a_runtime_costs_something_and_runs_somewhere(make, put):
    scheduling = {"nodeSelector": {"rt": "vm"}, "tolerations": [{"key": "vm"}]}
    fixed = {"podFixed": {"cpu": "100m"}}
    reply = put(RUNTIMES, "vm", handler="kata", overhead=fixed, scheduling={
        "nodeSelector": scheduling["nodeSelector"],
        "tolerations": [{"key": "vm", "operator": "Exists"}],
    })  # fmt: skip
    assert reply.code == 201
    spec = make("p", runtimeClassName="vm", nodeSelector={"a": "b"}).json["spec"]
    assert spec["overhead"] == {"cpu": "100m"}
    assert spec["nodeSelector"] == {"a": "b", "rt": "vm"}
    assert {"key": "vm", "operator": "Exists"} in spec["tolerations"]
    conflict = make("q", runtimeClassName="vm", nodeSelector={"rt": "bare"})
    assert conflict.json["message"] == (
        'pods "q" is forbidden: conflict: runtimeClass.scheduling.nodeSelector[rt] = vm; '
        "pod.spec.nodeSelector[rt] = bare"
    )
    other = make("r", runtimeClassName="vm", overhead={"cpu": "1"})
    assert "Pod's Overhead doesn't match RuntimeClass's" in other.json["message"]


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        ({"runtimeClassName": "none"}, 'RuntimeClass "none" not found'),
        ({"overhead": {"cpu": "1"}},
         "Pod Overhead set without corresponding RuntimeClass defined Overhead"),
    ],
)  # fmt: skip
def test_runtimes_that_are_not_there(make, spec, why):
    refused = make("p", **spec)
    assert refused.code == 403
    assert refused.json["message"] == f'pods "p" is forbidden: pod rejected: {why}'


@pytest.fixture
def claim(server, namespace):
    def claim(name, **spec):
        wanted = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
        path = f"/api/v1/namespaces/{namespace}/persistentvolumeclaims"
        reply = server.request("POST", path, {"metadata": {"name": name}, "spec": wanted | spec})
        assert reply.code == 201, reply.json
        return f"{path}/{name}", reply.json

    return claim


def test_a_claim_without_a_class_gets_the_default_one(claim, put):
    assert "storageClassName" not in claim("before")[1]["spec"]
    default = {"storageclass.kubernetes.io/is-default-class": "true"}
    put(STORAGE, "plain", provisioner="example.com/x")
    assert "storageClassName" not in claim("still")[1]["spec"]
    put(STORAGE, "best", metadata={"name": "best", "annotations": default},
        provisioner="example.com/x")  # fmt: skip
    assert claim("now")[1]["spec"]["storageClassName"] == "best"
    assert claim("none", storageClassName="")[1]["spec"]["storageClassName"] == ""
    assert claim("named", storageClassName="plain")[1]["spec"]["storageClassName"] == "plain"


def test_only_claims_whose_class_allows_it_grow(claim, put, server):
    put(STORAGE, "stiff", provisioner="example.com/x")
    put(STORAGE, "soft", provisioner="example.com/x", allowVolumeExpansion=True)
    grown = {"spec": {"resources": {"requests": {"storage": "2Gi"}}}}
    for name, code in (("stiff", 403), ("soft", 200)):
        path, _ = claim(name, storageClassName=name)
        bound = {"status": {"phase": "Bound", "capacity": {"storage": "1Gi"}}}
        assert server.request("PATCH", f"{path}/status", bound, headers=MERGE).code == 200
        assert server.request("PATCH", path, grown, headers=MERGE).code == code
    path, _ = claim("free", storageClassName="soft")
    refused = server.request("PATCH", path, grown, headers=MERGE)
    assert "spec is immutable after creation except resources.requests" in refused.json["message"]
