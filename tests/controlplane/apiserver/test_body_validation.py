"""fieldValidation of what is posted or put to subresources and of reviews; protobuf's bodies."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import pytest

from podwire.cluster import pki

from .conftest import RunningServer, free_port

MERGE = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
JSON = "application/json"
YAML = "application/yaml"
PROTOBUF = "application/vnd.kubernetes.protobuf"

POD = {"spec": {"containers": [{"name": "c", "image": "nginx"}]}}
DEPLOYMENT = {
    "metadata": {"name": "d"},
    "spec": {
        "replicas": 2,
        "selector": {"matchLabels": {"app": "d"}},
        "template": {"metadata": {"labels": {"app": "d"}}, **POD},
    },
}
ALLOWED = '"resourceAttributes":{"verb":"get","resource":"pods"}'


@pytest.fixture(scope="module")
def server(authority: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server that issues tokens."""
    folder = tmp_path_factory.mktemp("apiserver")
    pki.write_signing_key(folder / "sa.key", folder / "sa.pub")
    more = {"service_account_key": str(folder / "sa.key")}
    running = RunningServer(authority, folder, free_port(), more=more)
    running.start()
    yield running
    running.stop()


def told(reply: Any) -> list[str]:
    """Return the warnings of an answer."""
    heads = reply.headers.get_all("Warning") or []
    return [text.removeprefix('299 - "')[:-1].replace('\\"', '"') for text in heads]


@pytest.fixture
def world(server: Any, namespace: str) -> str:
    """The path of a namespace with a pod, a deployment and a node."""
    at = f"/api/v1/namespaces/{namespace}"
    account = {"metadata": {"name": "default"}}
    assert server.request("POST", f"{at}/serviceaccounts", account).code == 201
    assert server.request("POST", f"{at}/pods", {"metadata": {"name": "p"}, **POD}).code == 201
    apps = f"/apis/apps/v1/namespaces/{namespace}/deployments"
    assert server.request("POST", apps, DEPLOYMENT).code == 201
    return at


def scale_path(namespace: str) -> str:
    return f"/apis/apps/v1/namespaces/{namespace}/deployments/d/scale"


def send(server: Any, method: str, path: str, body: str | bytes, form: str = JSON) -> Any:
    octets = body if isinstance(body, bytes) else body.encode()
    return server.request(method, path, octets, headers={"Content-Type": form})


@pytest.mark.parametrize(
    ("method", "path", "body", "kind", "version"),
    [
        pytest.param(
            "PUT",
            "scale",
            '{"metadata":{"name":"d"},"spec":{"replicas":3,"replicas":3,"what":1}}',
            *("Scale", "v1"),
            id="scale",
        ),
        pytest.param(
            "POST",
            "pods/p/binding",
            '{"target":{"kind":"Node","name":"n","name":"n"},"what":1}',
            *("Binding", "v1"),
            id="binding",
        ),
        pytest.param(
            "POST",
            "pods/p/eviction",
            '{"metadata":{"name":"p"},"deleteOptions":{"dryRun":["All"],"what":1,"dryRun":["All"]}}',
            *("Eviction", "v1"),
            id="eviction",
        ),
        pytest.param(
            "POST",
            "serviceaccounts/default/token",
            '{"spec":{"expirationSeconds":3600,"what":1,"expirationSeconds":3600}}',
            *("TokenRequest", "v1"),
            id="token",
        ),
        pytest.param(
            "PUT",
            "finalize",
            '{"spec":{"finalizers":["kubernetes"],"what":1,"finalizers":["kubernetes"]}}',
            *("Namespace", "v1"),
            id="finalize",
        ),
        pytest.param(
            "POST",
            "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
            f'{{"spec":{{{ALLOWED},"what":1,{ALLOWED}}}}}',
            *("SelfSubjectAccessReview", "v1"),
            id="review",
        ),
    ],
)
def test_every_body_is_decoded_strictly(
    server: Any, world: str, namespace: str, method: str, path: str, body: str, kind: str,
    version: str,
) -> None:  # fmt: skip
    where = path if path.startswith("/") else f"{world}/{path}"
    where = scale_path(namespace) if path == "scale" else where
    refused = send(server, method, f"{where}?fieldValidation=Strict", body)
    assert (refused.code, refused.json["reason"]) == (400, "BadRequest")
    head = f'{kind} in version "{version}" cannot be handled as a {kind}: strict decoding error: '
    assert refused.json["message"].startswith(head)
    found = refused.json["message"].removeprefix(head).split(", ")
    assert sorted(text.split()[0] for text in found) == ["duplicate", "unknown"]
    silent = send(server, method, f"{where}?fieldValidation=Ignore", body)
    assert (silent.code in (200, 201), told(silent)) == (True, [])
    if kind == "Binding":  # It is bound by now.
        return
    warned = send(server, method, where, body)
    assert warned.code in (200, 201)
    assert sorted(told(warned)) == sorted(found)


