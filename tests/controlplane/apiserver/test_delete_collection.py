"""Each option of a deletion, one by one, with a whole collection (upstream: DeleteCollection)."""

from __future__ import annotations

import pytest

MERGE = {"Content-Type": "application/merge-patch+json"}


@pytest.fixture
def maps(server, namespace):
    """Return the path of three ConfigMaps: a and b with the label x=1, and c without."""
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    server.request("DELETE", path)
    for name, labels in (("a", {"x": "1"}), ("b", {"x": "1"}), ("c", {})):
        body = {"metadata": {"name": name, "labels": labels}}
        assert server.request("POST", path, body).code == 201
    return path


def names(reply):
    return [each["metadata"]["name"] for each in reply.json["items"]]


def left(server, path):
    return {each["metadata"]["name"]: each for each in server.request("GET", path).json["items"]}


@pytest.mark.parametrize(
    ("query", "gone"),
    [
        ("", "abc"),
        ("?labelSelector=x%3D1", "ab"),
        ("?labelSelector=x!%3D1", "c"),
        ("?fieldSelector=metadata.name%3Db", "b"),
        ("?labelSelector=x%3D1&fieldSelector=metadata.name%3Dc", ""),
        ("?limit=2", "ab"),
        ("?limit=1&labelSelector=x%3D1", "a"),
        ("?resourceVersion=0", "abc"),
        ("?resourceVersion=1&resourceVersionMatch=NotOlderThan", "abc"),
    ],
)
def test_what_is_selected_goes_and_is_told(server, maps, query, gone):
    reply = server.request("DELETE", maps + query)
    assert (reply.code, reply.json["kind"], names(reply)) == (200, "ConfigMapList", list(gone))
    assert sorted(left(server, maps)) == sorted({*"abc"} - {*gone})


def test_a_page_at_a_time(server, maps):
    first = server.request("DELETE", f"{maps}?limit=2").json
    after = first["metadata"]["continue"]
    reply = server.request("DELETE", f"{maps}?limit=2&continue={after}")
    assert (reply.code, names(reply), left(server, maps)) == (200, ["c"], {})


@pytest.mark.parametrize("how", ["body", "query"])
def test_a_dry_run_shows_all_and_deletes_nothing(server, maps, how):
    body, query = ({"dryRun": ["All"]}, "") if how == "body" else (None, "?dryRun=All")
    reply = server.request("DELETE", maps + query, body)
    assert (reply.code, names(reply)) == (200, [*"abc"])
    assert sorted(left(server, maps)) == [*"abc"]


@pytest.mark.parametrize(
    ("policy", "finalizers"),
    [("Foreground", ["foregroundDeletion"]), ("Orphan", ["orphan"]), ("Background", None)],
)
def test_propagation_is_each_ones(server, maps, policy, finalizers):
    assert server.request("DELETE", maps, {"propagationPolicy": policy}).code == 200
    found = {name: each["metadata"].get("finalizers") for name, each in left(server, maps).items()}
    assert found == ({} if finalizers is None else dict.fromkeys("abc", finalizers))
    for each in left(server, maps).values():
        assert each["metadata"]["deletionTimestamp"]
        nothing = {"metadata": {"finalizers": None}}
        own = f"{maps}/{each['metadata']['name']}"
        assert server.request("PATCH", own, nothing, headers=MERGE).code == 200
    assert not left(server, maps)


@pytest.mark.parametrize("orphan", [True, False])
def test_the_old_way_to_say_orphan(server, maps, orphan):
    assert server.request("DELETE", f"{maps}?orphanDependents={str(orphan).lower()}").code == 200
    assert bool(left(server, maps)) is orphan
    for name in left(server, maps):
        server.request("PATCH", f"{maps}/{name}", {"metadata": {"finalizers": None}}, headers=MERGE)


def test_preconditions_are_each_ones(server, maps):
    b = left(server, maps)["b"]["metadata"]
    for precondition in ({"uid": b["uid"]}, {"resourceVersion": b["resourceVersion"]}):
        reply = server.request("DELETE", maps, {"preconditions": precondition})
        assert (reply.code, reply.json["reason"]) == (409, "Conflict")  # Not met by a and c.
    only = f"{maps}?labelSelector=x%3D1&fieldSelector=metadata.name%3Da"
    reply = server.request("DELETE", only, {"preconditions": {"uid": b["uid"]}})
    assert (reply.code, "a" in left(server, maps), "c" in left(server, maps)) == (409, True, True)


