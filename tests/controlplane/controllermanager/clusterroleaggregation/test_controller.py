"""Which rules an aggregated ClusterRole has (upstream: the controller's test)."""

from __future__ import annotations

import pytest

from controlplane.controllermanager.clusterroleaggregation.controller import aggregated_rules


def rule(verb):
    return {"verbs": [verb], "apiGroups": [""], "resources": ["pods"]}


def role(name, labels=None, rules=(), selectors=()):
    made = {"metadata": {"name": name, "labels": labels or {}}, "rules": [*rules]}
    if selectors:
        made["aggregationRule"] = {
            "clusterRoleSelectors": [{"matchLabels": labels} for labels in selectors]
        }
    return made


HAMMER = role("hammer", {"foo": "bar"}, [rule("hit")])
CHISEL = role("chisel", {"foo": "bar"}, [rule("chisel"), rule("hit")])
SAW = role("saw", {"foo": "not-bar"}, [rule("saw")])


@pytest.mark.parametrize(
    ("name", "selectors", "others", "verbs"),
    [
        ("no aggregation", [{"foo": "bar"}], [SAW], []),
        ("simple", [{"foo": "bar"}], [HAMMER, SAW], ["hit"]),
        ("two, by name, each rule once", [{"foo": "bar"}], [HAMMER, CHISEL], ["chisel", "hit"]),
        ("two selectors", [{"foo": "not-bar"}, {"foo": "bar"}], [HAMMER, SAW], ["saw", "hit"]),
    ],
)
def test_aggregation(name, selectors, others, verbs):
    combined = role("combined", {"foo": "bar"}, [rule("old")], selectors)
    rules = aggregated_rules(combined, [combined, *others])
    assert [found["verbs"][0] for found in rules] == verbs, name


def test_a_role_without_a_rule_of_aggregation_is_made_of_nothing():
    assert aggregated_rules(HAMMER, [CHISEL]) == []
