"""Conversion webhooks (upstream: test/integration/conversion), against a real HTTPS server."""

from __future__ import annotations

import copy
import http.client
import json
from contextlib import contextmanager

import pytest

from .conftest import Custom, establish, until
from .definitions import crd

MERGE = {"Content-Type": "application/merge-patch+json"}
APPLY = {"Content-Type": "application/apply-patch+yaml"}
TABLE = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}


def _schema(**properties):
    status = {"type": "object", "properties": {"ready": {"type": "integer"}}}
    spec = {"type": "object", "properties": properties}
    return {"type": "object", "properties": {"spec": spec, "status": status}}


TEXT, NUMBER = {"type": "string"}, {"type": "integer", "maximum": 9}
#: v1 says `place: HOST:PORT` and `replicas`, v1beta1 `host`, `port` and `count`.
SCHEMAS = {
    "v1": _schema(place=TEXT, replicas={"type": "integer"}),
    "v1beta1": _schema(host=TEXT, port=TEXT, count=NUMBER),
}
REPLICAS = {"v1": "replicas", "v1beta1": "count"}


def converted(obj, version):
    """Return *obj* in *version*, as the webhook of these tests makes it."""
    new = copy.deepcopy(obj)
    new["apiVersion"] = version
    spec = new.get("spec")
    if not spec:
        return new
    if version.endswith("/v1"):
        new["spec"] = {"place": f"{spec.get('host', '')}:{spec.get('port', '')}"}
    else:
        host, _, port = spec.get("place", ":").partition(":")
        new["spec"] = {"host": host, "port": port}
    for name in REPLICAS.values():
        if name in spec:
            new["spec"][REPLICAS[version.rpartition("/")[2]]] = spec[name]
    return new


def convert(request):
    wanted = request["desiredAPIVersion"]
    objects = [converted(obj, wanted) for obj in request["objects"]]
    return {"result": {"status": "Success"}, "convertedObjects": objects}


def definition(group, webhook, *, storage="v1", reviews=("v1", "v1beta1")):
    made = crd(group, {})
    versions = []
    for name, schema in SCHEMAS.items():
        scale = {
            "specReplicasPath": f".spec.{REPLICAS[name]}",
            "statusReplicasPath": ".status.ready",
        }
        versions.append(
            {
                "name": name,
                "served": True,
                "storage": name == storage,
                "schema": {"openAPIV3Schema": schema},
                "subresources": {"status": {}, "scale": scale},
                "additionalPrinterColumns": [
                    {"name": "N", "type": "integer", "jsonPath": f".spec.{REPLICAS[name]}"}
                ],
            }
        )
    made["spec"]["versions"] = versions
    made["spec"]["conversion"] = {
        "strategy": "Webhook",
        "webhook": {
            "clientConfig": {"url": webhook.url, "caBundle": webhook.ca_bundle},
            "conversionReviewVersions": list(reviews),
        },
    }
    return made


class Both(Custom):
    """Requests in both versions."""

    def ask(self, method, name="", body=None, *, version="v1", below="", query="", **more):
        path = self.path(name, version=version) + below + query
        return self.server.request(method, path, body, **more)


@pytest.fixture
def noxu(server, namespace, webhook):
    webhook.answer = convert
    establish(server, made := definition(f"{namespace}.example.com", webhook))
    return Both(server, made, namespace)


@pytest.fixture
def beta(noxu):
    """`foo`, made in the version that is not stored."""
    spec = {"host": "h", "port": "80", "count": 2}
    created = noxu.ask("POST", "", noxu.body("foo", spec, version="v1beta1"), version="v1beta1")
    assert created.code == 201, created.json
    assert created.json["spec"] == spec
    return noxu


def test_both_versions_are_written_and_read(beta):
    assert beta.get("foo")["spec"] == {"place": "h:80", "replicas": 2}
    found = beta.ask("GET", "foo", version="v1beta1").json
    assert found["spec"] == {"host": "h", "port": "80", "count": 2}
    new = found | {"spec": {"host": "g", "port": "1"}}
    changed = beta.ask("PUT", "foo", new, version="v1beta1").json
    assert (changed["spec"], changed["metadata"]["generation"]) == (new["spec"], 2)
    assert beta.get("foo")["spec"] == {"place": "g:1"}
    patch = {"spec": {"host": "x"}}
    patched = beta.ask("PATCH", "foo", patch, version="v1beta1", headers=MERGE).json
    assert patched["spec"] == {"host": "x", "port": "1"}
    assert beta.get("foo")["spec"] == {"place": "x:1"}