@pytest.mark.parametrize(
    ("form", "patch", "found"),
    [
        (MERGE, '{"spec":{"replicas":1,"replicas":4,"x":1}}', ["duplicate", "unknown"]),
        (JSON_PATCH, '[{"op":"add","path":"/spec/x","value":1}]', ["unknown"]),
    ],
)
def test_patches_of_a_scale(
    server: Any, world: str, namespace: str, form: str, patch: str, found: list[str]
) -> None:
    path = scale_path(namespace)
    refused = send(server, "PATCH", f"{path}?fieldValidation=Strict", patch, form)
    assert (refused.code, refused.json["reason"]) == (422, "Invalid")
    warned = send(server, "PATCH", path, patch, form)
    assert warned.code == 200
    assert sorted(text.split()[0] for text in told(warned)) == found
    assert told(send(server, "PATCH", f"{path}?fieldValidation=Ignore", patch, form)) == []
    right = '{"spec":{"replicas":5}}'
    assert told(send(server, "PATCH", f"{path}?fieldValidation=Strict", right, MERGE)) == []


@pytest.mark.parametrize(
    ("path", "body", "message"),
    [
        ("scale", '{"kind":"Deployment"}', "the object provided is of another kind"),
        ("scale", '{"apiVersion":"apps/v1"}', "does not match the expected API version"),
        ("scale", '{"spec":{"replicas":"many"}}', "spec.replicas"),
        ("pods/p/binding", '{"kind":"Pod"}', "the object provided is of another kind"),
        ("pods/p/binding", '{"target":[]}', "target"),
        ("pods/p/eviction", '{"deleteOptions":{"gracePeriodSeconds":"x"}}', "gracePeriodSeconds"),
        ("serviceaccounts/default/token", '{"spec":{"audiences":{}}}', "spec.audiences"),
        ("finalize", '{"spec":{"finalizers":"x"}}', "spec.finalizers"),
        ("finalize", '{"metadata":[]}', "metadata"),
    ],
)
def test_bodies_of_another_type_are_refused(
    server: Any, world: str, namespace: str, path: str, body: str, message: str
) -> None:
    method = "PUT" if path in ("scale", "finalize") else "POST"
    where = scale_path(namespace) if path == "scale" else f"{world}/{path}"
    refused = send(server, method, where, body)
    assert (refused.code, refused.json["reason"]) == (400, "BadRequest")
    assert message in refused.json["message"]


def test_older_evictions_are_read_alike(server: Any, world: str) -> None:
    body = '{"apiVersion":"policy/v1beta1","kind":"Eviction","metadata":{"name":"p"}}'
    assert send(server, "POST", f"{world}/pods/p/eviction", body).code == 201


def envelope(message: bytes, api_version: bytes = b"v1", kind: bytes = b"ConfigMap") -> bytes:
    """Return what client-go sends: a runtime.Unknown behind four octets."""
    head = b"\x0a" + bytes([len(api_version)]) + api_version
    head += b"\x12" + bytes([len(kind)]) + kind
    outer = b"\x0a" + bytes([len(head)]) + head + b"\x12" + bytes([len(message)]) + message
    return b"k8s\x00" + outer


NAMED = b"\x0a\x03\x0a\x01m"  # metadata { name: "m" }
UNKNOWN_FIELD = b"\xfa\x3e\x02hi"  # Field 1007, which no ConfigMap has.


def test_protobuf_ignores_fields_that_it_does_not_know(server: Any, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/configmaps?fieldValidation=Strict"
    made = send(server, "POST", path, envelope(NAMED + UNKNOWN_FIELD), PROTOBUF)
    assert (made.code, told(made)) == (201, [])
    assert made.json["metadata"]["name"] == "m"


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"k8s", id="cut magic"),
        pytest.param(b"k9s\x00" + envelope(NAMED)[4:], id="other magic"),
        pytest.param(envelope(NAMED)[:-1], id="cut message"),
        pytest.param(envelope(b"\x0a\x7f"), id="length beyond the end"),
        pytest.param(envelope(b"\x0b\x0a"), id="group without end"),
        pytest.param(envelope(b"\x0f\x01"), id="wire type that is none"),
        pytest.param(envelope(b"\xff" * 11), id="varint without end"),
        pytest.param(envelope(b"\x0a\x03\x0a\x01\xff"), id="text that is no UTF-8"),
        pytest.param(envelope(b"\x08\x01"), id="field of another wire type"),
        pytest.param(envelope(NAMED, kind=b"NoSuchKind"), id="unknown kind"),
        pytest.param(base64.b64encode(envelope(NAMED)), id="as base64"),
    ],
)
def test_protobuf_that_is_broken_is_refused(server: Any, namespace: str, body: bytes) -> None:
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    refused = send(server, "POST", path, body, PROTOBUF)
    assert (refused.code, refused.json["reason"]) == (400, "BadRequest")