def test_pods_get_the_time_that_is_asked_for(server, namespace):
    path = f"/api/v1/namespaces/{namespace}/pods"
    for name in ("p", "q"):
        spec = {"nodeName": "n", "containers": [{"name": "c", "image": "i"}]}
        made = server.request("POST", path, {"metadata": {"name": name}, "spec": spec})
        assert made.code == 201, made.body

    def graces():
        return [
            each["metadata"].get("deletionGracePeriodSeconds")
            for each in left(server, path).values()
        ]

    for asked, held in ((None, [30, 30]), (5, [5, 5]), (60, [5, 5]), (0, [])):
        body = None if asked is None else {"gracePeriodSeconds": asked}
        assert server.request("DELETE", path, body).code == 200
        assert graces() == held


@pytest.mark.parametrize(
    ("query", "body", "code", "says"),
    [
        ("", {"propagationPolicy": "Sideways"}, 422, "propagationPolicy"),
        ("", {"propagationPolicy": "Orphan", "orphanDependents": True}, 422, "cannot be both set"),
        ("", {"dryRun": ["Some"]}, 422, "dryRun"),
        ("", {"gracePeriodSeconds": "soon"}, 400, "gracePeriodSeconds"),
        ("", {"preconditions": "all"}, 400, "preconditions"),
        ("", {"kind": "Pod", "apiVersion": "v1"}, 400, "cannot be handled as a DeleteOptions"),
        ("", b"{", 400, ""),
        ("?limit=x", None, 400, "limit"),
        ("?continue=x", None, 400, "continue"),
        ("?labelSelector=!!", None, 400, ""),
        ("?fieldSelector=data.k%3Dv", None, 400, "field label not supported"),
        ("?resourceVersionMatch=Exact", None, 422, "resourceVersionMatch is forbidden"),
        ("?resourceVersion=0&resourceVersionMatch=Exact", None, 422, "forbidden"),
        ("?resourceVersion=x", None, 400, "resource"),
    ],
)
def test_what_makes_no_sense_deletes_nothing(server, maps, query, body, code, says):
    reply = server.request("DELETE", maps + query, body)
    assert (reply.code, says in reply.json["message"]) == (code, True), reply.body
    assert sorted(left(server, maps)) == [*"abc"]


def test_not_every_collection_can_be_deleted(server):
    for path in ("/api/v1/namespaces", "/api/v1/configmaps"):
        assert server.request("DELETE", path).code == 405


#: resourceVersion, resourceVersionMatch, limit; the code, and whether what came later is shown.
LISTS = [
    ("", "", 0, 200, True),
    ("", "", 1, 200, None),
    ("0", "", 0, 200, True),
    ("0", "NotOlderThan", 0, 200, True),
    ("0", "Exact", 0, 422, None),
    ("then", "", 0, 200, True),
    ("then", "", 500, 200, False),  # Upstream: with a limit and no match it is exact.
    ("then", "NotOlderThan", 0, 200, True),
    ("then", "NotOlderThan", 500, 200, True),
    ("then", "Exact", 0, 200, False),
    ("then", "Exact", 500, 200, False),
    ("", "Exact", 0, 422, None),
    ("", "NotOlderThan", 0, 422, None),
    ("then", "Later", 0, 422, None),
    ("x", "", 0, 400, None),
    ("-1", "Exact", 0, 400, None),
    ("99999999", "Exact", 0, 504, None),
]


@pytest.mark.parametrize(("version", "match", "limit", "code", "shows_later"), LISTS)
def test_which_version_a_list_is_of(server, maps, version, match, limit, code, shows_later):
    then = server.request("GET", maps).json["metadata"]["resourceVersion"]
    assert server.request("POST", maps, {"metadata": {"name": "later"}}).code == 201
    query = f"?resourceVersion={then if version == 'then' else version}"
    query += (f"&resourceVersionMatch={match}" if match else "") + (f"&limit={limit}" * bool(limit))
    reply = server.request("GET", maps + query)
    assert reply.code == code, reply.body
    if shows_later is not None:
        assert ("later" in names(reply)) is shows_later
    if match == "Exact" and code == 200:
        assert reply.json["metadata"]["resourceVersion"] == then
