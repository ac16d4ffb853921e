"""Policies against the kinds that they match (upstream: typechecking_test.go, case by case)."""

from __future__ import annotations

from typing import Any

import pytest

from controlplane.controllermanager.validatingadmissionpolicystatus.type_checking import (
    KINDS_MAX,
    GroupVersionKind,
    kinds_to_check,
    warnings_of,
)
from kubeapi import resources
from kubeapi.cel.types import Type
from kubeapi.schema import schema_for
from kubeapi.schema.structural.build import build_part
from kubeapi.schema.structural.object_types import object_type

DEPLOYMENT = GroupVersionKind("apps", "v1", "Deployment")
POD = GroupVersionKind("", "v1", "Pod")


def kinds_for(group: str, version: str, plural: str) -> list[GroupVersionKind]:
    return [
        GroupVersionKind(each.group, each.version, each.kind)
        for each in resources.ALL
        if (each.group, each.version, each.plural) == (group, version, plural)
    ]


def rule(group: str, version: str, *plurals: str) -> dict[str, Any]:
    return {"apiGroups": [group], "apiVersions": [version], "resources": [*plurals]}


def policy(*rules: dict[str, Any], **spec: Any) -> dict[str, Any]:
    return {"spec": {"matchConstraints": {"resourceRules": [*rules]}, **spec}}


@pytest.mark.parametrize(
    ("rules", "kinds"),
    [
        pytest.param([], [], id="empty"),
        pytest.param([rule("apps", "v1", "deployments")], [DEPLOYMENT], id="specific"),
        pytest.param(
            [rule("apps", "v1", "deployments"), rule("", "v1", "pods")],
            [POD, DEPLOYMENT],
            id="multiple",
        ),
        pytest.param([rule("apps", "v1", "*")], [], id="all resources"),
        pytest.param([rule("", "v1", "pods/*")], [], id="sub resources"),
        pytest.param(
            [rule("apps", "v1", "deployments"), rule("apps", "*", "deployments")],
            [DEPLOYMENT],
            id="mixtures",
        ),
        pytest.param([rule("apps", "v9", "deployments")], [], id="unknown"),
    ],
)
def test_extract_type_names(rules: list[dict[str, Any]], kinds: list[GroupVersionKind]) -> None:
    assert kinds_to_check(policy(*rules), kinds_for) == kinds


def test_only_so_many_kinds_are_checked() -> None:
    plurals = [each.plural for each in resources.ALL if each.api_version == "v1"]
    assert len(plurals) > KINDS_MAX
    assert len(kinds_to_check(policy(rule("", "v1", *plurals)), kinds_for)) == KINDS_MAX


def with_fields(**fields: str) -> Type:
    properties = {name: {"type": type_} for name, type_ in fields.items()}
    return object_type(build_part({"type": "object", "properties": properties}))


ANY = object_type(build_part({}))
FOO = [{"expression": "object.foo == 'bar'"}]
WORKS = [{"name": "works", "expression": "true"}]


