"""Lists: selectors, pages, past revisions, Tables, other forms."""

from __future__ import annotations

import base64
import gzip

import msgspec
import pytest
import yaml

CORE = "/api/v1/namespaces"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"


@pytest.fixture
def five(server, namespace) -> str:
    """The path of five configmaps, c0 to c4."""
    path = f"{CORE}/{namespace}/configmaps"
    for i in range(5):
        labels = {"n": str(i), "odd": str(i % 2)}
        body = {"metadata": {"name": f"c{i}", "labels": labels}}
        assert server.request("POST", path, body).code == 201
    return path


def names(answer: dict) -> list[str]:
    return [item["metadata"]["name"] for item in answer["items"]]


def test_list_has_a_revision_and_its_kind(server, five):
    answer = server.request("GET", five).json
    assert (answer["kind"], answer["apiVersion"]) == ("ConfigMapList", "v1")
    assert int(answer["metadata"]["resourceVersion"]) > 0
    assert names(answer) == ["c0", "c1", "c2", "c3", "c4"]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("labelSelector=odd%3D1", ["c1", "c3"]),
        ("labelSelector=n+in+(0,4),odd%3D0", ["c0", "c4"]),
        ("labelSelector=!n", []),
        ("fieldSelector=metadata.name%3Dc2", ["c2"]),
        ("fieldSelector=metadata.name!%3Dc2&labelSelector=odd%3D0", ["c0", "c4"]),
    ],
)
def test_selectors(server, five, query, found):
    assert names(server.request("GET", f"{five}?{query}").json) == found


@pytest.mark.parametrize(
    "query",
    [
        "labelSelector=a%3D%3D%3Db",
        "fieldSelector=spec.nothing%3Dx",
        "limit=x",
        "limit=9223372036854775808",
        "timeoutSeconds=x",
        "timeoutSeconds=0.5",
        "resourceVersion=x",
        "resourceVersion=-1",
        "continue=nonsense",
        "includeObject=Everything",
    ],
)
def test_queries_that_make_no_sense(server, five, query):
    assert server.request("GET", f"{five}?{query}").code == 400


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ("resourceVersionMatch=Exact", "is forbidden unless resourceVersion is provided"),
        ("resourceVersion=0&resourceVersionMatch=Exact", "is forbidden for resourceVersion"),
        ("resourceVersion=1&resourceVersionMatch=No", "Unsupported value"),
        ("resourceVersion=1&resourceVersionMatch=Exact&continue=x", "when continue is provided"),
        ("sendInitialEvents=true", "sendInitialEvents is forbidden for list"),
    ],
)
def test_options_that_do_not_go_together(server, five, query, why):
    reply = server.request("GET", f"{five}?{query}")
    assert (reply.code, reply.json["details"]["kind"]) == (422, "ListOptions")
    assert why in reply.json["message"]


def test_pages_show_the_revision_of_the_first(server, five):
    first = server.request("GET", f"{five}?limit=2").json
    assert names(first) == ["c0", "c1"]
    assert first["metadata"]["remainingItemCount"] == 3
    server.request("DELETE", f"{five}/c2")
    server.request("POST", five, {"metadata": {"name": "c31"}})
    token = first["metadata"]["continue"]
    second = server.request("GET", f"{five}?limit=2&continue={token}").json
    assert names(second) == ["c2", "c3"]
    assert second["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]
    token = second["metadata"]["continue"]
    third = server.request("GET", f"{five}?limit=2&continue={token}").json
    assert names(third) == ["c4"]
    assert "continue" not in third["metadata"]


def token(**fields) -> str:
    octets = msgspec.json.encode({"v": "meta.k8s.io/v1", "rv": 1, "start": "a"} | fields)
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"rv": 0}, "incorrect encoded start resourceVersion (version meta.k8s.io/v1)"),
        ({"start": ""}, "encoded start key empty (version meta.k8s.io/v1)"),
        ({"v": "meta.k8s.io/v2"}, "server does not recognize this encoded version meta.k8s.io/v2"),
    ],
)
def test_continue_tokens_that_are_wrong(server, five, fields, why):
    """storage/continue_test.go, TestDecodeContinue."""
    reply = server.request("GET", f"{five}?limit=1&continue={token(**fields)}")
    assert reply.code == 400
    assert reply.json["message"] == f"invalid continue token: continue key is not valid: {why}"


