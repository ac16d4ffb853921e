"""fieldValidation, case by case of upstream's field_validation_test.go."""

from __future__ import annotations

import json

import pytest

MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
JSON_PATCH = "application/json-patch+json"
APPLY = "application/apply-patch+yaml"
YAML = "application/yaml"

CONTAINER = """{"name":"nginx","image":"nginx:latest","unknownNested":"val1",
 "imagePullPolicy":"Always","imagePullPolicy":"Never"}"""
BODY = """{"apiVersion":"apps/v1","kind":"Deployment",
"metadata":{"name":"dupename","name":"dep","unknownMeta":"metaVal","labels":{"app":"nginx"}},
"spec":{"unknown1":"val1","unknownDupe":"valDupe","unknownDupe":"valDupe2",
"paused":true,"paused":false,"selector":{"matchLabels":{"app":"nginx"}},
"template":{"metadata":{"labels":{"app":"nginx"}},"spec":{"containers":[CONTAINER]}}}}""".replace(
    "CONTAINER", CONTAINER
)
BODY_YAML = """apiVersion: apps/v1
kind: Deployment
metadata:
  name: dupename
  name: dep
  unknownMeta: metaVal
  labels:
    app: nginx
spec:
  unknown1: val1
  unknownDupe: valDupe
  unknownDupe: valDupe2
  paused: true
  paused: false
  selector:
    matchLabels:
      app: nginx
  template:
    metadata:
      labels:
        app: nginx
    spec:
      containers:
      - name: nginx
        image: nginx:latest
        unknownNested: val1
        imagePullPolicy: Always
        imagePullPolicy: Never"""
PATCH = f"""{{"spec":{{"unknown1":"val1","unknownDupe":"valDupe","unknownDupe":"valDupe2",
"paused":true,"paused":false,"template":{{"spec":{{"containers":[{CONTAINER}]}}}}}}}}"""
OPERATIONS = """[
{"op":"add","path":"/spec/unknown1","value":"val1","foo":"bar"},
{"op":"add","path":"/spec/unknown2","path":"/spec/unknown3","value":"val1"},
{"op":"add","path":"/spec/unknownDupe","value":"valDupe"},
{"op":"add","path":"/spec/paused","value":true},
{"op":"add","path":"/spec/template/spec/containers/0/unknownNested","value":"val1"}]"""
APPLIED = """{
  "apiVersion": "apps/v1", "kind": "Deployment",
  "metadata": {"name": "dep", "labels": {"app": "nginx"}},
  "spec": {
    "paused": false,
    "paused": true,
    "selector": {"matchLabels": {"app": "nginx"}},
    "template": {
      "metadata": {"labels": {"app": "nginx"}},
      "spec": {"containers": [{"name": "nginx", "image": "nginx:latest",
        "imagePullPolicy": "Never",
        "imagePullPolicy": "Always"}]}}}}"""

NESTED = "spec.template.spec.containers[0]"
IN_JSON = [
    'duplicate field "metadata.name"',
    'unknown field "metadata.unknownMeta"',
    'unknown field "spec.unknown1"',
    'unknown field "spec.unknownDupe"',
    'duplicate field "spec.paused"',
    f'unknown field "{NESTED}.unknownNested"',
    f'duplicate field "{NESTED}.imagePullPolicy"',
]
LINES = [
    'line 5: key "name" already set in map',
    'line 12: key "unknownDupe" already set in map',
    'line 14: key "paused" already set in map',
    'line 28: key "imagePullPolicy" already set in map',
]
BY_NAME = [
    f'unknown field "{NESTED}.unknownNested"',
    'unknown field "spec.unknown1"',
    'unknown field "spec.unknownDupe"',
]
OF_YAML = ['unknown field "metadata.unknownMeta"', *BY_NAME]
OF_PATCH = [
    'duplicate field "spec.unknownDupe"',
    'duplicate field "spec.paused"',
    f'duplicate field "{NESTED}.imagePullPolicy"',
    *BY_NAME,
]
OF_OPERATIONS = [
    'json patch unknown field "[0].foo"',
    'json patch duplicate field "[1].path"',
    *BY_NAME[:2],
    'unknown field "spec.unknown3"',
    BY_NAME[2],
]
OF_APPLY = [
    'line 6: key "paused" already set in map',
    'line 12: key "imagePullPolicy" already set in map',
]


def warnings(reply) -> list[str]:
    told = reply.headers.get_all("Warning") or []
    return [text.removeprefix('299 - "')[:-1].replace('\\"', '"') for text in told]


@pytest.fixture
def path(server, namespace) -> str:
    return f"/apis/apps/v1/namespaces/{namespace}/deployments"


@pytest.fixture
def made(server, path) -> str:
    """The path of a deployment that is right."""
    body = json.loads(BODY)
    reply = server.request("POST", f"{path}?fieldValidation=Ignore", body)
    assert reply.code == 201
    return f"{path}/dep"


def send(server, method: str, url: str, body: str, content_type: str):
    return server.request(method, url, body.encode(), headers={"Content-Type": content_type})


