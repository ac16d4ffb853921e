"""The policy as a whole, and what a start does to what is there."""

from __future__ import annotations

import pytest

from controlplane.apiserver.authz.bootstrap_policy.notation import may
from controlplane.apiserver.authz.bootstrap_policy.reconcile import (
    completed,
    leads_elsewhere,
    policy,
)
from controlplane.apiserver.authz.rule import Rule
from controlplane.apiserver.kinds import KINDS
from kubeapi.objects import deep_copy

POLICY = {
    (each["kind"], each["metadata"].get("namespace", ""), each["metadata"]["name"]): each
    for each in policy()
}
_KINDS = {kind.resource.kind: kind for kind in KINDS}


def test_every_object_is_one_that_the_api_takes():
    assert len(POLICY) == len(list(policy()))
    for obj in POLICY.values():
        kind, made = _KINDS[obj["kind"]], deep_copy(obj)
        kind.default(made)
        assert kind.validate(made) == []


def test_every_binding_leads_to_a_role():
    for (kind, namespace, _), obj in POLICY.items():
        if not kind.endswith("Binding"):
            continue
        reference = obj["roleRef"]
        where = namespace if reference["kind"] == "Role" else ""
        assert (reference["kind"], where, reference["name"]) in POLICY


def test_upstreams_roles_are_there():
    names = [name for kind, _, name in POLICY if kind == "ClusterRole"]
    assert len([name for name in names if name.startswith("system:controller:")]) == 33
    for name in ("admin", "edit", "view", "cluster-admin", "system:node", "system:discovery"):
        assert name in names
    for name in ("admin", "edit", "view"):
        assert POLICY["ClusterRole", "", name]["aggregationRule"]["clusterRoleSelectors"]


def role(rules, **annotations):
    metadata = {"name": "r", "labels": {}, "annotations": annotations}
    return {"metadata": metadata, "rules": [rule.to_object() for rule in rules]}


READ, WRITE = may("get", "core", "pods"), may("create", "core", "pods")
OFF = {"rbac.authorization.kubernetes.io/autoupdate": "false"}


@pytest.mark.parametrize(
    ("wanted", "found", "after"),
    [
        ([READ], [READ], [READ]),
        ([READ], [], [READ]),
        ([READ], [WRITE], [WRITE, READ]),
        ([READ, WRITE], [READ], [READ, WRITE]),
        ([READ], [may("*", "*", "*")], [may("*", "*", "*")]),
    ],
)
def test_rules_are_added_and_never_taken(wanted, found, after):
    assert completed(role(wanted), role(found)) == role(after)
    assert completed(role(wanted), role(found, **OFF)) == role(found, **OFF)


def test_labels_and_annotations_come_back_and_others_stay():
    wanted, found = role([READ], a="1", b="2"), role([READ], a="mine")
    wanted["metadata"]["labels"] = {"l": "1"}
    found["metadata"]["labels"] = {"l": "2", "k": "3"}
    after = completed(wanted, found)["metadata"]
    assert after["annotations"] == {"a": "mine", "b": "2"}
    assert after["labels"] == {"l": "1", "k": "3"}


def test_aggregated_rules_are_left_alone():
    wanted = POLICY["ClusterRole", "", "view"]
    found = {**deep_copy(wanted), "rules": [READ.to_object()]}
    assert completed(wanted, found) == found
    cut = {**found, "aggregationRule": {"clusterRoleSelectors": []}}
    assert completed(wanted, cut) == found


def test_subjects_are_added_and_never_taken():
    wanted = POLICY["ClusterRoleBinding", "", "system:public-info-viewer"]
    found = deep_copy(wanted)
    found["subjects"] = [found["subjects"][1], {"kind": "User", "name": "x"}]
    after = completed(wanted, found)["subjects"]
    assert after == [*found["subjects"], wanted["subjects"][0]]


def test_a_binding_that_leads_elsewhere_is_made_anew():
    wanted = POLICY["ClusterRoleBinding", "", "system:discovery"]
    other = {**wanted, "roleRef": {**wanted["roleRef"], "name": "x"}}
    assert leads_elsewhere(wanted, other)
    assert not leads_elsewhere(wanted, wanted)
    kept = {**other, "metadata": {**other["metadata"], "annotations": OFF}}
    assert not leads_elsewhere(wanted, kept)


def test_words_become_rules():
    rule = may("get create", "core apps", "pods nodes", "b a")
    assert rule == Rule(("create", "get"), ("", "apps"), ("nodes", "pods"), ("a", "b"))
