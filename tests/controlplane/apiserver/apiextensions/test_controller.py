"""Definitions and what they make, by one server (upstream: test/integration of apiextensions)."""

from __future__ import annotations

import json

import pytest

from .conftest import CRDS, Custom, establish, until
from .definitions import (
    ANYTHING,
    EVERYTHING,
    VERSION_PARTS,
    crd,
)

MERGE = {"Content-Type": "application/merge-patch+json"}
STRATEGIC = {"Content-Type": "application/strategic-merge-patch+json"}
JSON_PATCH = {"Content-Type": "application/json-patch+json"}
TABLE = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}


def condition(server, name, kind):
    conditions = server.request("GET", f"{CRDS}/{name}").json["status"]["conditions"]
    return next((each for each in conditions if each["type"] == kind), None)


def test_simple_crud(define):
    """Upstream: TestNamespaceScopedCRUD."""
    noxu = define(ANYTHING)
    created = noxu.create("foo", {"num": 1})
    assert created.code == 201
    assert created.json["metadata"]["generation"] == 1
    assert noxu.get("foo")["spec"] == {"num": 1}
    assert noxu.server.request("PUT", noxu.path("foo"), noxu.get("foo") | {"x": 2}).json["x"] == 2
    assert noxu.get("foo")["metadata"]["generation"] == 2
    listed = noxu.server.request("GET", noxu.path()).json
    assert (listed["kind"], len(listed["items"])) == ("NoxuList", 1)
    assert listed["items"][0]["kind"] == "Noxu"  # Custom kinds have no typed lists.
    assert noxu.server.request("DELETE", noxu.path("foo")).json["status"] == "Success"
    assert noxu.server.request("GET", noxu.path("foo")).code == 404


def test_cluster_scoped_crud(define):
    """Upstream: TestClusterScopedCRUD."""
    noxu = define(ANYTHING, scope="Cluster")
    assert "namespace" not in noxu.create("foo").json["metadata"]
    inside = noxu.path("foo").replace("/noxus/", "/namespaces/default/noxus/")
    assert noxu.server.request("GET", inside).code == 404


def test_a_kind_is_discovered_at_once(define):
    """Upstream: TestDiscovery."""
    group = (noxu := define(EVERYTHING, **VERSION_PARTS)).definition["spec"]["group"]
    found = noxu.server.request("GET", f"/apis/{group}").json
    assert found["preferredVersion"]["groupVersion"] == f"{group}/v1"
    resources = noxu.server.request("GET", f"/apis/{group}/v1").json["resources"]
    assert [one["name"] for one in resources] == ["noxus", "noxus/scale", "noxus/status"]
    assert resources[0]["singularName"] == "noxu"
    assert group in [one["name"] for one in noxu.server.request("GET", "/apis").json["groups"]]
    paths = noxu.server.request("GET", "/openapi/v3").json["paths"]
    assert f"apis/{group}/v1" in paths


def test_openapi_has_the_schema(define):
    noxu = define(EVERYTHING)
    group = noxu.definition["spec"]["group"]
    url = noxu.server.request("GET", "/openapi/v3").json["paths"][f"apis/{group}/v1"]
    document = noxu.server.request("GET", url["serverRelativeURL"]).json
    name = ".".join([*reversed(group.split(".")), "v1", "Noxu"])
    schemas = document["components"]["schemas"]
    assert schemas[name]["properties"]["spec"]["properties"]["mode"]["enum"] == ["slow", "fast"]
    assert schemas[name]["x-kubernetes-group-version-kind"] == [
        {"group": group, "version": "v1", "kind": "Noxu"}
    ]
    assert f"{name}List" in schemas
    path = document["paths"][f"/apis/{group}/v1/namespaces/{{namespace}}/noxus/{{name}}"]
    names = {each["name"] for each in path["patch"]["parameters"]}
    assert "fieldValidation" in names


