"""The table of rights, row by row."""

from __future__ import annotations

import pytest

from controlplane.apiserver.authn import User, user_of
from controlplane.apiserver.authz import authorize, denial, is_public, refers_to
from controlplane.apiserver.request_info import parse_request_info

ADMIN = User("admin", ("system:masters",))
SCHEDULER = User("system:kube-scheduler")
MANAGER = User("system:kube-controller-manager")
NODE = User("system:node:n1", ("system:nodes",))
IMPOSTOR = User("system:node:n1")  # The name without the group.
COREDNS = User("system:serviceaccount:kube-system:coredns", ("system:serviceaccounts",))
ACCOUNT = User("system:serviceaccount:a:default", ("system:serviceaccounts",))
POD = "/api/v1/namespaces/a/pods/p"
NODES = "/api/v1/nodes"
SECRETS = "/api/v1/namespaces/a/secrets"
LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"


@pytest.mark.parametrize(
    ("user", "method", "path", "allowed", "bound_to"),
    [
        (ADMIN, "DELETE", POD, True, ""),
        (ADMIN, "GET", "/metrics", True, ""),
        (SCHEDULER, "POST", f"{POD}/binding", True, ""),
        (SCHEDULER, "PATCH", f"{POD}/status", True, ""),
        (SCHEDULER, "GET", NODES, True, ""),
        (SCHEDULER, "PUT", f"{NODES}/n1", False, ""),
        (SCHEDULER, "POST", "/api/v1/namespaces/a/secrets", False, ""),
        (MANAGER, "PUT", "/api/v1/namespaces/a/finalize", True, ""),
        (MANAGER, "GET", "/metrics", False, ""),
        (NODE, "GET", NODES, True, ""),
        (NODE, "PATCH", f"{NODES}/n1/status", True, ""),
        (NODE, "PATCH", f"{NODES}/n2/status", False, ""),
        (NODE, "DELETE", f"{NODES}/n1", False, ""),
        (NODE, "PUT", f"{LEASES}/n1", True, ""),
        (NODE, "PUT", f"{LEASES}/n2", False, ""),
        (NODE, "PUT", LEASES.replace("kube-node-lease", "kube-system") + "/n1", False, ""),
        (NODE, "PUT", f"{POD}/status", True, "n1"),
        (NODE, "DELETE", POD, True, "n1"),
        (NODE, "DELETE", "/api/v1/namespaces/a/pods", False, ""),
        (NODE, "POST", "/api/v1/namespaces/a/events", True, ""),
        (NODE, "POST", "/api/v1/namespaces/a/pods", False, ""),
        (NODE, "GET", SECRETS, False, ""),
        (NODE, "GET", f"{SECRETS}/s", True, "n1"),
        (NODE, "PUT", f"{SECRETS}/s", False, ""),
        (NODE, "POST", "/api/v1/namespaces/a/serviceaccounts/default/token", True, ""),
        (COREDNS, "GET", "/apis/discovery.k8s.io/v1/endpointslices", True, ""),
        (COREDNS, "GET", "/api/v1/services", True, ""),
        (COREDNS, "GET", SECRETS, False, ""),
        (COREDNS, "GET", f"{NODES}/n1", True, ""),
        (COREDNS, "GET", NODES, False, ""),
        (ACCOUNT, "GET", "/api/v1/services", False, ""),
        (ACCOUNT, "GET", POD, False, ""),
        (ACCOUNT, "GET", "/api/v1", True, ""),
        (ACCOUNT, "POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", True, ""),
        (IMPOSTOR, "GET", NODES, False, ""),
        (User("x"), "GET", "/apis", True, ""),
        (User("x"), "GET", NODES, False, ""),
    ],
)
def test_rights(user, method, path, allowed, bound_to):
    decision = authorize(user, parse_request_info(method, path, {}))
    assert (decision.allowed, decision.bound_to) == (allowed, bound_to)


def test_what_is_public():
    for path in ("/healthz", "/livez/ping", "/readyz", "/version"):
        assert is_public(path)
    for path in ("/", "", "/versions", "/api", "/healthzz", "healthz"):
        assert not is_public(path)


def test_denials_are_worded_as_upstream_words_them():
    info = parse_request_info("PUT", "/apis/apps/v1/namespaces/a/deployments/d/status", {})
    assert denial(User("u"), info) == (
        'User "u" cannot update resource "deployments/status" '
        'in API group "apps" in the namespace "a"'
    )
    info = parse_request_info("GET", "/api/v1/nodes", {})
    assert denial(User("u"), info).endswith("at the cluster scope")


def test_users_come_from_certificates():
    subject = (
        (("organizationName", "system:nodes"),),
        (("organizationName", "more"),),
        (("commonName", "system:node:n1"),),
    )
    user = user_of({"subject": subject})
    assert user == User("system:node:n1", ("system:nodes", "more", "system:authenticated"))
    assert user_of(None) is None
    assert user_of({}) is None
    assert user_of({"subject": ((("organizationName", "o"),),)}) is None


def test_what_a_pod_refers_to():
    pod = {
        "spec": {
            "imagePullSecrets": [{"name": "pull"}],
            "volumes": [
                {"secret": {"secretName": "mounted"}},
                {"projected": {"sources": [{"secret": {"name": "projected"}}]}},
                {"configMap": {"name": "settings"}},
            ],
            "initContainers": [{"envFrom": [{"secretRef": {"name": "whole"}}]}],
            "containers": [
                {"env": [{"valueFrom": {"secretKeyRef": {"name": "key", "key": "k"}}}]},
            ],
        }
    }
    for name in ("pull", "mounted", "projected", "whole", "key"):
        assert refers_to(pod, "secrets", name)
    assert not refers_to(pod, "secrets", "settings")
    assert refers_to(pod, "configmaps", "settings")
    assert not refers_to(pod, "configmaps", "mounted")
