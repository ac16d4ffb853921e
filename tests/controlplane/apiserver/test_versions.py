"""Two versions of one kind: what is written in one is read, found and watched in the other."""

from __future__ import annotations

import pytest

V1 = "/apis/events.k8s.io/v1/namespaces"
CORE = "/api/v1/namespaces"
MERGE = {"Content-Type": "application/merge-patch+json"}
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"


def event(name: str, namespace: str) -> dict:
    return {
        "metadata": {"name": name},
        "eventTime": "2026-01-01T00:00:00.000000Z",
        "regarding": {"kind": "Pod", "name": "p", "namespace": namespace},
        "reason": "Scheduled",
        "action": "Binding",
        "note": "assigned",
        "type": "Normal",
        "reportingController": "example.com/mine",
        "reportingInstance": "mine-1",
    }


@pytest.fixture
def paths(server, namespace) -> tuple[str, str]:
    """The collections of both versions; one event is there."""
    new, core = f"{V1}/{namespace}/events", f"{CORE}/{namespace}/events"
    answer = server.request("POST", new, event("e", namespace))
    assert (answer.code, answer.json["apiVersion"]) == (201, "events.k8s.io/v1")
    return new, core


def test_one_object_in_two_versions(server, paths):
    new, core = paths
    old = server.request("GET", f"{core}/e").json
    assert (old["apiVersion"], old["message"]) == ("v1", "assigned")
    assert old["involvedObject"]["name"] == "p"
    seen = server.request("GET", f"{new}/e").json
    assert (seen["apiVersion"], seen["note"]) == ("events.k8s.io/v1", "assigned")
    assert seen["metadata"] == old["metadata"]


def test_a_patch_speaks_the_version_of_its_url(server, paths):
    new, core = paths
    patched = server.request("PATCH", f"{new}/e", {"note": "again"}, headers=MERGE)
    assert patched.json["note"] == "again"
    server.request("PATCH", f"{core}/e", {"message": "once more"}, headers=MERGE)
    assert server.request("GET", f"{new}/e").json["note"] == "once more"


def test_selectors_have_the_names_of_the_version(server, paths):
    new, core = paths

    def found(path: str, selector: str) -> list[str]:
        answer = server.request("GET", f"{path}?fieldSelector={selector}").json
        assert answer["kind"] == "EventList"
        return [item["metadata"]["name"] for item in answer["items"]]

    assert found(new, "regarding.name%3Dp") == found(core, "involvedObject.name%3Dp") == ["e"]
    assert found(new, "regarding.name%3Dq") == []
    assert server.request("GET", f"{new}?fieldSelector=involvedObject.name%3Dp").code == 400


def test_tables_of_both_versions_have_the_same_rows(server, paths):
    rows = [
        server.request("GET", path, headers={"Accept": TABLE}).json["rows"][0]["cells"]
        for path in paths
    ]
    assert rows[0][1:] == rows[1][1:]


def test_the_newer_version_is_judged_more_strictly(server, namespace):
    body = event("f", namespace) | {"action": ""}
    refused = server.request("POST", f"{V1}/{namespace}/events", body)
    assert refused.code == 422
    assert refused.json["details"]["causes"][0]["field"] == "action"


def test_a_version_gone_by_name_is_gone_in_the_other(server, paths):
    new, core = paths
    assert server.request("DELETE", f"{core}/e").code == 200
    assert server.request("GET", f"{new}/e").code == 404
