"""Each sort of bad input once: its Status, and a server that has lost nothing and grown by little.

What single readers make of garbage stands in their own tests; here it goes through the front door.
"""

from __future__ import annotations

import base64
import json
import socket
from pathlib import Path

import pytest

MAPS = "/api/v1/namespaces/{namespace}/configmaps"
JSON_PATCH = {"Content-Type": "application/json-patch+json"}
MERGE = {"Content-Type": "application/merge-patch+json"}
APPLY = {"Content-Type": "application/apply-patch+yaml"}
YAML = {"Content-Type": "application/yaml"}

#: Nine levels of ten references each: a billion texts in 300 octets.
LAUGHS = "\n".join(
    [
        "a0: &a0 [lol,lol,lol,lol,lol,lol,lol,lol,lol,lol]",
        *(f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)),
    ]
)
NAME = b'{"metadata":{"name":"bad"},"data":{"k":'
TOKEN_OF_NOBODY = ".".join(
    base64.urlsafe_b64encode(part).rstrip(b"=").decode()
    for part in (b'{"alg":"ES256","kid":"x"}', b'{"sub":"system:admin","exp":1}', b"0" * 64)
)

#: What is asked, and the code and reason of its Status.
REQUESTS = [
    ("truncated JSON", "POST", MAPS, NAME, {}, (400, "BadRequest")),
    ("invalid UTF-8", "POST", MAPS, NAME + b'"\xff\xfe"}}', {}, (400, "BadRequest")),
    ("a depth bomb", "POST", MAPS, NAME + b"[" * 100_000, {}, (400, "BadRequest")),
    ("a deep object", "POST", MAPS, NAME + b'{"a":' * 500 + b"1" + b"}" * 502, {},
     (400, "BadRequest")),
    ("a YAML bomb", "POST", MAPS, LAUGHS.encode(), YAML, (400, "BadRequest")),
    ("a YAML loop", "POST", MAPS, b"a: &a {b: *a}", YAML, (400, "BadRequest")),
    ("ten megabytes", "POST", MAPS, b" " * 10_000_000, {}, (413, "RequestEntityTooLarge")),
    ("a wrong content type", "POST", MAPS, b"{}", {"Content-Type": "text/csv"},
     (415, "UnsupportedMediaType")),
    ("a version of the body that is not", "POST", MAPS, {"apiVersion": "v9", "kind": "ConfigMap"},
     {}, (400, "BadRequest")),
    ("a version of the path that is not", "GET", "/apis/apps/v9/deployments", None, {},
     (404, "NotFound")),
    ("a patch that is none", "PATCH", MAPS + "/good", b'[{"op":"grow"}]', JSON_PATCH,
     (422, "Invalid")),
    ("a patch that finds nothing", "PATCH", MAPS + "/good",
     [{"op": "remove", "path": "/data/nothing"}], JSON_PATCH, (422, "Invalid")),
    ("a patch that fails its test", "PATCH", MAPS + "/good",
     [{"op": "test", "path": "/data/k", "value": "w"}], JSON_PATCH, (422, "Invalid")),
    ("a patch to another type", "PATCH", MAPS + "/good", {"data": [1]}, MERGE,
     (422, "Invalid")),
    ("a manager in conflict", "PATCH", MAPS + "/good?fieldManager=other",
     {"apiVersion": "v1", "kind": "ConfigMap", "data": {"k": "mine"}}, APPLY, (409, "Conflict")),
    ("an outdated version", "PUT", MAPS + "/good",
     {"metadata": {"name": "good", "resourceVersion": "1"}}, {}, (409, "Conflict")),
    ("a continue token that is none", "GET", MAPS + "?limit=1&continue=x", None, {},
     (400, "BadRequest")),
    ("a forged token", "GET", MAPS, None, {"Authorization": "Bearer forged"},
     (401, "Unauthorized")),
    ("a token that nobody signed", "GET", MAPS, None,
     {"Authorization": f"Bearer {TOKEN_OF_NOBODY}"}, (401, "Unauthorized")),
    ("steps out of a path", "GET", "/api/v1/namespaces/../secrets/x", None, {},
     (400, "BadRequest")),
    ("a slash in a name", "GET", MAPS + "/a%2f..%2fb", None, {}, (404, "NotFound")),
    ("a form that nobody has", "GET", MAPS, None, {"Accept": "image/png"},
     (406, "NotAcceptable")),
    ("a verb that is not", "PUT", MAPS, {}, {}, (405, "MethodNotAllowed")),
]  # fmt: skip


@pytest.fixture
def maps(server, namespace):
    path = MAPS.format(namespace=namespace)
    made = server.request(
        "POST", f"{path}?fieldManager=owner", {"metadata": {"name": "good"}, "data": {"k": "v"}}
    )
    assert made.code == 201
    return path


def _resident(server) -> int:
    """Return how many octets of memory the server has."""
    pages = Path(f"/proc/{server.process.pid}/statm").read_text().split()[1]
    return int(pages) * 4096


@pytest.mark.parametrize("asked", REQUESTS, ids=lambda asked: asked[0].replace(" ", "-"))
def test_the_status_says_what_is_wrong(server, namespace, maps, asked):
    _, method, path, body, headers, expected = asked
    user = None if "Authorization" in headers else "admin"
    reply = server.request(
        method, path.format(namespace=namespace), body, headers=headers, user=user
    )
    status = json.loads(reply.body)
    assert (reply.code, status["reason"], status["kind"]) == (*expected, "Status")
    assert server.request("GET", f"{maps}/good").json["data"] == {"k": "v"}


def test_wrong_ones_again_and_again_leave_nothing_behind(server, namespace, maps):
    wrong = [each for each in REQUESTS if each[0] != "ten megabytes"]
    for _, method, path, body, headers, _ in wrong:
        server.request(method, path.format(namespace=namespace), body, headers=headers)
    before = _resident(server)
    for _ in range(8):
        for _, method, path, body, headers, _ in wrong:
            server.request(method, path.format(namespace=namespace), body, headers=headers)
    assert _resident(server) - before < 30 << 20
    items = server.request("GET", maps).json["items"]
    own = [each for each in items if each["metadata"]["name"] != "kube-root-ca.crt"]
    assert [each["data"] for each in own] == [{"k": "v"}]


def test_a_body_that_never_ends_holds_nobody_else(server, maps):
    """Who sends half a body waits for its own time to be over; others are answered."""
    head = f"POST {maps} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    with (
        socket.create_connection(("127.0.0.1", server.port), timeout=10) as plain,
        server.tls().wrap_socket(plain, server_hostname="127.0.0.1") as slow,
    ):
        slow.sendall(f"{head}Content-Length: 1000\r\n\r\n{{".encode())
        assert server.request("GET", f"{maps}/good").code == 200
