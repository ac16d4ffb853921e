"""Upstream's TestValidateRoleBinding… as rows."""

from __future__ import annotations

import copy

import pytest

GROUP = "rbac.authorization.k8s.io"
REFERENCE = {"apiGroup": GROUP, "kind": "Role", "name": "reader"}
CLUSTER = {**REFERENCE, "kind": "ClusterRole"}
USER = {"kind": "User", "name": "eve", "apiGroup": GROUP}
ACCOUNT = {"kind": "ServiceAccount", "name": "default", "namespace": "default"}


@pytest.mark.parametrize(
    ("changes", "messages"),
    [
        ({}, []),
        ({"apiGroup": "rbac.x"}, [f'roleRef.apiGroup: Unsupported value: "rbac.x": supported val'
                                  f'ues: "{GROUP}"']),
        ({"kind": "Clown"}, ['roleRef.kind: Unsupported value: "Clown": supported values: '
                             '"Role", "ClusterRole"']),
        ({"name": ""}, ["roleRef.name: Required value"]),
        ({"name": "a/b"}, ['roleRef.name: Invalid value: "a/b": may not contain \'/\'']),
    ],
)  # fmt: skip
def test_the_role_that_is_named(wrong, changes, messages):
    assert wrong("RoleBinding", {"roleRef": {**REFERENCE, **changes}}) == messages


def test_all_namespaces_have_no_roles_of_their_own(wrong):
    assert wrong("ClusterRoleBinding", {"roleRef": REFERENCE}) == [
        'roleRef.kind: Unsupported value: "Role": supported values: "ClusterRole"'
    ]


@pytest.mark.parametrize(
    ("subject", "messages"),
    [
        (USER, []),
        (ACCOUNT, []),
        ({"kind": "Group", "name": "system:masters"}, []),
        ({**USER, "name": ""}, ["name: Required value",
                                'name: Invalid value: "": user name cannot be empty']),
        ({"kind": "Group"}, ["name: Required value",
                             'name: Invalid value: "": group name cannot be empty']),
        ({**USER, "apiGroup": "x"},
         [f'apiGroup: Unsupported value: "x": supported values: "{GROUP}"']),
        ({**ACCOUNT, "apiGroup": "x"}, ['apiGroup: Unsupported value: "x": supported values: ""']),
        ({**ACCOUNT, "name": ""}, ["name: Required value"]),
        ({"kind": "Node", "name": "a"}, ['kind: Unsupported value: "Node": supported values: '
                                         '"ServiceAccount", "User", "Group"']),
    ],
)  # fmt: skip
def test_subjects(wrong, subject, messages):
    found = wrong("ClusterRoleBinding", {"roleRef": CLUSTER, "subjects": [copy.deepcopy(subject)]})
    assert found == [f"subjects[0].{message}" for message in messages]


def test_an_account_is_of_some_namespace(wrong):
    subject = {"kind": "ServiceAccount", "name": "Web"}
    cluster = wrong("ClusterRoleBinding", {"roleRef": CLUSTER, "subjects": [subject]})
    assert cluster[-1] == "subjects[0].namespace: Required value"
    found = wrong("RoleBinding", {"roleRef": CLUSTER, "subjects": [subject]})
    assert [text.partition(" value")[0] for text in found] == ["subjects[0].name: Invalid"]


def test_the_role_is_for_good(made, update):
    old = made("RoleBinding", {"roleRef": REFERENCE})
    new = copy.deepcopy(old)
    new["subjects"] = [USER]
    assert update("RoleBinding", new, old) == []
    new["roleRef"]["name"] = "writer"
    [message] = update("RoleBinding", new, old)
    assert message.startswith("roleRef: Invalid value:")
    assert message.endswith(": cannot change roleRef")


def test_row(kind_of, made):
    users = [USER, {"kind": "User", "name": "bob"}, ACCOUNT]
    binding = made("RoleBinding", {"roleRef": REFERENCE, "subjects": users})
    assert kind_of("RoleBinding").cells(binding, 1767323045) == (
        "web",
        "Role/reader",
        "0s",
        "eve, bob",
        "",
        "default/default",
    )