def test_names_that_are_taken(server, namespace):
    """Upstream: TestNameConflict."""
    group = f"{namespace}.example.com"
    establish(server, crd(group, ANYTHING))
    rival = crd(group, ANYTHING, kind="Moxu")
    rival["spec"]["names"] |= {"singular": "noxu", "shortNames": ["m"]}
    server.request("POST", CRDS, rival)
    name = rival["metadata"]["name"]
    found = until(lambda: _accepted(server, name))
    assert (found["status"], found["reason"]) == ("False", "SingularConflict")
    assert found["message"] == '"noxu" is already in use'
    assert condition(server, name, "Established")["reason"] == "NotAccepted"
    assert server.request("GET", f"/apis/{group}/v1/moxus").code == 404
    server.request("DELETE", f"{CRDS}/noxus.{group}")
    until(lambda: (condition(server, name, "Established") or {}).get("status") == "True")
    assert server.request("GET", f"/apis/{group}/v1/moxus").code == 200


def _accepted(server, name):
    conditions = server.request("GET", f"{CRDS}/{name}").json["status"].get("conditions") or []
    return next((each for each in conditions if each["type"] == "NamesAccepted"), None)


def test_deregistration_and_reregistration(define, server):
    """Upstream: TestDeRegistrationAndReRegistration, TestFinalizationAndDeletion."""
    noxu = define(ANYTHING)
    noxu.create("foo")
    held = noxu.create("held", metadata={"name": "held", "finalizers": ["example.com/hold"]})
    assert held.code == 201
    assert server.request("DELETE", noxu.url).json["metadata"]["finalizers"] == [
        "customresourcecleanup.apiextensions.k8s.io"
    ]
    until(lambda: server.request("GET", noxu.path("foo")).code == 404)
    refused = noxu.create("bar")
    assert refused.code == 405
    assert refused.json["message"] == (
        "create not allowed while custom resource definition is terminating"
    )
    assert condition(server, noxu.name, "Terminating")["status"] == "True"
    noxu.merge("held", {"metadata": {"finalizers": None}})
    until(lambda: server.request("GET", noxu.url).code == 404)
    assert server.request("GET", noxu.path()).code == 404
    establish(server, noxu.definition)
    assert server.request("GET", noxu.path()).json["items"] == []


def test_a_watch_ends_when_its_kind_goes(define, server):
    noxu = define(ANYTHING)
    url = f"{noxu.path()}?watch=1&timeoutSeconds=10&resourceVersion="
    noxu.create("foo")
    server.request("DELETE", noxu.url)
    until(lambda: server.request("GET", noxu.url).code == 404)
    assert server.request("GET", url).code == 404


def test_patches(define):
    """Upstream: TestPatch."""
    noxu = define(EVERYTHING)
    noxu.create("foo", {"size": 2})
    assert noxu.merge("foo", {"spec": {"size": 4}}).json["spec"]["size"] == 4
    steps = [{"op": "replace", "path": "/spec/size", "value": 5}]
    patched = noxu.server.request("PATCH", noxu.path("foo"), steps, headers=JSON_PATCH)
    assert patched.json["spec"]["size"] == 5
    refused = noxu.server.request("PATCH", noxu.path("foo"), {}, headers=STRATEGIC)
    assert (refused.code, refused.json["reason"]) == (415, "UnsupportedMediaType")


def test_the_status_is_a_subresource(define):
    """Upstream: TestStatusSubresource, TestGeneration."""
    noxu = define(EVERYTHING, **VERSION_PARTS)
    created = noxu.create("foo", {"size": 2}, status={"ready": 1}).json
    assert "status" not in created
    changed = created | {"status": {"ready": 2}, "spec": {"size": 9}}
    updated = noxu.server.request("PUT", noxu.path("foo") + "/status", changed).json
    assert (updated["status"], updated["spec"]["size"]) == ({"ready": 2}, 2)
    assert updated["metadata"]["generation"] == 1
    plain = noxu.server.request("PUT", noxu.path("foo"), updated | {"status": {"ready": 7}}).json
    assert plain["status"] == {"ready": 2}
    wrong = updated | {"status": {"ready": "x"}}
    refused = noxu.server.request("PUT", noxu.path("foo") + "/status", wrong)
    said = 'status.ready in body must be of type integer: "string"'
    assert refused.json["details"]["causes"][0] == {
        "reason": "FieldValueTypeInvalid",
        "message": f'Invalid value: "string": {said}',
        "field": "status.ready",
    }


