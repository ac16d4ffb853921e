"""Upstream's validation of admission policies and their bindings."""

from __future__ import annotations

import copy

import pytest

from controlplane.apiserver.kinds.admissionregistration.policies import (
    VALIDATINGADMISSIONPOLICY as POLICY,
)
from controlplane.apiserver.kinds.admissionregistration.policy_bindings import (
    VALIDATINGADMISSIONPOLICYBINDING as BINDING,
)

RULE = {
    "operations": ["CREATE"],
    "apiGroups": [""],
    "apiVersions": ["v1"],
    "resources": ["pods"],
}
SPEC = {
    "matchConstraints": {"resourceRules": [RULE]},
    "validations": [{"expression": "object.spec.replicas < 5"}],
}


def causes(kind, spec: dict) -> list[str]:
    obj = {"metadata": {"name": "p"}, "spec": copy.deepcopy(spec)}
    kind.default(obj)
    found = [*kind.validate(obj), *kind.validate_create(obj)]
    return [f"{cause.field}: {cause.message}" for cause in found]


def test_smallest_policy_is_valid() -> None:
    assert causes(POLICY, SPEC) == []


def validation(**fields: object) -> dict:
    return {"validations": [{"expression": "true", **fields}]}


PARAM = {"apiVersion": "v1", "kind": "ConfigMap"}
POLICIES = {
    "failure policy": ({"failurePolicy": "x"}, "spec.failurePolicy: Unsupported value"),
    "no constraints": ({"matchConstraints": None}, "spec.matchConstraints: Required value"),
    "no rules": ({"matchConstraints": {}}, "matchConstraints.resourceRules: Required value"),
    "nothing": ({"validations": []}, "must contain at least one item"),
    "no expression": (validation(expression=" "), "expression is not specified"),
    "type": (validation(expression="1"), "must evaluate to bool"),
    "syntax": (validation(expression="object.x >"), "compilation failed: ERROR: <input>:1:11"),
    "params": (validation(expression="params.x"), "undeclared reference to 'params'"),
    "variables": (validation(expression="variables.x"), "undeclared reference to 'variables'"),
    "message": (validation(message="a\nb"), "message must not contain line breaks"),
    "empty message": (validation(message=" "), "message must be non-empty if specified"),
    "message type": (validation(messageExpression="1"), "must evaluate to string"),
    "message that asks": (
        validation(messageExpression="authorizer.path('/x').check('get').reason()"),
        "undeclared reference to 'authorizer'",
    ),
    "reason": (validation(reason="Because"), "validations[0].reason: Unsupported value"),
    "param kind": ({"paramKind": {"apiVersion": "v1"}}, "spec.paramKind.kind: Required value"),
    "param version": ({"paramKind": PARAM | {"apiVersion": "A/b"}}, "spec.paramKind.apiVersion"),
    "variable name": (
        {"variables": [{"name": "a-b", "expression": "1"}]},
        "name is not a valid CEL identifier",
    ),
    "annotation key": (
        {"auditAnnotations": [{"key": "", "valueExpression": "'a'"}]},
        "auditAnnotations[0].key",
    ),
    "annotation type": (
        {"auditAnnotations": [{"key": "k", "valueExpression": "1"}]},
        "must evaluate to [string null]",
    ),
    "annotations": (
        {"auditAnnotations": [{"key": f"k{n}", "valueExpression": "'a'"} for n in range(21)]},
        "must not have more than 20 auditAnnotations",
    ),
    "names": (
        {"matchConstraints": {"resourceRules": [RULE | {"resourceNames": ["a", "a"]}]}},
        'resourceNames[1]: Duplicate value: "a"',
    ),
}


@pytest.mark.parametrize("case", POLICIES)
def test_wrong_field_of_a_policy_is_named(case: str) -> None:
    fields, message = POLICIES[case]
    found = causes(POLICY, SPEC | fields)
    assert any(message in cause for cause in found), found


def test_expressions_see_params_and_variables_where_there_are_any() -> None:
    spec = SPEC | {
        "paramKind": PARAM,
        "variables": [{"name": "limit", "expression": "int(params.data.limit)"}],
        "validations": [{"expression": "object.spec.replicas < variables.limit"}],
        "matchConditions": [{"name": "a", "expression": "has(params.data)"}],
    }
    assert causes(POLICY, spec) == []


BOUND = {"policyName": "p", "validationActions": ["Deny"]}
BINDINGS = {
    "no policy": ({"policyName": ""}, "spec.policyName: Required value"),
    "no actions": ({"validationActions": []}, "at least one validation action is required"),
    "action": ({"validationActions": ["Stop"]}, "Unsupported value"),
    "actions": ({"validationActions": ["Deny", "Warn"]}, "must not contain both Deny and Warn"),
    "reference": ({"paramRef": {}}, "one of name or selector must be specified"),
    "action not found": ({"paramRef": {"name": "a"}}, "parameterNotFoundAction: Required value"),
    "both": ({"paramRef": {"name": "a", "selector": {}}}, "mutually exclusive"),
}


@pytest.mark.parametrize("case", BINDINGS)
def test_wrong_field_of_a_binding_is_named(case: str) -> None:
    fields, message = BINDINGS[case]
    found = causes(BINDING, BOUND | fields)
    assert any(message in cause for cause in found), found


def test_table_cells() -> None:
    policy = {"metadata": {"name": "p", "creationTimestamp": "1970-01-01T00:00:00Z"}, "spec": SPEC}
    assert POLICY.cells(policy, 60.0)[:3] == ("p", 1, "<unset>")
    bound = {"spec": BOUND | {"paramRef": {"name": "x"}}}
    binding = {"metadata": {"name": "b", "creationTimestamp": "1970-01-01T00:00:00Z"}, **bound}
    assert BINDING.cells(binding, 60.0)[:3] == ("b", "p", "*/x")
