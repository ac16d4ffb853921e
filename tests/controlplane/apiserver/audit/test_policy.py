"""Which rule fits, and which policies make no sense (upstream: checker_test.go)."""

from __future__ import annotations

import pytest

from controlplane.apiserver.audit.policy import BadPolicy, load
from controlplane.apiserver.authn import User
from controlplane.apiserver.request_info import parse_request_info

TIM = User("tim@k8s.io", ("humans", "developers"))

RULES = {
    "default": {"level": "Metadata"},
    "create": {"level": "Request", "verbs": ["create"]},
    "tims": {"level": "Metadata", "users": ["tim@k8s.io"]},
    "humans": {"level": "Metadata", "userGroups": ["humans"]},
    "serviceAccounts": {"level": "RequestResponse", "userGroups": ["system:serviceaccounts"]},
    "getPods": {
        "level": "RequestResponse",
        "verbs": ["get"],
        "resources": [{"resources": ["pods"]}],
    },
    "getPodLogs": {
        "level": "Request",
        "verbs": ["get"],
        "resources": [{"resources": ["pods/log"]}],
    },
    "getPodWildcard": {"level": "Request", "resources": [{"resources": ["*"]}]},
    "getPodResWildcardMatching": {"level": "Request", "resources": [{"resources": ["*/log"]}]},
    "getPodAllSubresources": {"level": "Request", "resources": [{"resources": ["pods/*"]}]},
    "getNamedPod": {
        "level": "Request",
        "resources": [{"resources": ["pods"], "resourceNames": ["busybox"]}],
    },
    "getOtherPod": {
        "level": "Request",
        "resources": [{"resources": ["pods"], "resourceNames": ["other"]}],
    },
    "getClusterRoles": {
        "level": "Request",
        "resources": [{"group": "rbac.authorization.k8s.io", "resources": ["clusterroles"]}],
        "namespaces": [""],
    },
    "allOfCore": {"level": "Request", "resources": [{}]},
    "inDefault": {"level": "Request", "namespaces": ["default"]},
    "inOther": {"level": "Request", "namespaces": ["other"]},
    "getLogs": {"level": "Request", "verbs": ["get"], "nonResourceURLs": ["/logs*"]},
    "getMetrics": {"level": "Request", "verbs": ["get"], "nonResourceURLs": ["/metrics"]},
    "none": {"level": "None"},
}
POD = "/api/v1/namespaces/default/pods/busybox"


def level_of(names, method="GET", path=POD, user=TIM, **more):
    rules = [RULES[name] for name in names]
    policy = load(str({"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "rules": rules, **more}))
    return policy.judge(user, parse_request_info(method, path, {})).level


@pytest.mark.parametrize(
    ("names", "path", "level"),
    [
        (["default"], POD, "Metadata"),
        (["create"], POD, "None"),
        (["create", "default"], POD, "Metadata"),
        (["tims"], POD, "Metadata"),
        (["humans"], POD, "Metadata"),
        (["serviceAccounts"], POD, "None"),
        (["getPods"], POD, "RequestResponse"),
        (["getPods"], f"{POD}/log", "None"),
        (["getPodLogs"], f"{POD}/log", "Request"),
        (["getPodLogs"], POD, "None"),
        (["getPodWildcard"], f"{POD}/log", "Request"),
        (["getPodResWildcardMatching"], f"{POD}/log", "Request"),
        (["getPodResWildcardMatching"], f"{POD}/status", "None"),
        (["getPodAllSubresources"], f"{POD}/log", "Request"),
        (["getNamedPod"], POD, "Request"),
        (["getOtherPod"], POD, "None"),
        (["getClusterRoles"], "/apis/rbac.authorization.k8s.io/v1/clusterroles/edit", "Request"),
        (["getClusterRoles"], POD, "None"),
        (["allOfCore"], POD, "Request"),
        (["allOfCore"], "/apis/apps/v1/deployments", "None"),
        (["inDefault"], POD, "Request"),
        (["inOther"], POD, "None"),
        (["getPods"], "/logs/kubelet.log", "None"),
        (["getLogs"], "/logs/kubelet.log", "Request"),
        (["getMetrics"], "/metrics", "Request"),
        (["getMetrics"], POD, "None"),
        (["none", "default"], POD, "None"),
    ],
)
def test_the_first_rule_that_fits_counts(names, path, level):
    assert level_of(names, path=path) == level


def test_stages_and_managed_fields():
    text = """
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
omitManagedFields: true
rules:
- {level: Metadata, verbs: [get], omitStages: [ResponseStarted], omitManagedFields: false}
- level: Metadata
"""
    policy = load(text)
    found = policy.judge(TIM, parse_request_info("GET", POD, {}))
    assert found.omitted == ("RequestReceived", "ResponseStarted")
    assert not found.omits_managed_fields
    found = policy.judge(TIM, parse_request_info("DELETE", POD, {}))
    assert found.omitted == ("RequestReceived",)
    assert found.omits_managed_fields


HEAD = "apiVersion: audit.k8s.io/v1\nkind: Policy\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "Expected `object`"),
        ("{", "expected"),
        (HEAD, "no rules"),
        ("apiVersion: v1\nkind: Policy\nrules: [{level: None}]", "a Policy of audit.k8s.io/v1"),
        (HEAD + "rules: [{level: Verbose}]", "Verbose"),
        (HEAD + "rules: [{}]", "level"),
        (HEAD + "rules: [{level: Metadata, verb: [get]}]", "verb"),
        (HEAD + "rules: [{level: Metadata, omitStages: [x]}]", "x"),
        (HEAD + "rules: [{level: Metadata, nonResourceURLs: [logs]}]", "does not begin with /"),
        (HEAD + "rules: [{level: Metadata, nonResourceURLs: ['/a*b']}]", "a star before its end"),
        (
            HEAD + "rules: [{level: Metadata, nonResourceURLs: [/a], namespaces: [b]}]",
            "both regular resources",
        ),
        (HEAD + "rules: [{level: Metadata, resources: [{group: apps/v1}]}]", "only the group"),
        (
            HEAD + "rules: [{level: Metadata, resources: [{resourceNames: [a]}]}]",
            "requires at least one resource",
        ),
        (HEAD + "rules: [{level: Metadata, resources: [{resources: [a/b/c]}]}]", "no resource"),
        (HEAD + "rules: " + "[" * 5000, "deeper"),
    ],
)
def test_policies_that_make_no_sense(text, words):
    with pytest.raises(BadPolicy, match=words):
        load(text)