def test_what_is_there_is_listed_at_once(server, five):
    """storage/cacher, TestComputeListLimit: whoever takes any revision gets no pages."""
    first = server.request("GET", f"{five}?limit=2&resourceVersion=0").json
    assert names(first) == ["c0", "c1", "c2", "c3", "c4"]
    assert "continue" not in first["metadata"]
    revision = first["metadata"]["resourceVersion"]
    query = f"limit=2&resourceVersion={revision}&resourceVersionMatch=NotOlderThan"
    assert names(server.request("GET", f"{five}?{query}").json) == ["c0", "c1"]


def test_pages_of_selected_objects_do_not_count_what_remains(server, five):
    first = server.request("GET", f"{five}?limit=2&labelSelector=odd%3D0").json
    assert names(first) == ["c0", "c2"]
    assert "remainingItemCount" not in first["metadata"]
    token = first["metadata"]["continue"]
    rest = server.request("GET", f"{five}?limit=2&labelSelector=odd%3D0&continue={token}").json
    assert names(rest) == ["c4"]


def test_exact_revision_shows_the_past(server, five):
    then = server.request("GET", five).json["metadata"]["resourceVersion"]
    server.request("DELETE", f"{five}/c0")
    query = f"resourceVersion={then}"
    past = server.request("GET", f"{five}?{query}&resourceVersionMatch=Exact").json
    assert names(past) == ["c0", "c1", "c2", "c3", "c4"]
    now = server.request("GET", f"{five}?{query}&resourceVersionMatch=NotOlderThan").json
    assert names(now) == ["c1", "c2", "c3", "c4"]
    assert names(server.request("GET", f"{five}?resourceVersion=0").json) == names(now)


def test_future_revision_times_out(server, five):
    reply = server.request("GET", f"{five}?resourceVersion=999999999")
    assert (reply.code, reply.json["reason"]) == (504, "Timeout")
    assert reply.json["details"]["causes"][0]["reason"] == "ResourceVersionTooLarge"
    assert reply.headers["Retry-After"] == "1"


def test_table(server, five):
    reply = server.request("GET", five, headers={"Accept": TABLE})
    answer = reply.json
    assert (answer["kind"], answer["apiVersion"]) == ("Table", "meta.k8s.io/v1")
    assert [c["name"] for c in answer["columnDefinitions"]] == ["Name", "Data", "Age"]
    row = answer["rows"][0]
    assert row["cells"][:2] == ["c0", 0]
    assert row["object"]["kind"] == "PartialObjectMetadata"
    assert "data" not in row["object"]
    whole = server.request("GET", f"{five}?includeObject=Object", headers={"Accept": TABLE}).json
    assert whole["rows"][0]["object"]["kind"] == "ConfigMap"
    none = server.request("GET", f"{five}?includeObject=None", headers={"Accept": TABLE}).json
    assert "object" not in none["rows"][0]


def test_table_of_one_object(server, five):
    answer = server.request("GET", f"{five}/c1", headers={"Accept": TABLE}).json
    assert [row["cells"][0] for row in answer["rows"]] == ["c1"]


def test_partial_metadata(server, five):
    accept = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"
    answer = server.request("GET", five, headers={"Accept": accept}).json
    assert answer["kind"] == "PartialObjectMetadataList"
    assert {item["kind"] for item in answer["items"]} == {"PartialObjectMetadata"}
    one = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io"
    answer = server.request("GET", f"{five}/c1", headers={"Accept": one}).json
    assert sorted(answer) == ["apiVersion", "kind", "metadata"]


@pytest.mark.parametrize("media_type", ["application/json", "application/yaml"])
def test_items_do_not_repeat_what_their_list_is_of(server, five, media_type):
    headers = {"Accept": media_type}
    items = yaml.safe_load(server.request("GET", five, headers=headers).body)["items"]
    assert len(items) == 5
    assert {key for item in items for key in item} == {"metadata"}
    one = yaml.safe_load(server.request("GET", f"{five}/c1", headers=headers).body)
    assert (one["apiVersion"], one["kind"]) == ("v1", "ConfigMap")


def test_msgpack_has_the_same_objects(server, five):
    headers = {"Accept": "application/vnd.podwire.msgpack"}
    reply = server.request("GET", five, headers=headers)
    assert reply.headers["Content-Type"] == "application/vnd.podwire.msgpack"
    plain = server.request("GET", five).json
    for item in plain["items"]:  # Whose the fields are is not for the cluster's own programs.
        assert item["metadata"].pop("managedFields")
    typed = [{"apiVersion": "v1", "kind": "ConfigMap", **item} for item in plain["items"]]
    assert msgspec.msgpack.decode(reply.body) == {**plain, "items": typed}
    missing = server.request("GET", f"{five}/none", headers=headers)
    assert msgspec.msgpack.decode(missing.body)["code"] == 404
    body = msgspec.msgpack.encode({"metadata": {"name": "m"}, "data": {"a": "b"}})
    sent = {"Content-Type": "application/vnd.podwire.msgpack"}
    assert server.request("POST", five, body, headers=sent).json["data"] == {"a": "b"}


