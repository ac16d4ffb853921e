"""The three who are asked, one after another."""

from __future__ import annotations

from controlplane.apiserver.authn import User
from controlplane.apiserver.authz.authorizer import Authorizer, denial
from controlplane.apiserver.authz.bootstrap_policy.reconcile import policy
from controlplane.apiserver.request_info import parse_request_info

ADMIN = User("admin", ("system:masters",))
NODE = User("system:node:n1", ("system:nodes", "system:authenticated"))
SOMEBODY = User("somebody", ("system:authenticated",))
NOBODY = User("system:anonymous", ("system:unauthenticated",))
ACCOUNT = User("system:serviceaccount:a:x", ("system:serviceaccounts", "system:authenticated"))
SCHEDULER = User("system:kube-scheduler", ("system:authenticated",))
MANAGER = User("system:kube-controller-manager", ("system:authenticated",))


def authorizer():
    made = Authorizer(lambda _plural, _namespace, _name: None)
    for obj in policy():
        put = made.rbac.put_binding if "roleRef" in obj else made.rbac.put_role
        put(obj)
    return made


AUTHORIZER = authorizer()


def may(user, method, path, query=None):
    info = parse_request_info(method, path, query or {})
    decision = AUTHORIZER.authorize(user, info)
    assert AUTHORIZER.explain(user, info).allowed is decision.allowed
    return decision.allowed


POD = "/api/v1/namespaces/a/pods/p"
NODES = "/api/v1/nodes"


def test_masters_may_do_everything():
    assert may(ADMIN, "DELETE", NODES)
    assert may(ADMIN, "GET", "/debug")
    assert AUTHORIZER.explain(ADMIN, parse_request_info("GET", NODES, {})).reason == ""


def test_who_is_not_known_reads_health_and_version():
    for path in ("/healthz", "/livez", "/readyz", "/version", "/version/"):
        assert may(NOBODY, "GET", path)
    for path in ("/api", "/apis", "/metrics", "/healthz/etcd", "/openapi/v3", "/", NODES):
        assert not may(NOBODY, "GET", path)


def test_who_is_known_may_ask_what_there_is_and_about_himself():
    for path in ("/api", "/apis", "/apis/apps", "/apis/apps/v1", "/openapi/v3/api/v1", "/readyz"):
        assert may(SOMEBODY, "GET", path)
    assert may(SOMEBODY, "POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews")
    assert may(SOMEBODY, "POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews")
    assert not may(SOMEBODY, "POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews")
    assert not may(SOMEBODY, "POST", "/apis/authentication.k8s.io/v1/tokenreviews")
    assert not may(SOMEBODY, "GET", "/metrics")
    assert not may(SOMEBODY, "GET", POD)


def test_accounts_find_the_issuers_keys():
    assert may(ACCOUNT, "GET", "/openid/v1/jwks")
    assert not may(SOMEBODY, "GET", "/openid/v1/jwks")


def test_a_node_may_what_the_node_authorizer_allows_and_what_it_is_bound_to():
    assert may(NODE, "GET", "/api/v1/pods", {"fieldSelector": "spec.nodeName=n1"})
    assert may(NODE, "PATCH", f"{NODES}/n1/status")
    assert may(NODE, "GET", NODES)
    assert may(NODE, "GET", "/apis/networking.k8s.io/v1/networkpolicies")
    assert not may(NODE, "GET", "/api/v1/secrets")
    assert not may(NODE, "DELETE", f"{NODES}/n1")
    refusal = AUTHORIZER.refusal(
        NODE, parse_request_info("GET", f"{POD}s".replace("pods", "secrets"), {})
    )
    assert refusal.message.endswith("no relationship found between node 'n1' and this object")


def test_the_control_plane_has_its_roles():
    assert may(SCHEDULER, "POST", f"{POD}/binding")
    assert may(SCHEDULER, "PATCH", f"{POD}/status")
    assert not may(SCHEDULER, "PUT", f"{NODES}/n1")
    leases = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases"
    assert may(SCHEDULER, "PUT", f"{leases}/kube-scheduler")
    assert not may(SCHEDULER, "PUT", f"{leases}/kube-controller-manager")
    assert may(MANAGER, "DELETE", f"{NODES}/n1")
    assert not may(MANAGER, "GET", "/metrics")


def test_a_role_that_is_missing_is_told():
    made = Authorizer(lambda _plural, _namespace, _name: None)
    subjects = [{"kind": "User", "name": "somebody"}]
    reference = {"kind": "Role", "name": "r"}
    metadata = {"name": "b", "namespace": "a"}
    made.rbac.put_binding({"metadata": metadata, "roleRef": reference, "subjects": subjects})
    refusal = made.refusal(SOMEBODY, parse_request_info("GET", POD, {}))
    assert (refusal.code, refusal.message) == (
        403,
        'pods "p" is forbidden: User "somebody" cannot get resource "pods" in API group "" in the '
        'namespace "a": RBAC: role.rbac.authorization.k8s.io "r" not found',
    )


def test_denials_are_worded_as_upstream_words_them():
    info = parse_request_info("PUT", "/apis/apps/v1/namespaces/a/deployments/d/status", {})
    assert denial(User("u"), info) == (
        'User "u" cannot update resource "deployments/status" '
        'in API group "apps" in the namespace "a"'
    )
    info = parse_request_info("GET", "/api/v1/nodes", {})
    assert denial(User("u"), info).endswith("at the cluster scope")
    info = parse_request_info("GET", "/metrics", {})
    assert AUTHORIZER.refusal(User("u"), info).message == (
        'forbidden: User "u" cannot get path "/metrics"'
    )