def test_without_the_subresource_the_status_is_content(define):
    """Upstream: TestGeneration, with the subresource disabled."""
    noxu = define(EVERYTHING)
    assert noxu.create("foo", {"size": 2}, status={"ready": 1}).json["status"] == {"ready": 1}
    assert noxu.merge("foo", {"status": {"ready": 2}}).json["metadata"]["generation"] == 2
    assert noxu.server.request("GET", noxu.path("foo") + "/status").code == 404


def test_scale(define):
    """Upstream: TestScaleSubresource."""
    noxu = define(EVERYTHING, **VERSION_PARTS)
    noxu.create("foo", {"size": 2})
    noxu.server.request(
        "PATCH",
        noxu.path("foo") + "/status",
        {"status": {"ready": 2, "selector": "a=b"}},
        headers=MERGE,
    )
    scale = noxu.server.request("GET", noxu.path("foo") + "/scale").json
    assert (scale["kind"], scale["spec"]) == ("Scale", {"replicas": 2})
    assert scale["status"] == {"replicas": 2, "selector": "a=b"}
    scale["spec"]["replicas"] = 4
    assert noxu.server.request("PUT", noxu.path("foo") + "/scale", scale).code == 200
    assert noxu.get("foo")["spec"]["size"] == 4
    scale["metadata"].pop("resourceVersion")
    scale["spec"]["replicas"] = 10
    assert noxu.server.request("PUT", noxu.path("foo") + "/scale", scale).code == 422


def test_tables(define):
    """Upstream: TestTableGet."""
    noxu = define(EVERYTHING, **VERSION_PARTS)
    noxu.create("foo", {"size": 2, "ports": [{"name": "a"}, {"name": "b"}]})
    table = noxu.server.request("GET", noxu.path(), headers=TABLE).json
    assert [each["name"] for each in table["columnDefinitions"]] == [
        *("Name", "Size", "Mode", "First"),
    ]
    assert table["rows"][0]["cells"] == ["foo", 2, "slow", "80"]


def test_field_selectors(define):
    """Upstream: TestFieldSelectors."""
    noxu = define(EVERYTHING, **VERSION_PARTS)
    noxu.create("foo", {"mode": "fast"})
    noxu.create("bar", {"mode": "slow"})
    found = noxu.server.request("GET", noxu.path() + "?fieldSelector=spec.mode%3Dfast").json
    assert [one["metadata"]["name"] for one in found["items"]] == ["foo"]
    assert noxu.server.request("GET", noxu.path() + "?fieldSelector=spec.size%3D1").code == 400


def test_unknown_fields(define):
    """Upstream: TestPruningCreate, TestFieldValidation."""
    noxu = define(EVERYTHING)
    created = noxu.create("foo", {"size": 1, "what": 1, "free": {"x": {"y": 1}}}, more=1).json
    assert created["spec"] == {"size": 1, "mode": "slow", "free": {"x": {"y": 1}}}
    assert "more" not in created
    strict = noxu.path() + "?fieldValidation=Strict"
    refused = noxu.server.request("POST", strict, noxu.body("bar", {"what": 1}, more=1))
    assert refused.code == 400
    assert refused.json["message"].endswith(
        'strict decoding error: unknown field "more", unknown field "spec.what"'
    )
    warn = noxu.path() + "?fieldValidation=Warn"
    warned = noxu.server.request("POST", warn, noxu.body("bar", {"what": 1}))
    assert warned.headers["Warning"] == '299 - "unknown field \\"spec.what\\""'