@pytest.mark.parametrize(
    ("object_", "params", "spec", "warnings"),
    [
        pytest.param(with_fields(foo="string"), None, {}, [], id="empty"),
        pytest.param(with_fields(foo="string"), None, {"validations": FOO}, [], id="passed check"),
        pytest.param(
            with_fields(bar="string"),
            None,
            {"validations": FOO},
            [("spec.validations[0].expression", "undefined field 'foo'")],
            id="undefined field",
        ),
        pytest.param(
            with_fields(foo="integer"),
            None,
            {"validations": FOO},
            [("spec.validations[0].expression", "found no matching overload")],
            id="field type mismatch",
        ),
        pytest.param(
            with_fields(foo="string"),
            with_fields(foo="string"),
            {"validations": [{"expression": "object.foo == params.bar"}]},
            [("spec.validations[0].expression", "undefined field 'bar'")],
            id="params",
        ),
        pytest.param(
            ANY,
            ANY,
            {"validations": [{"expression": "params != null"}]},
            [],
            id="params with untyped schema",
        ),
        pytest.param(
            with_fields(foo="string"),
            None,
            {"validations": [*FOO, {"expression": "object.bar == 'foo'"}]},
            [("spec.validations[1].expression", "undefined field 'bar'")],
            id="multiple expressions",
        ),
        pytest.param(
            with_fields(foo="string"),
            None,
            {"validations": [{**FOO[0], "messageExpression": "object.foo + 114514"}]},
            [("spec.validations[0].messageExpression", "'_+_' applied to '(string, int)'")],
            id="message expressions",
        ),
        pytest.param(
            with_fields(foo="string"),
            None,
            {
                "validations": [
                    {"expression": "authorizer.group('').resource('x').check('create').allowed()"}
                ]
            },
            [],
            id="authorizer",
        ),
        pytest.param(
            with_fields(foo="string"),
            None,
            {"validations": [{"expression": "authorizer.allowed()"}]},
            [
                (
                    "spec.validations[0].expression",
                    "found no matching overload for 'allowed' applied to "
                    "'kubernetes.authorization.Authorizer",
                )
            ],
            id="authorizer invalid",
        ),
        pytest.param(
            object_type(build_part({"type": "object", "additionalProperties": True})),
            None,
            {"validations": [{"expression": "has(object.spec.text)"}]},
            [],
            id="additionalProperties: true",
        ),
        pytest.param(ANY, None, {"validations": [{"expression": "true"}]}, [], id="no type"),
        pytest.param(
            with_fields(foo="integer"),
            None,
            {"variables": WORKS, "validations": [{"expression": "variables.works"}]},
            [],
            id="variables valid",
        ),
        pytest.param(
            with_fields(foo="integer"),
            None,
            {"variables": WORKS, "validations": [{"expression": "variables.nonExisting"}]},
            [("spec.validations[0].expression", "undefined field 'nonExisting'")],
            id="variables missing field",
        ),
        pytest.param(
            with_fields(foo="integer"),
            None,
            {
                "variables": [{"name": "name", "expression": "'something'"}],
                "validations": [{"expression": "variables.name == object.foo"}],
            },
            [("spec.validations[0].expression", "found no matching overload for '_==_'")],
            id="variables field wrong type",
        ),
        pytest.param(
            with_fields(foo="integer"),
            None,
            {
                "variables": [{"name": "broken", "expression": "object.bar"}],
                "validations": [{"expression": "variables.broken == 1"}],
            },
            [],
            id="variables with a broken one",
        ),
        pytest.param(
            with_fields(foo="integer"),
            None,
            {"validations": [{"expression": "request.userInfo.name == 'me'"}]},
            [("spec.validations[0].expression", "undefined field 'name'")],
            id="request",
        ),
    ],
)
def test_type_check(
    object_: Type, params: Type | None, spec: dict[str, Any], warnings: list[tuple[str, str]]
) -> None:
    found = warnings_of(policy(**spec), [(DEPLOYMENT, object_)], params)
    assert [each["fieldRef"] for each in found] == [where for where, _ in warnings]
    for warning, (_, text) in zip(found, warnings, strict=True):
        assert text in warning["warning"]


def test_kinds_that_differ_are_told_one_by_one() -> None:
    known = [(kind, type_of(kind)) for kind in (POD, DEPLOYMENT)]
    spec = {"validations": [{"expression": "object.replicas > 1"}]}
    (warning,) = warnings_of(policy(**spec), known, None)
    drawn = "ERROR: <input>:1:7: undefined field 'replicas'\n | object.replicas > 1\n | ......^"
    assert warning["warning"] == f"/v1, Kind=Pod: {drawn}\n\napps/v1, Kind=Deployment: {drawn}\n"


def test_confusion_of_types_is_told_for_both_expressions() -> None:
    """test/e2e/apimachinery/validatingadmissionpolicy.go."""
    both = {
        "expression": "object.spec.replicas > '1'",
        "messageExpression": "'wants replicas > 1, got ' + object.spec.replicas",
    }
    found = warnings_of(policy(validations=[both]), [(DEPLOYMENT, type_of(DEPLOYMENT))], None)
    overload = "found no matching overload for"
    expected = [f"{overload} '_>_' applied to '(int, string)'"]
    expected.append(f"{overload} '_+_' applied to '(string, int)'")
    assert len(found) == len(expected)
    for warning, text in zip(found, expected, strict=True):
        assert text in warning["warning"]


def type_of(kind: GroupVersionKind) -> Type:
    version = f"{kind.group}/{kind.version}" if kind.group else kind.version
    schema = schema_for(version, kind.kind)
    assert schema is not None
    return object_type(schema)


@pytest.mark.parametrize(
    ("kind", "expression"),
    [
        (DEPLOYMENT, "object.spec.replicas <= 5 && object.metadata.labels['app'] == 'web'"),
        (DEPLOYMENT, "object.spec.strategy.rollingUpdate.maxSurge == 1"),
        (DEPLOYMENT, "object.metadata.creationTimestamp < timestamp('2030-01-01T00:00:00Z')"),
        (POD, "object.spec.containers.all(c, quantity(c.resources.limits['cpu']).sign() > 0)"),
        (POD, "!has(object.spec.securityContext) || object.spec.hostNetwork == false"),
        (GroupVersionKind("", "v1", "Secret"), "object.data.all(k, object.data[k].size() < 9)"),
        (
            GroupVersionKind("apiextensions.k8s.io", "v1", "CustomResourceDefinition"),
            "object.spec.versions[0].schema.openAPIV3Schema.properties['a'].not.not.type == 'x'",
        ),
    ],
)
def test_expressions_of_manuals_fit_built_in_kinds(kind: GroupVersionKind, expression: str) -> None:
    spec = {"validations": [{"expression": expression}]}
    assert warnings_of(policy(**spec), [(kind, type_of(kind))], None) == []