YAML_SENTENCE = ", ".join(["\n  ".join(["yaml: unmarshal errors:", *LINES]), *OF_YAML])
WRITES = pytest.mark.parametrize(
    ("body", "content_type", "found", "strict"),
    [
        (BODY, "application/json", IN_JSON, ", ".join(IN_JSON)),
        (BODY_YAML, YAML, [*LINES, *OF_YAML], YAML_SENTENCE),
    ],
    ids=["json", "yaml"],
)
PATCHES = pytest.mark.parametrize(
    ("body", "content_type", "found"),
    [
        (PATCH, MERGE, OF_PATCH),
        (OPERATIONS, JSON_PATCH, OF_OPERATIONS),
        (PATCH, STRATEGIC, OF_PATCH),
    ],
    ids=["merge-patch", "json-patch", "smp"],
)


@WRITES
def test_post(server, path, body, content_type, found, strict):
    refused = send(server, "POST", f"{path}?fieldValidation=Strict", body, content_type)
    assert (refused.code, refused.json["reason"]) == (400, "BadRequest")
    assert refused.json["message"] == (
        'Deployment in version "v1" cannot be handled as a Deployment: '
        f"strict decoding error: {strict}"
    )
    for query in ("?dryRun=All&fieldValidation=Warn", "?dryRun=All"):
        warned = send(server, "POST", f"{path}{query}", body, content_type)
        assert (warned.code, warnings(warned)) == (201, found), query
    ignored = send(server, "POST", f"{path}?fieldValidation=Ignore", body, content_type)
    assert (ignored.code, warnings(ignored)) == (201, [])
    assert ignored.json["spec"].get("paused", False) is False


@WRITES
def test_put(server, made, body, content_type, found, strict):
    refused = send(server, "PUT", f"{made}?fieldValidation=Strict", body, content_type)
    assert refused.code == 400
    assert refused.json["message"].endswith(f": strict decoding error: {strict}")
    for query in ("?fieldValidation=Warn", ""):
        warned = send(server, "PUT", f"{made}{query}", body, content_type)
        assert (warned.code, warnings(warned)) == (200, found), query
    ignored = send(server, "PUT", f"{made}?fieldValidation=Ignore", body, content_type)
    assert (ignored.code, warnings(ignored)) == (200, [])


@PATCHES
def test_patch(server, made, body, content_type, found):
    refused = send(server, "PATCH", f"{made}?fieldValidation=Strict", body, content_type)
    assert (refused.code, refused.json["reason"]) == (422, "Invalid")
    message = refused.json["message"]
    assert message.startswith(' "" is invalid: patch: Invalid value: "')
    assert message.endswith(f'": strict decoding error: {", ".join(found)}')
    for query in ("?fieldValidation=Warn", ""):
        warned = send(server, "PATCH", f"{made}{query}", body, content_type)
        assert (warned.code, warnings(warned)) == (200, found), query
    ignored = send(server, "PATCH", f"{made}?fieldValidation=Ignore", body, content_type)
    assert (ignored.code, warnings(ignored)) == (200, [])


def test_smp_shows_the_patch_as_go_prints_a_map(server, made):
    body = '{"spec":{"what":[1,true,null,"a b"]}}'
    refused = send(server, "PATCH", f"{made}?fieldValidation=Strict", body, STRATEGIC)
    assert '"map[spec:map[what:[1 true <nil> a b]]]"' in refused.json["message"]


def test_apply(server, path):
    url = f"{path}/dep?fieldManager=mgr"
    refused = send(server, "PATCH", f"{url}&fieldValidation=Strict", APPLIED, APPLY)
    told = "\n  ".join(["yaml: unmarshal errors:", *OF_APPLY])
    assert refused.code == 400
    assert refused.json["message"] == (
        f"error strict decoding YAML: error converting YAML to JSON: {told}"
    )
    for query, code in (("&fieldValidation=Warn", 201), ("", 200)):
        warned = send(server, "PATCH", f"{url}{query}", APPLIED, APPLY)
        assert (warned.code, warnings(warned)) == (code, OF_APPLY), query
    ignored = send(server, "PATCH", f"{url}&fieldValidation=Ignore", APPLIED, APPLY)
    assert (ignored.code, warnings(ignored)) == (200, [])


def test_objects_without_faults_are_not_warned_of(server, path):
    body = json.loads(BODY)
    del body["metadata"]["unknownMeta"], body["spec"]["unknown1"], body["spec"]["unknownDupe"]
    del body["spec"]["template"]["spec"]["containers"][0]["unknownNested"]
    for text in (json.dumps(body), json.dumps(body, indent=2), json.dumps(body, indent="\t")):
        reply = send(server, "POST", f"{path}?fieldValidation=Strict&dryRun=All", text, "")
        assert (reply.code, warnings(reply)) == (201, [])


def test_a_directive_that_is_none(server, path):
    reply = send(server, "POST", f"{path}?fieldValidation=Severe", BODY, "application/json")
    assert reply.code == 422
    assert "fieldValidation: Unsupported value" in reply.json["message"]