@pytest.mark.parametrize(
    ("spec", "field", "message"),
    [
        ({"size": 0}, "spec.size", "spec.size in body should be greater than or equal to 1"),
        ({"mode": "odd"}, "spec.mode", 'supported values: "slow", "fast"'),
        ({"image": "A"}, "spec.image", "spec.image in body should match '^[a-z]+$'"),
        ({"image": "a" * 21}, "spec.image", "Too long: may not be more than 20 bytes"),
        ({"port": True}, "spec.port", "must be of type integer,string"),
        ({"tags": ["a", "a"]}, "spec.tags[1]", 'Duplicate value: "a"'),
        (
            {"ports": [{"name": "a"}, {"name": "a"}]},
            "spec.ports[1]",
            'Duplicate value: map[string]interface {}{"name":"a"}',
        ),
        ({"ports": [{}]}, "spec.ports[0].name", "Required value"),
        ({"template": {"kind": "Pod"}}, "spec.template.apiVersion", "Required value"),
        ({"ratio": 0.7}, "spec.ratio", "should be a multiple of 0.5"),
        ({"size": 1, "mode": "fast"}, "spec", "fast needs more than one"),
    ],
)
def test_what_is_wrong(everything, spec, field, message):
    """Upstream: TestCustomResourceValidationErrors."""
    refused = everything.create("wrong", spec)
    assert (refused.code, refused.json["reason"]) == (422, "Invalid")
    causes = refused.json["details"]["causes"]
    assert message in {cause["field"]: cause["message"] for cause in causes}[field]


@pytest.fixture(scope="module")
def everything(server):
    definition = crd("everything.example.com", EVERYTHING)
    establish(server, definition)
    return Custom(server, definition, "default")


def test_rules_about_changes(everything):
    """Upstream: transition rules, ratcheting."""
    everything.create("grows", {"size": 5})
    refused = everything.merge("grows", {"spec": {"size": 4}})
    assert refused.json["details"]["causes"] == [
        {
            "reason": "FieldValueInvalid",
            "message": 'Invalid value: "object": may not shrink',
            "field": "spec",
        }
    ]
    assert everything.merge("grows", {"spec": {"size": 6}}).code == 200


def test_a_new_default_is_seen_in_old_objects(define):
    """Upstream: TestCustomResourceDefaultingWithWatchCache."""
    noxu = define(EVERYTHING)
    noxu.create("foo", {"size": 2, "image": "old"})

    def change(definition):
        schema = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
        spec = schema["properties"]["spec"]["properties"]
        spec["color"] = {"type": "string", "default": "red"}
        del spec["image"]

    assert noxu.redefine(change).code == 200
    until(lambda: noxu.get("foo")["spec"].get("color") == "red")
    assert "image" not in noxu.get("foo")["spec"]
    items = noxu.server.request("GET", noxu.path()).json["items"]
    assert items[0]["spec"]["color"] == "red"
    version = noxu.get("foo")["metadata"]["resourceVersion"]
    assert noxu.merge("foo", {"spec": {"size": 3}}).json["spec"]["color"] == "red"
    assert noxu.get("foo")["metadata"]["resourceVersion"] != version


def test_a_tighter_schema_forgives_what_is_unchanged(define):
    """Upstream: TestRatchetingFunctionality."""
    noxu = define(EVERYTHING)
    noxu.create("foo", {"size": 8, "image": "abc"})

    def change(definition):
        schema = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
        schema["properties"]["spec"]["properties"]["size"]["maximum"] = 5

    noxu.redefine(change)
    until(lambda: noxu.create("big", {"size": 7}).code == 422)
    assert noxu.merge("foo", {"spec": {"image": "def"}}).code == 200
    assert noxu.merge("foo", {"spec": {"size": 9}}).code == 422


