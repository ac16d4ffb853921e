"""Which schema a request belongs to (upstream: match_test.go, and the suggested configuration)."""

from __future__ import annotations

import pytest

from controlplane.apiserver.authn import User
from controlplane.apiserver.flowcontrol.schemas import FlowSchema, Schemas
from controlplane.apiserver.kinds.flowcontrol import mandatory
from controlplane.apiserver.request_info import parse_request_info
from kubeapi.objects import name_of

EVERYBODY = ("system:authenticated",)
JANE, NOBODY = User("jane", EVERYBODY), User("system:anonymous", ("system:unauthenticated",))
ADMIN = User("admin", ("system:masters", *EVERYBODY))
NODE = User("system:node:n", ("system:nodes", *EVERYBODY))
MANAGER = User("system:kube-controller-manager", EVERYBODY)
DNS = User("system:serviceaccount:kube-system:dns", ("system:serviceaccounts", *EVERYBODY))
WEB = User("system:serviceaccount:shop:web", ("system:serviceaccounts", *EVERYBODY))


def asked(method, path, **query):
    return parse_request_info(method, path, query)


LEASE = asked("PUT", "/apis/coordination.k8s.io/v1/namespaces/a/leases/l")
PODS, POD = asked("GET", "/api/v1/pods"), asked("GET", "/api/v1/namespaces/a/pods/p")
NODE_STATUS = asked("PATCH", "/api/v1/nodes/n/status")
ENDPOINTS = asked("POST", "/api/v1/namespaces/a/endpoints")


def standard():
    schemas = Schemas()
    levels = [name_of(each) for each in mandatory.objects("PriorityLevelConfiguration")]
    schemas.replace(mandatory.objects("FlowSchema"), levels)
    return schemas


@pytest.mark.parametrize(
    ("info", "user", "schema", "level"),
    [
        (PODS, ADMIN, "exempt", "exempt"),
        (asked("GET", "/healthz"), NOBODY, "probes", "exempt"),
        (asked("GET", "/healthz/ping"), NOBODY, "global-default", "global-default"),
        (LEASE, MANAGER, "system-leader-election", "leader-election"),
        (ENDPOINTS, MANAGER, "endpoint-controller", "workload-high"),
        (POD, MANAGER, "kube-controller-manager", "workload-high"),
        (LEASE, DNS, "system-leader-election", "leader-election"),
        (POD, DNS, "kube-system-service-accounts", "workload-high"),
        (POD, WEB, "service-accounts", "workload-low"),
        (LEASE, NODE, "system-node-high", "node-high"),
        (NODE_STATUS, NODE, "system-node-high", "node-high"),
        (PODS, NODE, "system-nodes", "system"),
        (POD, JANE, "global-default", "global-default"),
        (PODS, NOBODY, "global-default", "global-default"),
        (PODS, User("odd"), "catch-all", "catch-all"),
    ],
)
def test_the_standard_schemas(info, user, schema, level):
    found = standard().of(info, user)
    assert (found.name, found.level) == (schema, level)


def schema(name="s", precedence=500, level="system", method="", **rule):
    rule = {"subjects": [{"kind": "User", "user": {"name": "jane"}}], **rule}
    spec = {
        "priorityLevelConfiguration": {"name": level},
        "matchingPrecedence": precedence,
        "rules": [rule],
        **({"distinguisherMethod": {"type": method}} if method else {}),
    }
    return {"metadata": {"name": name, "uid": f"u-{name}"}, "spec": spec}


def about(verbs=("*",), groups=("*",), resources=("*",), namespaces=("*",), **more):
    return {
        "verbs": verbs, "apiGroups": groups, "resources": resources, "namespaces": namespaces,
    } | more  # fmt: skip


@pytest.mark.parametrize(
    ("rule", "info", "matches"),
    [
        (about(), POD, True),
        (about(), PODS, False),
        (about(clusterScope=True), PODS, True),
        (about(namespaces=(), clusterScope=True), POD, False),
        (about(namespaces=("a", "b")), POD, True),
        (about(namespaces=("b",)), POD, False),
        (about(verbs=("list",)), POD, False),
        (about(verbs=("get",), groups=("",), resources=("pods",)), POD, True),
        (about(groups=("apps",)), POD, False),
        (about(resources=("services",)), POD, False),
        (about(resources=("nodes",), clusterScope=True), NODE_STATUS, False),
        (about(resources=("nodes/status",), clusterScope=True), NODE_STATUS, True),
        (about(clusterScope=True), asked("GET", "/version"), False),
    ],
)
def test_rules_of_resources(rule, info, matches):
    assert FlowSchema(schema(resourceRules=[rule])).matches(info, JANE) is matches


@pytest.mark.parametrize(
    ("url", "path", "matches"),
    [
        ("*", "/version", True),
        ("/version", "/version", True),
        ("/version", "/version/x", False),
        ("/healthz/*", "/healthz/ping", True),
        ("/healthz/*", "/healthz", False),
    ],
)
def test_rules_of_paths(url, path, matches):
    rule = {"verbs": ["get"], "nonResourceURLs": [url]}
    made = FlowSchema(schema(nonResourceRules=[rule]))
    assert made.matches(asked("GET", path), JANE) is matches
    assert not made.matches(asked("POST", path), JANE)
    assert not made.matches(POD, JANE)


@pytest.mark.parametrize(
    ("subject", "user", "matches"),
    [
        ({"kind": "User", "user": {"name": "jane"}}, JANE, True),
        ({"kind": "User", "user": {"name": "*"}}, NOBODY, True),
        ({"kind": "User", "user": {"name": "john"}}, JANE, False),
        ({"kind": "Group", "group": {"name": "system:authenticated"}}, JANE, True),
        ({"kind": "Group", "group": {"name": "*"}}, User("odd"), True),
        ({"kind": "Group", "group": {"name": "system:nodes"}}, JANE, False),
        ({"kind": "ServiceAccount", "serviceAccount": {"namespace": "shop", "name": "web"}},
         WEB, True),
        ({"kind": "ServiceAccount", "serviceAccount": {"namespace": "shop", "name": "*"}},
         WEB, True),
        ({"kind": "ServiceAccount", "serviceAccount": {"namespace": "sho", "name": "*"}},
         WEB, False),
        ({"kind": "ServiceAccount", "serviceAccount": {"namespace": "shop", "name": "w"}},
         WEB, False),
    ],
)  # fmt: skip
def test_subjects(subject, user, matches):
    made = FlowSchema(schema(subjects=[subject], resourceRules=[about()]))
    assert made.matches(POD, user) is matches


def test_the_lowest_precedence_decides_then_the_name():
    rules = {"resourceRules": [about()]}
    schemas = Schemas()
    made = [
        schema("late", 600, **rules),
        schema("b", 500, **rules),
        schema("a", 500, **rules),
        schema("dangling", 2, level="nowhere", **rules),
    ]
    schemas.replace(made, ["system"])
    assert schemas.of(POD, JANE).name == "a"
    schemas.replace(made[:1], ["system"])  # What was remembered counts no longer.
    assert schemas.of(POD, JANE).name == "late"


def test_what_tells_flows_apart():
    rules = {"resourceRules": [about()]}
    for method, flow in (("ByUser", "jane"), ("ByNamespace", "a"), ("", "")):
        assert FlowSchema(schema(method=method, **rules)).flow(POD, JANE) == ("s", flow)
