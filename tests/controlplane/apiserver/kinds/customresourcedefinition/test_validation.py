"""Upstream: apiextensions/validation/validation_test.go, schema/validation_test.go, as tables."""
# ruff: noqa: E501

from __future__ import annotations

import copy
from typing import Any

import pytest

from controlplane.apiserver.kinds.customresourcedefinition.kind import CUSTOMRESOURCEDEFINITION

ROOT = "spec.validation.openAPIV3Schema"
STRING = {"type": "string"}


def definition(**schema: Any) -> dict[str, Any]:
    obj = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "plurals.group.com"},
        "spec": {
            "group": "group.com",
            "scope": "Cluster",
            "names": {"plural": "plurals", "kind": "Plural"},
            "versions": [
                {
                    "name": "v1",
                    "served": True,
                    "storage": True,
                    "schema": {"openAPIV3Schema": {"type": "object", **schema}},
                }
            ],
        },
    }
    CUSTOMRESOURCEDEFINITION.default(obj)
    return obj


def told(obj: dict[str, Any]) -> list[str]:
    kind = CUSTOMRESOURCEDEFINITION
    return [str(cause) for cause in (*kind.validate(obj), *kind.validate_create(obj))]


def spec_of(value: Any) -> dict[str, Any]:
    return {"properties": {"f": value}}


F = f"{ROOT}.properties[f]"
MAP_LIST = {"type": "array", "x-kubernetes-list-type": "map"}


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        (spec_of({}), f"{F}.type: Required value: must not be empty for specified object fields"),
        (spec_of({"type": "array"}), f"{F}.items: Required value: must be specified"),
        (spec_of({"type": "array", "items": {}}), f"{F}.items.type: Required value: must not be empty for specified array items"),
        (spec_of({"type": "null"}), f"{F}.type: Forbidden: type cannot be set to null, use nullable as an alternative"),
        (spec_of({**STRING, "pattern": "("}), f"{F}.pattern: Invalid value: \"(\": must be a valid regular expression, but isn't: missing ): ("),
        (spec_of({**STRING, "default": 1}), f'{F}.default: Invalid value: "integer": {F}.default in body must be of type string: "integer"'),
        (spec_of({"type": "object", "default": {"x": 1}}), f'{F}.default: Invalid value: map[string]interface {{}}{{"x":1}}: must not have unknown fields'),
        (spec_of({"type": "array", "items": STRING, "uniqueItems": True}), f"{F}.uniqueItems: Forbidden: uniqueItems cannot be set to true since the runtime complexity becomes quadratic"),
        (spec_of({"type": "object", "properties": {"a": STRING}, "additionalProperties": STRING}), f"{F}.additionalProperties: Forbidden: additionalProperties and properties are mutual exclusive"),
        (spec_of({**STRING, "allOf": [{"description": "x"}]}), f"{F}.allOf[0].description: Forbidden: must be empty to be structural"),
        ({"anyOf": [{"properties": {"a": {"minLength": 1}}}]}, f"{ROOT}.properties[a]: Required value: because it is defined in {ROOT}.anyOf[0].properties[a]"),
        (spec_of({**STRING, "x-kubernetes-list-type": "set"}), f'{F}.type: Invalid value: "string": must be array if x-kubernetes-list-type is specified'),
        (spec_of({**MAP_LIST, "items": {"type": "object"}}), f"{F}.x-kubernetes-list-map-keys: Required value: must not be empty if x-kubernetes-list-type is map"),
        (spec_of({**MAP_LIST, "x-kubernetes-list-map-keys": ["a"], "items": {"type": "object", "properties": {"a": STRING}}}), f"{F}.items.properties[a].default: Required value: this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property"),
        (spec_of({"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "object"}}), f"{F}.items.x-kubernetes-map-type: Invalid value: null: must be atomic as item of a list with x-kubernetes-list-type=set"),
        (spec_of({**STRING, "x-kubernetes-preserve-unknown-fields": False}), f"{F}.x-kubernetes-preserve-unknown-fields: Invalid value: false: must be true or undefined"),
        (spec_of({"x-kubernetes-embedded-resource": True}), f"{F}.type: Required value: must be object if x-kubernetes-embedded-resource is true"),
        ({"properties": {"metadata": {"type": "object", "properties": {"labels": {"type": "object"}}}}}, f"{ROOT}.properties[metadata]: Forbidden: must not specify anything other than name and generateName, but metadata is implicitly specified"),
        ({"properties": {"kind": {"type": "integer"}}}, f'{ROOT}.properties[kind].type: Invalid value: "integer": must be string'),
        ({"nullable": True}, f"{ROOT}.nullable: Forbidden: nullable cannot be true at the root"),
        ({"type": "array", "items": STRING}, f'{ROOT}.type: Invalid value: "array": must be object at the root'),
        (spec_of({**STRING, "x-kubernetes-validations": [{"rule": "self > 1"}]}), f"{F}.x-kubernetes-validations[0].rule: Invalid value: \"self > 1\": compilation failed: ERROR: <input>:1:6: found no matching overload for '_>_' applied to '(string, int)'\n | self > 1\n | .....^"),
        (spec_of({"type": "array", "items": {**STRING, "x-kubernetes-validations": [{"rule": "self == oldSelf"}]}}), f'{F}.items.x-kubernetes-validations[0].rule: Invalid value: "self == oldSelf": oldSelf cannot be used on the uncorrelatable portion of the schema within {F}'),
    ],
)  # fmt: skip
def test_schemas(schema, message):
    assert message in told(definition(**schema))


@pytest.mark.parametrize(
    "schema",
    [
        {"x-kubernetes-preserve-unknown-fields": True},
        spec_of({"x-kubernetes-int-or-string": True}),
        spec_of({"x-kubernetes-int-or-string": True, "anyOf": [{"type": "integer"}, {"type": "string"}]}),
        spec_of({"x-kubernetes-int-or-string": True, "allOf": [{"anyOf": [{"type": "integer"}, {"type": "string"}]}]}),
        spec_of({"type": "object", "properties": {"a": STRING}, "oneOf": [{"required": ["a"]}]}),
        spec_of({**STRING, "format": "anything", "default": "x"}),
        {"properties": {"metadata": {"type": "object", "properties": {"name": {**STRING, "maxLength": 3}}}}},
    ],
)  # fmt: skip
def test_schemas_that_are_right(schema):
    assert told(definition(**schema)) == []


def changed(path: str, value: Any) -> dict[str, Any]:
    obj = definition()
    *names, last = path.split(".")
    here: Any = obj
    for name in names:
        here = here[int(name) if name.isdigit() else name]
    if value is None:
        del here[last]
    else:
        here[last] = value
    return obj


VERSION = "spec.versions.0"


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("metadata.name", "x.group.com", 'metadata.name: Invalid value: "x.group.com": must be spec.names.plural+"."+spec.group'),
        ("spec.group", "nodot", 'spec.group: Invalid value: "nodot": should be a domain with at least one dot'),
        ("spec.scope", "Global", 'spec.scope: Unsupported value: "Global": supported values: "Cluster", "Namespaced"'),
        ("spec.names.listKind", "Plural", 'spec.names.listKind: Invalid value: "Plural": kind and listKind may not be the same'),
        (f"{VERSION}.storage", False, 'spec.versions: Invalid value: []interface {}{"v1"}: must have exactly one version marked as storage version'),
        (f"{VERSION}.schema", None, "spec.versions[0].schema.openAPIV3Schema: Required value: schemas are required"),
        (f"{VERSION}.deprecationWarning", "x", 'spec.versions[0].deprecationWarning: Invalid value: "x": can only be set for deprecated versions'),
        (f"{VERSION}.subresources", {"scale": {"specReplicasPath": ".x", "statusReplicasPath": ".status.r"}}, 'spec.subresources.scale.specReplicasPath: Invalid value: ".x": should be a json path under .spec'),
        (f"{VERSION}.additionalPrinterColumns", [{"name": "a", "type": "x", "jsonPath": ".a"}], 'spec.additionalPrinterColumns[0].type: Invalid value: "x": must be one of boolean,date,integer,number,string'),
        (f"{VERSION}.selectableFields", [{"jsonPath": ".spec.x"}], 'spec.selectableFields[0].jsonPath: Invalid value: ".spec.x": is an invalid path: does not refer to a valid field'),
        ("spec.conversion", {"strategy": "Webhook"}, "spec.conversion.webhookClientConfig: Required value: required when strategy is set to Webhook"),
        ("spec.preserveUnknownFields", True, "spec.preserveUnknownFields: Invalid value: true: cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead"),
        ("status.storedVersions", ["v1", "v0"], 'status.storedVersions[1]: Invalid value: "v0": must appear in spec.versions'),
    ],
)  # fmt: skip
def test_definitions(path, value, message):
    assert message in told(changed(path, value))


