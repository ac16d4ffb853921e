"""Who may do what: how long one decision takes, with a large cluster's roles and bindings.

The bootstrap policy, two thousand Roles and bindings in two hundred namespaces, and a request of
each sort that there is. The best of many short rounds: what is asked for is the code, not the
machine's other work.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from benchmarks.row import Row
from componentbase.clock import monotonic
from controlplane.apiserver.authn import AUTHENTICATED, NODES, User
from controlplane.apiserver.authz.authorizer import Authorizer
from controlplane.apiserver.authz.bootstrap_policy.reconcile import policy
from controlplane.apiserver.request_info import parse_request_info

_BINDINGS, _NAMESPACES, _USERS = 2_000, 200, 500
_ROUNDS, _TIMES = 60, 500
_DECISION_US: Final = 5.0
_NODE: Final = User("system:node:node-1", (NODES, AUTHENTICATED))
_ACCOUNT: Final = User(
    "system:serviceaccount:namespace-7:default",
    ("system:serviceaccounts", "system:serviceaccounts:namespace-7", AUTHENTICATED),
)
_POD: Final = "/api/v1/namespaces/namespace-7/pods/pod-1"
_ASKED: Final = (
    ("the scheduler binds a pod", User("system:kube-scheduler"), "POST", f"{_POD}/binding", True),
    ("a node writes a pod's status", _NODE, "PATCH", f"{_POD}/status", True),
    ("a service account reads a pod", _ACCOUNT, "GET", _POD, True),
    ("a service account is refused", _ACCOUNT, "DELETE", _POD, False),
    ("somebody asks what there is", User("somebody", (AUTHENTICATED,)), "GET", "/apis", True),
)


def run() -> Iterator[Row]:
    """Measure; yields the rows."""
    authorizer = _filled()
    for what, user, method, path, allowed in _ASKED:
        info = parse_request_info(method, path, {})
        assert authorizer.authorize(user, info).allowed is allowed
        best = float("inf")
        for _ in range(_ROUNDS):
            began = monotonic()
            for _ in range(_TIMES):
                authorizer.authorize(user, info)
            best = min(best, monotonic() - began)
        taken_us = best / _TIMES * 1e6
        goal = f"≤ {_DECISION_US:g} µs"
        yield Row(f"decide: {what}", f"{taken_us:.1f} µs", goal, taken_us <= _DECISION_US)


def _filled() -> Authorizer:
    authorizer = Authorizer(lambda _plural, _namespace, _name: None)
    rbac = authorizer.rbac
    for obj in policy():
        (rbac.put_binding if "roleRef" in obj else rbac.put_role)(obj)
    rule = {"verbs": ["get", "list"], "apiGroups": [""], "resources": ["pods", "configmaps"]}
    for number in range(_BINDINGS):
        metadata = {"name": f"role-{number}", "namespace": f"namespace-{number % _NAMESPACES}"}
        subjects = [
            {"kind": "User", "name": f"user-{number % _USERS}"},
            {"kind": "ServiceAccount", "name": "default"},
        ]
        rbac.put_role({"metadata": metadata, "rules": [rule]})
        reference = {"kind": "Role", "name": metadata["name"]}
        rbac.put_binding({"metadata": metadata, "roleRef": reference, "subjects": subjects})
    return authorizer
