"""Roles and bindings, put in and taken out again (upstream: rbac_test.go, rule_test.go)."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from controlplane.apiserver.authn import User
from controlplane.apiserver.authz.rbac import Rbac
from controlplane.apiserver.request_info import RequestInfo

ALICE = User("alice", ("staff", "system:authenticated"))
BOB = User("bob", ("system:authenticated",))
ROBOT = User("system:serviceaccount:a:robot", ("system:serviceaccounts",))


def role(name, *rules, namespace=""):
    metadata = {"name": name, **({"namespace": namespace} if namespace else {})}
    return {"metadata": metadata, "rules": [dict(rule) for rule in rules]}


def allow(verbs, resources, groups: Sequence[str] = ("",), **more):
    return {"verbs": [*verbs], "apiGroups": [*groups], "resources": [*resources], **more}


def binding(name, role_name, *subjects, namespace="", kind=""):
    metadata = {"name": name, **({"namespace": namespace} if namespace else {})}
    found = []
    for text in subjects:
        sort, subject = text.split(":", 1)
        found.append({"kind": sort, "name": subject})
    kind = kind or ("Role" if namespace else "ClusterRole")
    return {"metadata": metadata, "subjects": found, "roleRef": {"kind": kind, "name": role_name}}


def may(rbac, user, verb, resource, namespace="", name="", subresource=""):
    info = RequestInfo(
        verb=verb,
        path="",
        version="v1",
        namespace=namespace,
        resource=resource,
        name=name,
        subresource=subresource,
    )
    allowed = rbac.allows(user, info)
    assert bool(rbac.reason(user, info)) is allowed  # The slow way agrees.
    return allowed


def test_nobody_may_anything_at_first():
    assert not may(Rbac(), ALICE, "get", "pods")


def test_a_cluster_role_binding_holds_everywhere():
    rbac = Rbac()
    rbac.put_role(role("reader", allow(["get"], ["pods"])))
    rbac.put_binding(binding("b", "reader", "User:alice"))
    assert may(rbac, ALICE, "get", "pods")
    assert may(rbac, ALICE, "get", "pods", "a")
    assert not may(rbac, BOB, "get", "pods", "a")
    assert not may(rbac, ALICE, "list", "pods")


def test_a_role_binding_holds_in_its_namespace():
    rbac = Rbac()
    rbac.put_role(role("reader", allow(["get"], ["pods"])))
    rbac.put_role(role("writer", allow(["create"], ["pods"]), namespace="a"))
    rbac.put_binding(binding("b", "reader", "Group:staff", namespace="a", kind="ClusterRole"))
    rbac.put_binding(binding("c", "writer", "ServiceAccount:robot", namespace="a"))
    assert may(rbac, ALICE, "get", "pods", "a")
    assert not may(rbac, ALICE, "get", "pods", "b")
    assert not may(rbac, ALICE, "get", "pods")
    assert may(rbac, ROBOT, "create", "pods", "a")
    assert not may(rbac, ROBOT, "create", "pods", "b")


def test_an_account_of_another_namespace():
    rbac = Rbac()
    rbac.put_role(role("reader", allow(["get"], ["pods"])))
    bound = binding("b", "reader", "ServiceAccount:robot", namespace="b", kind="ClusterRole")
    bound["subjects"][0]["namespace"] = "a"
    rbac.put_binding(bound)
    assert may(rbac, ROBOT, "get", "pods", "b")
    assert not may(rbac, ROBOT, "get", "pods", "a")


def test_a_binding_may_come_before_its_role_and_outlive_it():
    rbac = Rbac()
    rbac.put_binding(binding("b", "reader", "User:alice"))
    assert not may(rbac, ALICE, "get", "pods")
    assert rbac.unresolved(ALICE, "") == [
        'clusterrole.rbac.authorization.k8s.io "reader" not found'
    ]
    rbac.put_role(role("reader", allow(["get"], ["pods"])))
    assert may(rbac, ALICE, "get", "pods")
    rbac.put_role(role("reader", allow(["list"], ["pods"])))
    assert not may(rbac, ALICE, "get", "pods")
    assert may(rbac, ALICE, "list", "pods")
    rbac.drop_role(("", "reader"))
    assert not may(rbac, ALICE, "list", "pods")
    rbac.drop_role(("", "reader"))


def test_a_binding_changes_its_subjects():
    rbac = Rbac()
    rbac.put_role(role("reader", allow(["get"], ["pods"])))
    rbac.put_binding(binding("b", "reader", "User:alice", "User:alice"))
    rbac.put_binding(binding("b", "reader", "User:bob"))
    assert not may(rbac, ALICE, "get", "pods")
    assert may(rbac, BOB, "get", "pods")
    rbac.drop_binding(("", "b"))
    rbac.drop_binding(("", "b"))
    assert not may(rbac, BOB, "get", "pods")


def test_bindings_without_subjects_come_and_go():
    rbac = Rbac()
    rbac.put_role(role("reader", allow(["get"], ["pods"])))
    rbac.put_binding(binding("empty", "reader", namespace="a", kind="ClusterRole"))
    rbac.put_binding(binding("b", "reader", "User:alice", namespace="a", kind="ClusterRole"))
    rbac.drop_binding(("a", "b"))
    rbac.drop_binding(("a", "empty"))
    rbac.put_binding(binding("empty", "reader", namespace="a", kind="ClusterRole"))
    rbac.put_role(role("reader", allow(["list"], ["pods"])))
    assert not may(rbac, ALICE, "list", "pods", "a")


def test_subresources_names_and_stars():
    rbac = Rbac()
    rbac.put_role(
        role(
            "r",
            allow(["*"], ["pods/log"]),
            allow(["get"], ["secrets"], resourceNames=["one"]),
            allow(["update"], ["*/scale"], ["*"]),
        )
    )
    rbac.put_binding(binding("b", "r", "User:alice"))
    assert may(rbac, ALICE, "get", "pods", "a", "p", "log")
    assert not may(rbac, ALICE, "get", "pods", "a", "p")
    assert may(rbac, ALICE, "get", "secrets", "a", "one")
    assert not may(rbac, ALICE, "get", "secrets", "a", "two")
    assert not may(rbac, ALICE, "list", "secrets", "a")
    assert may(rbac, ALICE, "update", "deployments", "a", "d", "scale")


def test_paths_are_never_allowed_by_a_namespace():
    rbac = Rbac()
    rbac.put_role(
        {"metadata": {"name": "m"}, "rules": [{"verbs": ["get"], "nonResourceURLs": ["*"]}]}
    )
    rbac.put_binding(binding("b", "m", "User:bob"))
    rbac.put_binding(binding("b", "m", "User:alice", namespace="a", kind="ClusterRole"))
    info = RequestInfo(verb="get", path="/metrics")
    assert rbac.allows(BOB, info)
    assert not rbac.allows(ALICE, info)


def test_reasons_are_upstreams():
    rbac = Rbac()
    rbac.put_role(role("reader", allow(["get"], ["pods"])))
    rbac.put_binding(binding("b", "reader", "Group:system:authenticated"))
    info = RequestInfo(verb="get", path="", resource="pods")
    assert rbac.reason(ALICE, info) == (
        'RBAC: allowed by ClusterRoleBinding "b" of ClusterRole "reader" to '
        'Group "system:authenticated"'
    )
    rbac.put_role(role("w", allow(["get"], ["secrets"]), namespace="a"))
    rbac.put_binding(binding("c", "w", "ServiceAccount:robot", namespace="a"))
    info = RequestInfo(verb="get", path="", resource="secrets", namespace="a")
    assert rbac.reason(ROBOT, info) == (
        'RBAC: allowed by RoleBinding "c/a" of Role "w" to ServiceAccount "robot/a"'
    )


_NAMES = st.sampled_from(["x", "y"])
_SPACES = st.sampled_from(["", "a", "b"])
_ROLES = st.builds(
    lambda name, space, verbs: ("role", role(name, allow(verbs, ["pods"]), namespace=space)),
    _NAMES,
    _SPACES,
    st.lists(st.sampled_from(["get", "list", "*"]), min_size=1, max_size=2),
)
_BINDINGS = st.builds(
    lambda name, to, space, who: ("binding", binding(name, to, *who, namespace=space)),
    _NAMES,
    _NAMES,
    _SPACES,
    st.lists(st.sampled_from(["User:alice", "User:bob", "Group:staff"]), max_size=3),
)
_DROPS = st.tuples(st.sampled_from(["drop role", "drop binding"]), st.tuples(_SPACES, _NAMES))


@given(st.lists(st.one_of(_ROLES, _BINDINGS, _DROPS), max_size=25))
def test_the_index_is_what_a_new_one_would_be(steps):
    rbac, roles, bindings = Rbac(), {}, {}
    for what, value in steps:
        if what.startswith("drop"):
            held, drop = (
                (roles, rbac.drop_role) if what == "drop role" else (bindings, rbac.drop_binding)
            )
            held.pop(value, None)
            drop(value)
        else:
            metadata = value["metadata"]
            held, put = (roles, rbac.put_role) if what == "role" else (bindings, rbac.put_binding)
            held[metadata.get("namespace", ""), metadata["name"]] = value
            put(value)
        fresh = Rbac()
        for each in roles.values():
            fresh.put_role(each)
        for each in bindings.values():
            fresh.put_binding(each)
        for user in (ALICE, BOB):
            for verb in ("get", "list"):
                for namespace in ("", "a", "b"):
                    wanted = may(fresh, user, verb, "pods", namespace)
                    assert may(rbac, user, verb, "pods", namespace) is wanted