def test_what_the_webhook_is_asked(beta, webhook):
    webhook.reviews.clear()
    webhook.paths.clear()
    beta.ask("GET", "foo", version="v1beta1")
    [review] = webhook.reviews
    group = beta.definition["spec"]["group"]
    assert (review["apiVersion"], review["kind"]) == (
        "apiextensions.k8s.io/v1",
        "ConversionReview",
    )
    assert review["request"]["desiredAPIVersion"] == f"{group}/v1beta1"
    [asked] = review["request"]["objects"]
    assert (asked["apiVersion"], asked["kind"]) == (f"{group}/v1", "Noxu")
    assert asked["spec"] == {"place": "h:80", "replicas": 2}
    assert asked["metadata"]["uid"]
    assert webhook.paths == ["/review?timeout=30s"]
    webhook.reviews.clear()
    beta.get("foo")
    assert webhook.reviews == []


def test_lists_are_asked_for_at_once(beta, webhook):
    for name in ("a", "b", "c"):
        assert beta.create(name, {"place": f"{name}:1"}).code == 201
    webhook.reviews.clear()
    listed = beta.ask("GET", version="v1beta1").json["items"]
    assert [one["spec"]["host"] for one in listed] == ["a", "b", "c", "h"]
    assert [len(review["request"]["objects"]) for review in webhook.reviews] == [4]
    table = beta.ask("GET", version="v1beta1", headers=TABLE).json
    assert [row["cells"][1] for row in table["rows"]] == [None, None, None, 2]


@contextmanager
def watching(noxu, *, version="v1", **query):
    """Open a watch; yield a function that returns its next event, None when it has ended."""
    server = noxu.server
    connection = http.client.HTTPSConnection(
        "127.0.0.1", server.port, timeout=10, context=server.tls()
    )
    asked = "&".join(f"{key}={value}" for key, value in {"watch": 1, **query}.items())
    connection.request("GET", f"{noxu.path(version=version)}?{asked}")
    answer = connection.getresponse()

    def next_event():
        line = answer.readline()
        return json.loads(line) if line else None

    try:
        yield next_event
    finally:
        answer.close()
        connection.close()


def test_watches_see_their_version(beta):
    beta.create("bar", {"place": "b:1"})
    with watching(beta, version="v1beta1") as next_event:
        events = [next_event(), next_event()]
        assert [one["type"] for one in events] == ["ADDED", "ADDED"]
        assert [one["object"]["spec"]["host"] for one in events] == ["b", "h"]
        beta.merge("foo", {"spec": {"replicas": 5}})
        event = next_event()
        assert (event["type"], event["object"]["spec"]["count"]) == ("MODIFIED", 5)
        version = event["object"]["metadata"]["resourceVersion"]
        beta.server.request("DELETE", beta.path("bar"))
        assert next_event()["type"] == "DELETED"
    with watching(beta, version="v1beta1", resourceVersion=version) as next_event:
        event = next_event()
        assert (event["type"], event["object"]["spec"]["host"]) == ("DELETED", "b")


def test_a_watch_whose_webhook_fails_ends_with_the_reason(beta, webhook):
    webhook.answer = lambda _request: {"result": {"status": "Failure", "message": "no idea"}}
    watched = beta.ask("GET", version="v1beta1", query="?watch=1&timeoutSeconds=5")
    [event] = [json.loads(line) for line in watched.body.splitlines()]
    assert (event["type"], event["object"]["code"]) == ("ERROR", 500)
    assert "no idea" in event["object"]["message"]


