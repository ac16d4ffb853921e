"""Watches over HTTP: where they begin, what they show, how they end."""

from __future__ import annotations

import base64
import http.client
import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgpack
import msgspec
import pytest

CORE = "/api/v1/namespaces"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"


class Watch:
    """An open watch; `next` reads one event."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self._response = response

    def next(self) -> Any:
        line = self._response.readline()
        return json.loads(line) if line else None

    def seen(self) -> tuple[str, str]:
        event = self.next()
        return event["type"], event["object"]["metadata"].get("name", "")


@contextmanager
def watching(server, path: str, accept: str = "application/json") -> Iterator[Watch]:
    connection = http.client.HTTPSConnection(
        "127.0.0.1", server.port, context=server.tls(), timeout=10
    )
    connection.request("GET", path, headers={"Accept": accept})
    response = connection.getresponse()
    assert response.status == 200, response.read()
    yield Watch(response)
    response.close()
    connection.close()


@pytest.fixture
def path(namespace: str) -> str:
    return f"{CORE}/{namespace}/configmaps"


def create(server, path: str, name: str, **labels: str) -> dict:
    reply = server.request("POST", path, {"metadata": {"name": name, "labels": labels}})
    assert reply.code == 201
    return reply.json


def relabel(server, path: str, name: str, **labels: str | None) -> dict:
    headers = {"Content-Type": "application/merge-patch+json"}
    patch = {"metadata": {"labels": labels}}
    return server.request("PATCH", f"{path}/{name}", patch, headers=headers).json


def test_without_a_revision_the_state_comes_first(server, path):
    create(server, path, "a")
    with watching(server, f"{path}?watch=true") as watch:
        assert watch.seen() == ("ADDED", "a")
        create(server, path, "b")
        assert watch.seen() == ("ADDED", "b")
        relabel(server, path, "b", x="1")
        assert watch.seen() == ("MODIFIED", "b")
        server.request("DELETE", f"{path}/b")
        assert watch.seen() == ("DELETED", "b")


def test_from_a_revision_everything_since_comes(server, path):
    first = create(server, path, "a")
    version = first["metadata"]["resourceVersion"]
    create(server, path, "b")
    server.request("DELETE", f"{path}/a")
    with watching(server, f"{path}?watch=1&resourceVersion={version}") as watch:
        assert watch.seen() == ("ADDED", "b")
        event = watch.next()
        assert (event["type"], event["object"]["metadata"]["name"]) == ("DELETED", "a")
        assert int(event["object"]["metadata"]["resourceVersion"]) > int(version)


def test_a_selector_turns_changes_into_arrivals_and_departures(server, path):
    create(server, path, "a", app="web")
    with watching(server, f"{path}?watch=true&labelSelector=app%3Dweb") as watch:
        assert watch.seen() == ("ADDED", "a")
        create(server, path, "hidden", app="db")
        relabel(server, path, "a", app="db")
        event = watch.next()
        assert event["type"] == "DELETED"
        assert event["object"]["metadata"]["labels"] == {"app": "web"}
        relabel(server, path, "hidden", app="web")
        assert watch.seen() == ("ADDED", "hidden")


def test_one_object_by_name(server, path):
    create(server, path, "a")
    with watching(server, f"{path}?watch=true&fieldSelector=metadata.name%3Db") as watch:
        create(server, path, "b")
        assert watch.seen() == ("ADDED", "b")
    with watching(server, f"{path}/a?watch=true") as watch:
        assert watch.seen() == ("ADDED", "a")


def test_initial_events_end_with_a_bookmark(server, path):
    create(server, path, "a")
    query = (
        "watch=true&sendInitialEvents=true&allowWatchBookmarks=true"
        "&resourceVersionMatch=NotOlderThan"
    )
    with watching(server, f"{path}?{query}") as watch:
        assert watch.seen() == ("ADDED", "a")
        bookmark = watch.next()
        assert bookmark["type"] == "BOOKMARK"
        assert bookmark["object"]["kind"] == "ConfigMap"
        annotations = bookmark["object"]["metadata"]["annotations"]
        assert annotations.pop("k8s.io/initial-events-end") == "true"
        blueprint = annotations.pop("kubernetes.io/initial-events-list-blueprint")
        listed = {"kind": "ConfigMapList", "apiVersion": "v1", "metadata": {}, "items": None}
        assert json.loads(base64.b64decode(blueprint)) == listed
        assert annotations == {}
        create(server, path, "b")
        assert watch.seen() == ("ADDED", "b")


def test_a_watch_ends_when_its_time_is_over_with_a_bookmark(server, path):
    with watching(server, f"{path}?watch=true&timeoutSeconds=1&allowWatchBookmarks=1") as watch:
        assert watch.next()["type"] == "BOOKMARK"
        assert watch.next() is None


def test_revisions_that_make_no_sense(server, path):
    reply = server.request("GET", f"{path}?watch=true&resourceVersion=999999999")
    assert reply.code == 504
    for query in ("resourceVersion=x", "timeoutSeconds=x"):
        assert server.request("GET", f"{path}?watch=true&{query}").code == 400


@pytest.mark.parametrize(
    ("query", "causes"),
    [
        ("resourceVersionMatch=NotOlderThan", ["FieldValueForbidden"]),
        ("sendInitialEvents=true", ["FieldValueForbidden"]),
        ("sendInitialEvents=true&resourceVersionMatch=Exact", ["Forbidden", "NotSupported"]),
        (
            "sendInitialEvents=false&resourceVersionMatch=NotOlderThan&continue=x",
            ["FieldValueForbidden"],
        ),
    ],
)
def test_options_that_do_not_go_together_are_422(server, path, query, causes):
    reply = server.request("GET", f"{path}?watch=true&{query}")
    assert (reply.code, reply.json["details"]["kind"]) == (422, "ListOptions")
    found = [cause["reason"] for cause in reply.json["details"]["causes"]]
    assert all(given.endswith(wanted) for given, wanted in zip(found, causes, strict=True))


def test_table_watch_has_columns_once(server, path):
    create(server, path, "a")
    with watching(server, f"{path}?watch=true", TABLE) as watch:
        first = watch.next()["object"]
        assert first["kind"] == "Table"
        assert first["columnDefinitions"][0]["name"] == "Name"
        create(server, path, "b")
        second = watch.next()["object"]
        assert (second["columnDefinitions"], second["rows"][0]["cells"][0]) == ([], "b")


def test_msgpack_watch_is_a_sequence_of_maps(server, path):
    create(server, path, "a")
    create(server, path, "b")
    accept = {"Accept": "application/vnd.podwire.msgpack"}
    reply = server.request("GET", f"{path}?watch=true&timeoutSeconds=1", headers=accept)
    events = list(msgpack.Unpacker(io.BytesIO(reply.body)))
    assert [(e["type"], e["object"]["metadata"]["name"]) for e in events] == [
        ("ADDED", "a"),
        ("ADDED", "b"),
    ]
    one = msgspec.msgpack.encode(events[0])
    assert reply.body.startswith(one)


def test_watchers_of_one_kind_hear_nothing_of_another(server, namespace, path):
    with watching(server, f"{CORE}/{namespace}/secrets?watch=true&timeoutSeconds=1") as watch:
        create(server, path, "a")
        assert watch.next() is None


def test_names_that_begin_alike_are_not_each_others(server, namespace):
    """Keys are compared as texts: `foo` must not stand for `foobar`."""
    longer = f"{namespace}bar"
    assert server.request("POST", CORE, {"metadata": {"name": longer}}).code == 201
    here, there = (f"{CORE}/{name}/configmaps" for name in (namespace, longer))
    for path in (here, there):
        create(server, path, "foobar")
    with (
        watching(server, f"{here}?watch=true&resourceVersion=0") as of_namespace,
        watching(server, f"{here}/foo?watch=true") as of_object,
    ):
        assert of_namespace.seen() == ("ADDED", "foobar")
        create(server, there, "foo")
        create(server, here, "foo")
        for watch in (of_namespace, of_object):
            event = watch.next()
            assert (event["type"], event["object"]["metadata"]["namespace"]) == ("ADDED", namespace)
            assert event["object"]["metadata"]["name"] == "foo"
        assert server.request("DELETE", f"{here}/foo").code == 200
        assert of_object.seen() == ("DELETED", "foo")
    assert server.request("GET", f"{here}/foo").code == 404
    assert server.request("GET", f"{here}/fooba").code == 404
    assert server.request("DELETE", here).code == 200
    left = [server.request("GET", path).json["items"] for path in (here, there)]
    assert [[item["metadata"]["name"] for item in items] for items in left] == [
        [],
        ["foo", "foobar"],
    ]


def test_watches_of_one_form_get_the_same_octets_and_others_their_own(server, path):
    query = f"{path}?watch=true&resourceVersion=0"
    partial = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io"
    with (
        watching(server, query) as first,
        watching(server, query) as second,
        watching(server, query, partial) as of_metadata,
        watching(server, query, TABLE) as of_tables,
    ):
        created = create(server, path, "a")
        assert first.next() == second.next() == {"type": "ADDED", "object": created}
        assert of_metadata.next()["object"]["kind"] == "PartialObjectMetadata"
        assert of_tables.next()["object"]["columnDefinitions"]


def test_a_namespace_is_watched_by_its_name(server, namespace):
    with watching(server, f"{CORE}/{namespace}?watch=true") as watch:
        assert watch.seen() == ("ADDED", namespace)
