"""What rules may cost where a definition is written (upstream: validation_test.go)."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from controlplane.apiserver.kinds.customresourcedefinition.kind import CUSTOMRESOURCEDEFINITION
from controlplane.apiserver.kinds.customresourcedefinition.validation import validate_update

ROOT = "spec.validation.openAPIV3Schema"
HINT = (
    "(try simplifying the rule, or adding maxItems, maxProperties, and maxLength where arrays, "
    "maps, and strings are declared)"
)


def definition(**properties: Any) -> dict[str, Any]:
    schema = {"type": "object", "properties": properties}
    version = {"name": "v1", "served": True, "storage": True}
    obj = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "plurals.group.com"},
        "spec": {
            "group": "group.com",
            "scope": "Cluster",
            "names": {"plural": "plurals", "kind": "Plural"},
            "versions": [{**version, "schema": {"openAPIV3Schema": schema}}],
        },
    }
    CUSTOMRESOURCEDEFINITION.default(obj)
    return obj


def told(obj: dict[str, Any]) -> list[str]:
    kind = CUSTOMRESOURCEDEFINITION
    return [str(cause) for cause in (*kind.validate(obj), *kind.validate_create(obj))]


def ruled(rule: str, **schema: Any) -> dict[str, Any]:
    return {**schema, "x-kubernetes-validations": [{"rule": rule}]}


def tags(length: int, items: int) -> dict[str, Any]:
    item = {"type": "string", "maxLength": length}
    return ruled("self.all(x, x.contains('gpu'))", type="array", items=item, maxItems=items)


@pytest.mark.parametrize(
    ("length", "items"),
    # What a kube-apiserver was found to take at most.
    [(16, 909_090), (63, 333_333), (253, 94_339), (1_024, 24_154)],
)
def test_the_largest_list_that_is_taken(length: int, items: int) -> None:
    assert told(definition(tags=tags(length, items))) == []
    (cause,) = told(definition(tags=tags(length, items + 1)))
    path = f"{ROOT}.properties[tags].x-kubernetes-validations[0].rule"
    expected = "Forbidden: estimated rule cost exceeds budget by factor of 1.000"
    assert cause.startswith(f"{path}: {expected}")
    assert cause.endswith(HINT)


def test_rule_without_bounds_is_refused_for_itself_and_for_the_sum() -> None:
    item = {"type": "string"}
    wide = ruled("self.all(x, x.contains('gpu'))", type="array", items=item)
    path = f"{ROOT}.properties[tags].x-kubernetes-validations[0].rule"
    name = "x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema"
    assert told(definition(tags=wide)) == [
        f"{path}: Forbidden: estimated rule cost exceeds budget by factor of more than 100x {HINT}",
        f"{path}: Forbidden: contributed to estimated rule cost total exceeding cost limit for "
        "entire OpenAPIv3 schema",
        f"{ROOT}: Forbidden: {name} exceeds budget by factor of more than 100x {HINT}",
    ]


def test_costs_of_many_rules_are_too_much_together() -> None:
    """Upstream: x-kubernetes-validations rule cost total exceeds total limit."""
    word = ruled("self.contains('keyword')", type="string", maxLength=500_000)
    small = ruled("self > 50 && self < 100", type="integer")
    array = {"type": "array", "items": word, "maxItems": 40}
    value = {**word, "maxLength": 2048}
    mapping = {"type": "object", "maxProperties": 10_000, "additionalProperties": value}
    assert told(definition(array=array, map=mapping, field=small)) == []
    in_array = f"{ROOT}.properties[array].items.x-kubernetes-validations[0].rule"
    in_map = f"{ROOT}.properties[map].additionalProperties.x-kubernetes-validations[0].rule"
    array["maxItems"] = 600
    found = told(definition(array=array, map=mapping, field=small))
    blamed = [cause.split(": ")[0] for cause in found if "contributed" in cause]
    assert blamed == [in_array, in_map], "the small one is nobody's concern"
    assert found[-1].startswith(f"{ROOT}: Forbidden: x-kubernetes-validations estimated rule cost")


def test_rule_below_an_unbounded_list_is_asked_as_often_as_fits_a_request() -> None:
    item = ruled("self.contains('keyword')", type="string", maxLength=1000)
    found = told(definition(array={"type": "array", "items": item}))
    # A million empty texts, at 401 each: 3 Mi / 3 x 401 = 420,478,976.
    assert "by factor of 42.0x" in found[0]
    assert told(definition(array={"type": "array", "items": item, "maxItems": 100})) == []


def test_message_that_may_be_huge_is_refused() -> None:
    schema = {"type": "object", "properties": {"min": {"type": "integer"}}}
    rule = {"rule": "self.min > 0", "messageExpression": "'too small: ' + string(self.min)"}
    found = told(definition(spec={**schema, "x-kubernetes-validations": [rule]}))
    path = f"{ROOT}.properties[spec].x-kubernetes-validations[0].messageExpression"
    assert found[0].startswith(f"{path}: Forbidden: estimated messageExpression cost exceeds")
    rule["messageExpression"] = "'too small: %d'.format([self.min])"
    assert told(definition(spec={**schema, "x-kubernetes-validations": [rule]})) == []


def test_stored_definition_is_not_judged_again() -> None:
    """What an earlier release has let pass may be relabelled, and gets its conditions."""
    wide = ruled("self.all(x, self.all(y, x == y))", type="array", items={"type": "string"})
    old = definition(tags=wide)
    old["metadata"] |= {"uid": "u", "resourceVersion": "1"}
    new = copy.deepcopy(old)
    new["metadata"]["labels"] = {"a": "b"}
    assert validate_update(new, old) == []
    new["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["description"] = "new"
    assert any("exceeds budget" in str(cause) for cause in validate_update(new, old))


def test_only_rules_that_compile_have_a_cost() -> None:
    (cause,) = told(definition(field=ruled("self.all(x, ", type="array", items={"type": "string"})))
    assert "compilation failed" in cause
