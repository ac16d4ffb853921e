"""Version 2 of what version 3 says."""

from __future__ import annotations

import json

from controlplane.apiserver import discovery
from controlplane.apiserver.kinds import KINDS
from controlplane.apiserver.openapi.documents import Documents
from controlplane.apiserver.openapi.swagger import converted, encoded

GROUPS = discovery.by_group(k for k in KINDS if k.resource.plural in ("services", "deployments"))


def test_the_whole_document():
    document = json.loads(encoded(Documents(GROUPS).each()))
    assert (document["swagger"], document["info"]["title"]) == ("2.0", "Kubernetes")
    item = document["paths"]["/apis/apps/v1/namespaces/{namespace}/deployments/{name}"]
    body = item["put"]["parameters"][0]
    assert (body["name"], body["in"], body["required"]) == ("body", "body", True)
    assert body["schema"] == {"$ref": "#/definitions/io.k8s.api.apps.v1.Deployment"}
    assert item["put"]["produces"] == ["application/json", "application/yaml"]
    dry_run = next(p for p in item["put"]["parameters"] if p["name"] == "dryRun")
    assert (dry_run["type"], dry_run["in"], dry_run["uniqueItems"]) == ("string", "query", True)
    schema = item["delete"]["responses"]["200"]["schema"]
    assert schema == {"$ref": "#/definitions/io.k8s.apimachinery.pkg.apis.meta.v1.Status"}
    definitions = document["definitions"]
    quantity = definitions["io.k8s.apimachinery.pkg.api.resource.Quantity"]
    assert quantity["type"] == "string"
    either = definitions["io.k8s.apimachinery.pkg.util.intstr.IntOrString"]
    assert (either["type"], either["format"]) == ("string", "int-or-string")
    assert "#/components" not in json.dumps(document)
    protocol = definitions["io.k8s.api.core.v1.ServicePort"]["properties"]["protocol"]
    assert "default" not in protocol, "version 2 has none of built-in kinds"


def test_what_version_2_has_no_words_for_is_left_out():
    schema = {
        "type": "object",
        "nullable": True,
        "properties": {"nullable": {"anyOf": [{"type": "integer"}], "type": "integer"}},
        "oneOf": [{"required": ["a"]}, {"required": ["b"]}],
        "allOf": [{"required": ["c"]}],
    }
    assert converted(schema) == {
        "type": "object",
        "properties": {"nullable": {"type": "integer"}},
    }


def test_references_beside_words():
    schema = {"description": "d", "allOf": [{"$ref": "#/components/schemas/a.B"}]}
    assert converted(schema) == {"description": "d", "$ref": "#/definitions/a.B"}