def test_yaml_answers(server, five):
    reply = server.request("GET", f"{five}/c1", headers={"Accept": "application/yaml"})
    assert reply.headers["Content-Type"] == "application/yaml"
    assert b"kind: ConfigMap\n" in reply.body


def test_tables_as_yaml(server, five):
    accept = "application/yaml;as=Table;v=v1;g=meta.k8s.io"
    reply = server.request("GET", five, headers={"Accept": accept})
    assert (reply.code, reply.headers["Content-Type"]) == (200, "application/yaml")
    table = yaml.safe_load(reply.body)
    assert [row["cells"][0] for row in table["rows"]] == ["c0", "c1", "c2", "c3", "c4"]


def test_watches_have_no_yaml(server, five):
    reply = server.request("GET", f"{five}?watch=1", headers={"Accept": "application/yaml"})
    assert (reply.code, reply.json["reason"]) == (406, "NotAcceptable")
    assert "application/json;stream=watch" in reply.json["message"]


def test_watches_by_path(server, five, namespace):
    path = f"/api/v1/watch/namespaces/{namespace}/configmaps/c3?timeoutSeconds=1"
    events = [msgspec.json.decode(line) for line in server.request("GET", path).body.splitlines()]
    assert [event["object"]["metadata"]["name"] for event in events] == ["c3"]
    assert server.request("POST", "/api/v1/watch/configmaps", {}).code == 405


def test_other_forms_are_not_acceptable(server, five):
    for accept in ("text/html", "application/json;as=Nonsense;v=v1;g=meta.k8s.io"):
        reply = server.request("GET", five, headers={"Accept": accept})
        assert (reply.code, reply.json["reason"]) == (406, "NotAcceptable")


def test_large_answers_are_compressed_for_who_can_read_that(server, namespace):
    path = f"{CORE}/{namespace}/configmaps"
    server.request("POST", path, {"metadata": {"name": "big"}, "data": {"x": "y" * 200_000}})
    packed = server.request("GET", path, headers={"Accept-Encoding": "gzip"})
    assert packed.headers["Content-Encoding"] == "gzip"
    assert len(packed.body) < 10_000
    assert gzip.decompress(packed.body) == server.request("GET", path).body


def test_only_gzip_by_its_name_is_gzip(server, namespace):
    """responsewriters/writers_test.go, TestSerializeObject."""
    path = f"{CORE}/{namespace}/configmaps"
    server.request("POST", path, {"metadata": {"name": "big"}, "data": {"x": "y" * 200_000}})
    for asked, packed in (("deflate, gzip", "gzip"), ("gzip;q=0", None), ("x-gzip", None)):
        reply = server.request("GET", path, headers={"Accept-Encoding": asked})
        assert reply.headers["Content-Encoding"] == packed, asked


def test_answers_for_people_are_indented(server, five):
    """negotiation/negotiate.go, isPrettyPrint."""
    plain = server.request("GET", five).body
    for query, agent, pretty in (
        ("", "curl/8.5.0", True),
        ("", "Wget/1.21", True),
        ("?pretty=true", "kubectl/v1.32.0", True),
        ("?limit=500&pretty=1", "", True),
        ("?pretty=false", "curl/8.5.0", False),
        ("?pretty=", "", False),
        ("", "Python", False),
    ):
        reply = server.request("GET", f"{five}{query}", headers={"User-Agent": agent})
        assert msgspec.json.decode(reply.body) == msgspec.json.decode(plain)
        assert reply.body.startswith(b'{\n  "') is pretty, (query, agent)


def test_list_across_namespaces(server, five, namespace):
    path = "/api/v1/configmaps"
    found = server.request("GET", f"{path}?fieldSelector=metadata.namespace%3D{namespace}").json
    assert names(found) == ["c0", "c1", "c2", "c3", "c4"]
    assert server.request("POST", path, {"metadata": {"name": "a"}}).code == 405
    assert server.request("DELETE", path).code == 405
    assert server.request("GET", f"{path}/c0").code == 404
