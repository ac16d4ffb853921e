"""Nobody gives what he does not have (upstream: policybased storage, rule_test.go)."""

from __future__ import annotations

import pytest

from controlplane.apiserver.authn import User
from controlplane.apiserver.authz.authorizer import Authorizer
from controlplane.apiserver.authz.escalation import check_binding, check_role
from kubeapi.resources import CLUSTERROLES, ROLEBINDINGS, ROLES
from kubeapi.status import StatusError

ALICE = User("alice", ("staff", "system:authenticated"))
ADMIN = User("admin", ("system:masters",))
GROUP = "rbac.authorization.k8s.io"


def rule(verbs, resources, group="", names=()):
    made = {"verbs": verbs.split(), "apiGroups": [group], "resources": resources.split()}
    return made | ({"resourceNames": [*names]} if names else {})


def role(name, rules, namespace="a", **more):
    metadata = {"name": name, **({"namespace": namespace} if namespace else {})}
    return {"metadata": metadata, "rules": rules, **more}


def binding(name, to, namespace="a", kind="Role"):
    metadata = {"name": name, **({"namespace": namespace} if namespace else {})}
    return {"metadata": metadata, "roleRef": {"kind": kind, "name": to}, "subjects": []}


def authorizer(*rules, namespace="a"):
    made = Authorizer(lambda _plural, _namespace, _name: None)
    made.rbac.put_role(role("own", [*rules], namespace))
    kind = "Role" if namespace else "ClusterRole"
    held = binding("own", "own", namespace, kind)
    held["subjects"] = [{"kind": "User", "name": "alice"}]
    made.rbac.put_binding(held)
    return made


def test_a_role_of_ones_own_rights():
    check_role(
        authorizer(rule("get list", "pods")), ALICE, ROLES, role("r", [rule("get", "pods")]), None
    )


def test_a_role_with_more_rights_is_refused_in_upstreams_words():
    wanted = role("r", [rule("get list", "pods"), rule("get", "secrets", names=["s"])])
    with pytest.raises(StatusError) as refused:
        check_role(authorizer(rule("get", "pods")), ALICE, ROLES, wanted, None)
    assert refused.value.code == 403
    assert refused.value.message == (
        'roles.rbac.authorization.k8s.io "r" is forbidden: user "alice" (groups=["staff" '
        '"system:authenticated"]) is attempting to grant RBAC permissions not currently held:\n'
        '{APIGroups:[""], Resources:["pods"], Verbs:["list"]}\n'
        '{APIGroups:[""], Resources:["secrets"], ResourceNames:["s"], Verbs:["get"]}'
    )


def test_masters_and_who_may_escalate_write_any_role():
    wanted = role("r", [rule("*", "*", "*")])
    check_role(authorizer(), ADMIN, ROLES, wanted, None)
    check_role(authorizer(rule("escalate", "roles", GROUP)), ALICE, ROLES, wanted, None)
    named = authorizer(rule("escalate", "roles", GROUP, ["r"]))
    check_role(named, ALICE, ROLES, wanted, role("r", []))
    with pytest.raises(StatusError):
        check_role(named, ALICE, ROLES, wanted, None)  # A create names nothing.


def test_what_stays_as_it_is_is_not_judged():
    old = role("r", [rule("*", "*", "*")])
    labelled = {**old, "metadata": {**old["metadata"], "labels": {"a": "b"}}}
    check_role(authorizer(), ALICE, ROLES, labelled, old)
    collected = {**old, "metadata": {**old["metadata"], "finalizers": []}}
    check_role(authorizer(), ALICE, ROLES, collected, old)
    bound = binding("b", "big")
    check_binding(authorizer(), ALICE, ROLEBINDINGS, bound, bound)


def test_aggregation_needs_every_right():
    selectors = {"clusterRoleSelectors": [{"matchLabels": {"a": "b"}}]}
    wanted = role("r", [], "", aggregationRule=selectors)
    with pytest.raises(StatusError, match="not currently held"):
        check_role(authorizer(rule("get", "pods"), namespace=""), ALICE, CLUSTERROLES, wanted, None)
    whole = authorizer(
        rule("*", "*", "*"), {"verbs": ["*"], "nonResourceURLs": ["*"]}, namespace=""
    )
    check_role(whole, ALICE, CLUSTERROLES, wanted, None)


def test_a_binding_to_a_role_of_ones_own_rights():
    made = authorizer(rule("get list", "pods"))
    made.rbac.put_role(role("small", [rule("get", "pods")]))
    made.rbac.put_role(role("big", [rule("delete", "pods")]))
    check_binding(made, ALICE, ROLEBINDINGS, binding("b", "small"), None)
    with pytest.raises(StatusError) as refused:
        check_binding(made, ALICE, ROLEBINDINGS, binding("b", "big"), None)
    assert refused.value.code == 403
    assert refused.value.message.startswith(
        'rolebindings.rbac.authorization.k8s.io "b" is forbidden: user "alice"'
    )
    with pytest.raises(StatusError) as refused:
        check_binding(made, ALICE, ROLEBINDINGS, binding("b", "none"), None)
    assert (refused.value.code, refused.value.message) == (
        404,
        'roles.rbac.authorization.k8s.io "none" not found',
    )


@pytest.mark.parametrize(("kind", "resource"), [("Role", "roles"), ("ClusterRole", "clusterroles")])
def test_who_may_bind_binds_any_role(kind, resource):
    made = authorizer(rule("bind", resource, GROUP, ["big"]))
    check_binding(made, ALICE, ROLEBINDINGS, binding("b", "big", kind=kind), None)
    with pytest.raises(StatusError):
        check_binding(made, ALICE, ROLEBINDINGS, binding("b", "bigger", kind=kind), None)
