"""Upstream's TestValidateRole… as rows."""

from __future__ import annotations

import pytest

RULE = {"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]}


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (RULE, None),
        ({**RULE, "resourceNames": ["web"], "resources": ["pods", "secrets"]}, None),
        ({**RULE, "verbs": []}, "rules[0].verbs: Required value: verbs must contain at least one"),
        ({**RULE, "apiGroups": []}, "rules[0].apiGroups: Required value: resource rules must"),
        ({**RULE, "resources": []}, "rules[0].resources: Required value: resource rules must"),
        (
            {"verbs": ["get"], "nonResourceURLs": ["/healthz"]},
            'rules[0].nonResourceURLs: Invalid value: []string{"/healthz"}: namespaced rules',
        ),
    ],
)
def test_rules_of_a_role(wrong, rule, message):
    found = wrong("Role", {"rules": [rule]}, "system:reader")
    assert bool(found) == bool(message)
    assert not message or (len(found) == 1 and found[0].startswith(message))


def test_rules_of_a_cluster_role_may_name_paths(wrong):
    paths = {"verbs": ["get"], "nonResourceURLs": ["/healthz", "/livez/*"]}
    assert wrong("ClusterRole", {"rules": [paths]}) == []
    assert wrong("ClusterRole", {"rules": [{**paths, "resources": ["pods"]}]}) == [
        'rules[0].nonResourceURLs: Invalid value: []string{"/healthz", "/livez/*"}: '
        "rules cannot apply to both regular resources and non-resource URLs"
    ]


def test_an_aggregation_names_what_it_aggregates(wrong):
    assert wrong("ClusterRole", {"aggregationRule": {}}) == [
        "aggregationRule.clusterRoleSelectors: Required value: "
        "at least one clusterRoleSelector required if aggregationRule is non-nil"
    ]
    unknown = {"matchExpressions": [{"key": "a", "operator": "Near"}]}
    assert wrong("ClusterRole", {"aggregationRule": {"clusterRoleSelectors": [unknown]}}) == [
        "aggregationRule.clusterRoleSelectors[0].matchExpressions[0].operator: "
        'Invalid value: "Near": not a valid selector operator'
    ]


def test_row(kind_of, made):
    assert kind_of("Role").cells(made("Role"), 0) == ("web", "2026-01-02T03:04:05Z")