def test_apply_in_one_version_and_own_in_both(noxu):
    group = noxu.definition["spec"]["group"]
    old = noxu.body("foo", {"host": "h", "count": 1}, version="v1beta1")
    query = "?fieldManager=old"
    made = noxu.ask("PATCH", "foo", old, version="v1beta1", query=query, headers=APPLY)
    assert made.code == 201, made.json
    new = noxu.body("foo", {"replicas": 3})
    refused = noxu.ask("PATCH", "foo", new, query="?fieldManager=new", headers=APPLY)
    assert refused.code == 409
    assert '"old"' in refused.json["message"]
    forced = noxu.ask("PATCH", "foo", new, query="?fieldManager=new&force=1", headers=APPLY).json
    assert forced["spec"]["replicas"] == 3
    managers = {
        each["manager"]: (each["apiVersion"], each["fieldsV1"])
        for each in forced["metadata"]["managedFields"]
    }
    assert managers == {
        "old": (f"{group}/v1beta1", {"f:spec": {"f:host": {}}}),
        "new": (f"{group}/v1", {"f:spec": {"f:replicas": {}}}),
    }


def test_status_and_scale_in_another_version(beta):
    path = {"name": "foo", "version": "v1beta1"}
    patched = beta.ask(
        "PATCH", below="/status", body={"status": {"ready": 1}}, headers=MERGE, **path
    )
    assert patched.json["status"] == {"ready": 1}
    assert beta.get("foo")["status"] == {"ready": 1}
    assert beta.ask("GET", below="/scale", **path).json["spec"] == {"replicas": 2}
    scaled = beta.ask(
        "PATCH", below="/scale", body={"spec": {"replicas": 4}}, headers=MERGE, **path
    )
    assert scaled.json["spec"] == {"replicas": 4}
    assert beta.get("foo")["spec"] == {"place": "h:80", "replicas": 4}
    scale = beta.ask("GET", "foo", below="/scale").json
    scale["spec"]["replicas"] = 6
    assert beta.ask("PUT", "foo", scale, below="/scale").code == 200
    assert beta.ask("GET", "foo", version="v1beta1").json["spec"]["count"] == 6


def test_objects_are_judged_in_the_version_of_the_request(beta):
    patch = {"spec": {"count": 10}}
    refused = beta.ask("PATCH", "foo", patch, version="v1beta1", headers=MERGE)
    assert refused.json["details"]["causes"][0]["field"] == "spec.count"
    assert beta.merge("foo", {"spec": {"replicas": 10}}).code == 200


def test_the_stored_version_changes(beta):
    """Objects of the older one are converted when they are read, and stored anew when written."""

    def change(made):
        for version in made["spec"]["versions"]:
            version["storage"] = version["name"] == "v1beta1"

    assert beta.redefine(change).code == 200
    until(lambda: beta.ask("POST", "", beta.body("new", {"place": "n:1"})).code in (201, 409))
    assert beta.get("foo")["spec"] == {"place": "h:80", "replicas": 2}
    listed = beta.ask("GET", version="v1beta1").json["items"]
    assert [one["spec"]["host"] for one in listed] == ["h", "n"]
    assert beta.merge("foo", {"spec": {"replicas": 3}}).json["spec"]["replicas"] == 3
    assert beta.ask("GET", "foo", version="v1beta1").json["spec"]["count"] == 3
    assert beta.ask("DELETE", "foo", version="v1beta1").code == 200


WRONG_ANSWERS = [
    ({"uid": "x"}, 'expected response.uid="'),
    ({}, "response.result.status was '', not 'Success'"),
    ({"result": {"status": "Failure", "message": "bad"}}, "failed: bad"),
    ({"result": {"status": "Success"}}, "returned 0 objects, expected 1"),
    (lambda obj: {**obj, "kind": "Other"}, "invalid kind (expected Noxu, received Other)"),
    (lambda obj: {**obj, "apiVersion": "v1"}, "invalid groupVersion (expected "),
    (lambda obj: {k: v for k, v in obj.items() if k != "metadata"}, "missing metadata"),
    (lambda obj: {**obj, "metadata": {"name": "bar"}}, "must have the same name: foo != bar"),
    (
        lambda obj: {**obj, "metadata": {**obj["metadata"], "uid": "1"}},
        "must have the same UID",
    ),
    (
        lambda obj: {**obj, "metadata": {**obj["metadata"], "labels": {"a": 1}}},
        "metadata.labels[a] must be a string",
    ),
    (
        lambda obj: {**obj, "metadata": {**obj["metadata"], "labels": {"a": "-"}}},
        "metadata.labels: Invalid value",
    ),
]