def versions(group):
    made = crd(group, EVERYTHING)
    spec = made["spec"]
    older = json.loads(json.dumps(spec["versions"][0]))
    older |= {"name": "v1beta1", "storage": False, "deprecated": True}
    older["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]["image"]["enum"] = ["a"]
    older["selectableFields"] = [{"jsonPath": ".spec.image"}]
    spec["versions"] = [older, *spec["versions"]]
    return made


def test_several_versions(server, namespace):
    """Upstream: TestVersionedNamespacedScopedCRD, TestStoragedVersionInNamespacedCRDStatus."""
    group = f"{namespace}.example.com"
    establish(server, made := versions(group))
    noxu = Custom(server, made, namespace)
    old = noxu.path(version="v1beta1")
    created = server.request("POST", old, noxu.body("foo", {"image": "a"}, version="v1beta1"))
    assert (created.code, created.json["apiVersion"]) == (201, f"{group}/v1beta1")
    assert created.headers["Warning"] == f'299 - "{group}/v1beta1 Noxu is deprecated"'
    watched = server.request("GET", f"{old}?watch=1&timeoutSeconds=1")
    assert watched.headers["Warning"] == created.headers["Warning"]
    assert json.loads(watched.body.splitlines()[0])["object"]["apiVersion"] == f"{group}/v1beta1"
    assert noxu.get("foo")["apiVersion"] == f"{group}/v1"
    assert noxu.get("foo")["metadata"]["generation"] == 1
    refused = server.request("POST", old, noxu.body("bar", {"image": "b"}, version="v1beta1"))
    assert refused.json["details"]["causes"][0]["field"] == "spec.image"
    assert noxu.create("bar", {"image": "b"}).code == 201
    listed = server.request("GET", old).json["items"]
    assert {one["apiVersion"] for one in listed} == {f"{group}/v1beta1"}
    found = server.request("GET", f"{old}?fieldSelector=spec.image%3Db").json["items"]
    assert [one["metadata"]["name"] for one in found] == ["bar"]
    groups = server.request("GET", f"/apis/{group}").json["versions"]
    assert [one["version"] for one in groups] == ["v1", "v1beta1"]


def test_the_stored_version_changes(server, namespace):
    """Upstream: TestStorageVersion…; objects of the older one are read as the newer."""
    group = f"{namespace}.example.com"
    establish(server, made := versions(group))
    noxu = Custom(server, made, namespace)
    noxu.create("foo", {"image": "a"})

    def change(definition):
        for version in definition["spec"]["versions"]:
            version["storage"] = version["name"] == "v1beta1"
        definition["spec"]["versions"][1]["served"] = False

    answer = noxu.redefine(change)
    assert answer.json["status"]["storedVersions"] == ["v1", "v1beta1"]
    until(lambda: server.request("GET", noxu.path("foo")).code == 404)
    old = noxu.path("foo", version="v1beta1")
    assert server.request("GET", old).json["apiVersion"] == f"{group}/v1beta1"
    patched = server.request("PATCH", old, {"spec": {"size": 4}}, headers=MERGE)
    assert patched.json["spec"]["size"] == 4

    def drop(definition):
        definition["spec"]["versions"].pop()

    refused = noxu.redefine(drop)
    assert refused.json["details"]["causes"][0]["field"] == "status.storedVersions[0]"


def test_delete_collection(define):
    noxu = define(ANYTHING)
    for name in ("a", "b"):
        noxu.create(name)
    assert noxu.server.request("DELETE", noxu.path()).code == 200
    assert noxu.server.request("GET", noxu.path()).json["items"] == []


def test_everything_is_there_again_after_a_kill(stopped_server):
    """kill -9 in between: kinds, objects, and a deletion that was under way."""
    server = stopped_server
    server.start()
    kept = Custom(server, crd("kept.example.com", EVERYTHING), "default")
    going = Custom(server, crd("going.example.com", ANYTHING), "default")
    for custom in (kept, going):
        establish(server, custom.definition)
        custom.create("foo", {"size": 2})
    going.merge("foo", {"metadata": {"finalizers": ["example.com/hold"]}})
    server.request("DELETE", going.url)
    server.kill()
    server.start()
    assert kept.get("foo")["spec"]["size"] == 2
    assert kept.create("bar", {"size": 0}).code == 422
    until(lambda: going.get("foo")["metadata"].get("deletionTimestamp"))
    assert going.create("bar").code == 405
    going.merge("foo", {"metadata": {"finalizers": None}})
    until(lambda: server.request("GET", going.url).code == 404)
