"""Paths that want to be somewhere else: each is answered where it stands, or refused."""

from __future__ import annotations

import http.client
import json

import pytest

MAPS = "/api/v1/namespaces/default/configmaps"
LONG = "a" * 5000

#: What the request line says, and the code and the beginning of the message, or the kind.
TARGETS = [
    # Nothing is cleaned: steps are names, and refused as such.
    ("/api/v1/namespaces/../secrets", 400, "Namespace parameter invalid"),
    ("/api/v1/namespaces/./secrets", 400, "Namespace parameter invalid"),
    ("/api/v1/namespaces/%2e%2e/secrets", 400, "Namespace parameter invalid"),
    ("/api/v1/namespaces/..", 400, "Namespace parameter invalid"),
    (f"{MAPS}/..", 400, "Name parameter invalid: \"..\": may not be '..'"),
    (f"{MAPS}/.", 400, "Name parameter invalid: \".\": may not be '.'"),
    (f"{MAPS}/%2E%2e", 400, "Name parameter invalid"),
    ("/apis/apps/v1/namespaces/default/deployments/../scale", 400, "Name parameter invalid"),
    ("/api/v1/nodes/../proxy/metrics", 400, "Name parameter invalid"),
    ("/api/v1/namespaces/default/pods/../../../secrets", 400, "Name parameter invalid"),
    ("/../api/v1/pods", 404, "the server could not find"),
    ("/apis/apps/v1/../../api", 400, "Name parameter invalid"),
    ("/version/../metrics", 404, "the server could not find"),
    ("/openapi/v3/../v2", 404, "the server could not find"),
    (f"{MAPS}/...", 404, 'configmaps "..." not found'),
    # Slashes: one too many at the end is none, elsewhere it is an empty name.
    ("//api/v1/pods", 404, "the server could not find"),
    ("/api//v1/pods", 404, "the server could not find"),
    ("/api/v1//pods", 404, "the server could not find"),
    (f"{MAPS}//x", 404, "the server could not find"),
    ("/api/v1/pods/", 200, "PodList"),
    ("/api/v1/namespaces//pods", 200, "PodList"),  # Upstream: those of all namespaces.
    ("//healthz", 404, "the server could not find"),
    ("/healthz/", 404, "the server could not find"),
    ("/metrics/", 404, "the server could not find"),
    # Quoting: undone once, before the path is split.
    ("/%61pi/v1/%70ods", 200, "PodList"),
    ("/api/v1%2Fpods", 200, "PodList"),
    (f"{MAPS}/a%2Fb", 404, "the server could not find"),
    (f"{MAPS}/a%252Fb", 400, "Name parameter invalid: \"a%2Fb\": may not contain '%'"),
    (f"{MAPS}/a%25b", 400, "Name parameter invalid"),
    (f"{MAPS}/%zz", 400, "the URL is malformed: invalid URL escape '%zz'"),
    (f"{MAPS}/%2", 400, "the URL is malformed: invalid URL escape '%2'"),
    (f"{MAPS}/%", 400, "the URL is malformed: invalid URL escape '%'"),
    (f"{MAPS}/%ff", 400, "the URL is malformed"),
    (f"{MAPS}/a%00b", 400, "the URL is malformed: the path holds a NUL"),
    (f"{MAPS}?labelSelector=%ff", 400, "the URL is malformed"),
    # Names that nobody can have.
    (f"{MAPS}/{LONG}", 404, f'configmaps "{LONG}" not found'),
    (f"/api/v1/namespaces/{LONG}/configmaps", 200, "ConfigMapList"),
    (f"{MAPS}/a\\b", 404, 'configmaps "a\\b" not found'),
    ("/api/v1/pods;x=1", 404, "the server could not find"),
    ("/api/v1/pods#top", 404, "the server could not find"),
    # A request line may name the server, too.
    ("https://elsewhere/api/v1/pods?limit=1", 200, "PodList"),
    ("https://elsewhere//api/v1/pods", 404, "the server could not find"),
]  # fmt: skip


@pytest.fixture(scope="module")
def ask(server):
    """Return who sends a request line as it is, on one connection."""
    connection = http.client.HTTPSConnection(
        "127.0.0.1", server.port, context=server.tls(), timeout=10
    )

    def ask(target):
        connection.putrequest("GET", target, skip_accept_encoding=True)
        connection.endheaders()
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())

    yield ask
    connection.close()


@pytest.mark.parametrize(("target", "code", "says"), TARGETS)
def test_a_path_is_answered_where_it_stands(ask, target, code, says):
    status, body = ask(target)
    said = body["kind"] if status == 200 else body["message"]
    assert (status, said.startswith(says)) == (code, True), body
    assert status == 200 or body["kind"] == "Status"


@pytest.mark.parametrize("name", [".", "..", "a/b", "a%b", "a" * 254])
def test_no_object_gets_a_name_that_no_path_can_say(server, name):
    for path in (MAPS, "/apis/rbac.authorization.k8s.io/v1/clusterroles"):
        if len(name) > 253 and path != MAPS:
            continue  # Names of roles are any text that a path can hold.
        reply = server.request("POST", path, {"metadata": {"name": name}})
        assert (reply.code, reply.json["reason"]) == (422, "Invalid")
        assert "metadata.name" in reply.json["message"]