def test_wrong_answers(beta, webhook):
    group = beta.definition["spec"]["group"]
    for answer, message in WRONG_ANSWERS:

        def respond(request, answer=answer):
            if not callable(answer):
                return answer
            right = convert(request)
            return right | {
                "convertedObjects": [answer(each) for each in right["convertedObjects"]]
            }

        webhook.answer = respond
        refused = beta.ask("GET", "foo", version="v1beta1")
        assert refused.code == 500
        told = refused.json["message"]
        assert told.startswith(f"conversion webhook for {group}/v1, Kind=Noxu ")
        assert message in told
    assert beta.get("foo")["spec"]["place"] == "h:80"


def test_labels_may_change_and_nothing_else_of_metadata(beta, webhook):
    def respond(request):
        right = convert(request)
        for obj in right["convertedObjects"]:
            obj["metadata"] |= {"labels": {"new": "yes"}, "finalizers": ["a/b"], "generation": 99}
            obj["spec"]["unknown"] = 1
        return right

    webhook.answer = respond
    found = beta.ask("GET", "foo", version="v1beta1").json
    assert found["metadata"]["labels"] == {"new": "yes"}
    assert "finalizers" not in found["metadata"]
    assert found["metadata"]["generation"] == 1
    assert "unknown" not in found["spec"]


def test_an_answer_that_is_none(beta, webhook):
    for raw in (b"", b"no json", b"[]", b"{}"):
        webhook.raw = raw
        assert beta.ask("GET", "foo", version="v1beta1").code == 500


def test_a_webhook_that_is_away(beta):
    def change(made):
        config = made["spec"]["conversion"]["webhook"]["clientConfig"]
        config["url"] = "https://127.0.0.1:1/convert"

    beta.redefine(change)

    def refusal():
        answer = beta.ask("GET", "foo", version="v1beta1")
        return answer if answer.code == 500 else None

    message = until(refusal).json["message"]
    assert 'failed: Post "https://127.0.0.1:1/convert?timeout=30s": dial tcp' in message
    created = beta.ask(
        "POST", "", beta.body("bar", {"host": "h"}, version="v1beta1"), version="v1beta1"
    )
    assert created.code == 500
    assert beta.ask("GET", "bar").code == 404


def test_webhooks_for_writes_see_the_version_they_ask_for(beta, webhook):
    """A webhook of admission whose rules name v1beta1 is asked about writes in v1."""
    group = beta.definition["spec"]["group"]
    hook = {
        "name": "check.example.com",
        "rules": [
            {
                "operations": ["UPDATE"],
                "apiGroups": [group],
                "apiVersions": ["v1beta1"],
                "resources": ["noxus"],
            }
        ],
        "clientConfig": {"url": webhook.url, "caBundle": webhook.ca_bundle},
        "admissionReviewVersions": ["v1"],
        "sideEffects": "None",
    }
    path = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"
    body = {"metadata": {"name": group}, "webhooks": [hook]}
    seen = []

    def respond(request):
        if "desiredAPIVersion" in request:
            return convert(request)
        seen.append(request)
        return {"allowed": True}

    webhook.answer = respond
    assert beta.server.request("POST", path, body).code == 201
    try:
        assert beta.merge("foo", {"spec": {"replicas": 7}}).code == 200
    finally:
        beta.server.request("DELETE", f"{path}/{group}")
    [request] = seen
    assert request["kind"]["version"] == "v1beta1"
    assert request["object"]["spec"] == {"host": "h", "port": "80", "count": 7}
    assert request["oldObject"]["spec"]["count"] == 2


def test_a_watch_ends_when_the_kind_is_another(beta):
    """Upstream closes watches of a definition that changed without a word."""

    def change(made):
        made["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["more"] = TEXT

    with watching(beta) as next_event:
        assert next_event()["type"] == "ADDED"
        assert beta.redefine(change).code == 200
        assert next_event() is None