def test_groups_of_the_community_need_an_approval():
    obj = definition()
    obj["spec"]["group"] = "x.k8s.io"
    obj["metadata"]["name"] = "plurals.x.k8s.io"
    assert "metadata.annotations[api-approved.kubernetes.io]: Required value" in told(obj)[0]
    for approval in ("https://github.com/kubernetes/x", "unapproved, mine"):
        obj["metadata"]["annotations"] = {"api-approved.kubernetes.io": approval}
        assert told(obj) == []


def test_what_stays_when_it_is_established():
    old = definition()
    old["metadata"] |= {"resourceVersion": "1", "uid": "u"}
    old["status"]["conditions"] = [{"type": "Established", "status": "True"}]
    new = copy.deepcopy(old)
    new["spec"]["scope"] = "Namespaced"
    new["spec"]["names"]["kind"] = "Other"
    fields = [cause.field for cause in CUSTOMRESOURCEDEFINITION.validate_update(new, old)]
    assert fields == ["spec.scope", "spec.names.kind"]


def test_versions_that_differ_are_named_one_by_one():
    obj = definition()
    second = copy.deepcopy(obj["spec"]["versions"][0]) | {"name": "v2", "storage": False}
    second["schema"]["openAPIV3Schema"] = {"type": "object", **spec_of({})}
    obj["spec"]["versions"].append(second)
    assert told(obj)[0].startswith("spec.versions[1].schema.openAPIV3Schema.properties[f].type")
