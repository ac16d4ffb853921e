"""Upstream's validation of webhook configurations, one wrong field at a time."""

from __future__ import annotations

import copy

import pytest

from controlplane.apiserver.kinds.admissionregistration.webhooks import (
    MUTATINGWEBHOOKCONFIGURATION as MUTATING,
)
from controlplane.apiserver.kinds.admissionregistration.webhooks import (
    VALIDATINGWEBHOOKCONFIGURATION as VALIDATING,
)

RULE = {
    "operations": ["CREATE"],
    "apiGroups": ["apps"],
    "apiVersions": ["v1"],
    "resources": ["deployments"],
}
HOOK = {
    "name": "check.example.com",
    "rules": [RULE],
    "clientConfig": {"service": {"name": "hook", "namespace": "default"}},
    "admissionReviewVersions": ["v1"],
    "sideEffects": "None",
}


def configuration(**fields: object) -> dict:
    hook = copy.deepcopy(HOOK) | fields
    return {"metadata": {"name": "c"}, "webhooks": [hook]}


def causes(obj: dict, kind=VALIDATING) -> list[str]:
    kind.default(obj)
    found = [*kind.validate(obj), *kind.validate_create(obj)]
    return [f"{cause.field}: {cause.message}" for cause in found]


def test_defaults() -> None:
    made = configuration()
    assert causes(made, MUTATING) == []
    [hook] = made["webhooks"]
    assert hook["failurePolicy"] == "Fail"
    assert hook["matchPolicy"] == "Equivalent"
    assert hook["timeoutSeconds"] == 10
    assert hook["reinvocationPolicy"] == "Never"
    assert hook["namespaceSelector"] == hook["objectSelector"] == {}
    assert hook["rules"][0]["scope"] == "*"
    assert hook["clientConfig"]["service"]["port"] == 443


def rules(**fields: object) -> dict:
    return {"rules": [copy.deepcopy(RULE) | fields]}


CASES = {
    "no name": ({"name": ""}, "webhooks[0].name: Required value"),
    "short name": ({"name": "a.b"}, "should be a domain with at least three segments"),
    "no side effects": ({"sideEffects": None}, "must specify one of None, NoneOnDryRun"),
    "side effects": ({"sideEffects": "Some"}, 'Unsupported value: "Some"'),
    "timeout": ({"timeoutSeconds": 31}, "must be between 1 and 30 seconds"),
    "no versions": ({"admissionReviewVersions": []}, "must specify one of v1, v1beta1"),
    "versions": ({"admissionReviewVersions": ["v9"]}, "must include at least one of v1, v1beta1"),
    "version twice": ({"admissionReviewVersions": ["v1", "v1"]}, "duplicate version"),
    "failure policy": ({"failurePolicy": "Maybe"}, 'supported values: "Fail", "Ignore"'),
    "match policy": ({"matchPolicy": "Maybe"}, 'supported values: "Equivalent", "Exact"'),
    "neither": ({"clientConfig": {}}, "exactly one of url or service is required"),
    "http": ({"clientConfig": {"url": "http://x/"}}, "'https' is the only allowed URL scheme"),
    "query": ({"clientConfig": {"url": "https://x/?a=b"}}, "query parameters are not permitted"),
    "user": ({"clientConfig": {"url": "https://a@x/"}}, "user information is not permitted"),
    "path": (
        {"clientConfig": {"service": {"name": "a", "namespace": "b", "path": "x"}}},
        "must start with a '/'",
    ),
    "segment": (
        {"clientConfig": {"service": {"name": "a", "namespace": "b", "path": "/x//y"}}},
        "segment[1] may not be empty",
    ),
    "port": (
        {"clientConfig": {"service": {"name": "a", "namespace": "b", "port": 0}}},
        "port is not valid",
    ),
    "operations": (rules(operations=["*", "CREATE"]), "must not specify other operations"),
    "operation": (rules(operations=["READ"]), 'Unsupported value: "READ"'),
    "groups": (rules(apiGroups=[]), "webhooks[0].rules[0].apiGroups: Required value"),
    "versions of rule": (rules(apiVersions=["*", "v1"]), "must not specify other API versions"),
    "resources": (rules(resources=["*", "pods"]), "resources without subresources"),
    "x/*": (rules(resources=["a/*", "a/b"]), "if 'a/*' is present, must not specify a/b"),
    "*/x": (rules(resources=["*/b", "a/b"]), "if '*/b' is present, must not specify a/b"),
    "*/*": (rules(resources=["*/*", "a"]), "if '*/*' is present, must not specify other resources"),
    "scope": (rules(scope="Here"), 'supported values: "*", "Cluster", "Namespaced"'),
    "selector": (
        {"objectSelector": {"matchExpressions": [{"key": "a", "operator": "Is"}]}},
        "objectSelector.matchExpressions[0].operator",
    ),
    "condition without name": (
        {"matchConditions": [{"expression": "true"}]},
        "matchConditions[0].name: Required value",
    ),
    "condition that is none": (
        {"matchConditions": [{"name": "a", "expression": "'text'"}]},
        "must evaluate to bool",
    ),
    "condition of unknown names": (
        {"matchConditions": [{"name": "a", "expression": "params.x"}]},
        "undeclared reference to 'params'",
    ),
    "condition twice": (
        {"matchConditions": [{"name": "a", "expression": "true"}] * 2},
        'matchConditions[1].name: Duplicate value: "a"',
    ),
    "conditions": (
        {"matchConditions": [{"name": f"a{n}", "expression": "true"} for n in range(65)]},
        "must have at most 64 items",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_wrong_field_is_named(case: str) -> None:
    fields, message = CASES[case]
    found = causes(configuration(**copy.deepcopy(fields)))
    assert any(message in cause for cause in found), found


def test_names_are_unique() -> None:
    twice = configuration()
    twice["webhooks"].append(copy.deepcopy(HOOK))
    assert causes(twice) == ['webhooks[1].name: Duplicate value: "check.example.com"']


def test_conditions_that_stand_are_not_judged_again() -> None:
    old = configuration(matchConditions=[{"name": "a", "expression": "of.another.release()"}])
    VALIDATING.default(old)
    new = copy.deepcopy(old)
    assert VALIDATING.validate_update(new, old) == []
    new["webhooks"][0]["matchConditions"][0]["name"] = "b"
    assert VALIDATING.validate_update(new, old)


def test_generation_counts_changes() -> None:
    old = configuration()
    VALIDATING.prepare_create(old)
    new = configuration(timeoutSeconds=5)
    VALIDATING.prepare_update(new, old)
    assert new["metadata"]["generation"] == 2
