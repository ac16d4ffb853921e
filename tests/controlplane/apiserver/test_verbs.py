"""The verbs over HTTP, against a real server process."""

from __future__ import annotations

import re

import pytest

CORE = "/api/v1/namespaces"
APPS = "/apis/apps/v1/namespaces"


def configmap(name: str, **data: str) -> dict:
    return {"metadata": {"name": name}, "data": data}


def deployment(name: str, replicas: int = 1) -> dict:
    labels = {"app": name}
    return {
        "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{"name": "c", "image": "nginx"}]},
            },
        },
    }


def service(name: str, **spec: object) -> dict:
    return {"metadata": {"name": name}, "spec": {"ports": [{"port": 80}], **spec}}


@pytest.fixture
def configmaps(namespace: str) -> str:
    return f"{CORE}/{namespace}/configmaps"


def test_create_get_update_delete(server, configmaps):
    created = server.request("POST", configmaps, configmap("a", x="1"))
    assert created.code == 201
    metadata = created.json["metadata"]
    assert re.fullmatch(r"[0-9a-f-]{36}", metadata["uid"])
    assert metadata["creationTimestamp"].endswith("Z")
    read = server.request("GET", f"{configmaps}/a").json
    assert read == created.json
    changed = server.request("PUT", f"{configmaps}/a", {**read, "data": {"x": "2"}}).json
    assert changed["data"] == {"x": "2"}
    assert int(changed["metadata"]["resourceVersion"]) > int(metadata["resourceVersion"])
    deleted = server.request("DELETE", f"{configmaps}/a")
    assert (deleted.code, deleted.json["status"]) == (200, "Success")
    assert deleted.json["details"] == {"name": "a", "kind": "configmaps", "uid": metadata["uid"]}
    gone = server.request("GET", f"{configmaps}/a")
    assert gone.code == 404
    assert gone.json == {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": 'configmaps "a" not found',
        "reason": "NotFound",
        "details": {"name": "a", "kind": "configmaps"},
        "code": 404,
    }


def test_a_new_object_has_no_version_yet(server, configmaps):
    body = {"metadata": {"name": "a", "resourceVersion": "1"}}
    reply = server.request("POST", configmaps, body)
    assert reply.code == 400
    assert "resourceVersion should not be set" in reply.json["message"]


def test_create_of_an_existing_name_conflicts(server, configmaps):
    server.request("POST", configmaps, configmap("a"))
    reply = server.request("POST", configmaps, configmap("a"))
    assert (reply.code, reply.json["reason"]) == (409, "AlreadyExists")


def test_generated_names_differ(server, configmaps):
    body = {"metadata": {"generateName": "cm-"}}
    names = {server.request("POST", configmaps, body).json["metadata"]["name"] for _ in range(5)}
    assert len(names) == 5
    assert all(re.fullmatch(r"cm-[bcdfghjklmnpqrstvwxz2456789]{5}", name) for name in names)


def test_update_from_an_old_version_conflicts(server, configmaps):
    old = server.request("POST", configmaps, configmap("a", x="1")).json
    server.request("PUT", f"{configmaps}/a", {**old, "data": {"x": "2"}})
    reply = server.request("PUT", f"{configmaps}/a", {**old, "data": {"x": "3"}})
    assert (reply.code, reply.json["reason"]) == (409, "Conflict")
    assert reply.json["message"] == (
        'Operation cannot be fulfilled on configmaps "a": the object has been modified; '
        "please apply your changes to the latest version and try again"
    )


def test_update_without_a_version_is_unconditional(server, configmaps):
    server.request("POST", configmaps, configmap("a", x="1"))
    reply = server.request("PUT", f"{configmaps}/a", configmap("a", x="2"))
    assert (reply.code, reply.json["data"]) == (200, {"x": "2"})


def test_update_that_changes_nothing_writes_nothing(server, configmaps):
    old = server.request("POST", configmaps, configmap("a", x="1")).json
    reply = server.request("PUT", f"{configmaps}/a", configmap("a", x="1"))
    assert reply.json["metadata"]["resourceVersion"] == old["metadata"]["resourceVersion"]


@pytest.mark.parametrize(
    ("body", "part"),
    [
        (configmap("other"), "does not match the name on the URL"),
        ({"metadata": {"name": "a", "namespace": "elsewhere"}}, "does not match the"),
        ({"metadata": {"name": "a"}, "kind": "Secret"}, "cannot be handled as a ConfigMap"),
        ({"metadata": {"name": "a"}, "apiVersion": "v2"}, "does not match the expected API"),
        ({"metadata": []}, "metadata must be a map"),
        ([], "it must be a map"),
        (b"{", "the object provided is unrecognized"),
        (b"", "has no body"),
        (b"[" * 3000 + b"]" * 3000, "the object provided"),
        (b'{"a":' * 3000 + b"1" + b"}" * 3000, "the object provided"),
    ],
)
def test_update_with_a_body_that_makes_no_sense(server, configmaps, body, part):
    server.request("POST", configmaps, configmap("a"))
    reply = server.request("PUT", f"{configmaps}/a", body)
    assert reply.code == 400
    assert part in reply.json["message"]


def test_wrong_uid_is_a_conflict(server, configmaps):
    old = server.request("POST", configmaps, configmap("a")).json
    old["metadata"]["uid"] = "11111111-2222-3333-4444-555555555555"
    reply = server.request("PUT", f"{configmaps}/a", old)
    assert reply.code == 409
    assert "Precondition failed: UID" in reply.json["message"]


@pytest.mark.parametrize(
    ("content_type", "patch"),
    [
        ("application/merge-patch+json", {"data": {"y": "2"}}),
        ("application/strategic-merge-patch+json", {"data": {"y": "2"}}),
        ("application/json-patch+json", [{"op": "add", "path": "/data/y", "value": "2"}]),
    ],
)
def test_patch(server, configmaps, content_type, patch):
    server.request("POST", configmaps, configmap("a", x="1"))
    headers = {"Content-Type": content_type}
    reply = server.request("PATCH", f"{configmaps}/a", patch, headers=headers)
    assert (reply.code, reply.json["data"]) == (200, {"x": "1", "y": "2"})


def test_strategic_merge_knows_merge_keys(server, namespace):
    path = f"{APPS}/{namespace}/deployments"
    server.request("POST", path, deployment("d"))
    patch = {"spec": {"template": {"spec": {"containers": [{"name": "e", "image": "busybox"}]}}}}
    headers = {"Content-Type": "application/strategic-merge-patch+json"}
    reply = server.request("PATCH", f"{path}/d", patch, headers=headers)
    names = [c["name"] for c in reply.json["spec"]["template"]["spec"]["containers"]]
    assert sorted(names) == ["c", "e"]
    assert reply.json["metadata"]["generation"] == 2


@pytest.mark.parametrize(
    ("form", "patch", "said"),
    [
        ("merge", '{"data": {"x": 1}}', "patch: Invalid value: "),
        ("strategic-merge", '{"data": {"x": 1}}', "data"),
        ("json", '[{"op": "add", "path": "/data/x", "value": 1}]', "must be of type string"),
        ("merge", '{"kind": "Secret"}', "another kind"),
        ("merge", '{"dat": {}}', 'strict decoding error: unknown field "dat"'),
        ("merge", '{"data": {"y": "1", "y": "2"}}', 'duplicate field "data.y"'),
        ("strategic-merge", '{"metadata": {"finalizers": [["a"]]}}', "metadata.finalizers[0]"),
        (
            "json",
            '[{"op": "test", "path": "/data/x", "value": "0"}]',
            "/data/x failed: test failed",
        ),
    ],
)
def test_a_patch_whose_result_is_no_such_object(server, configmaps, form, patch, said):
    server.request("POST", configmaps, configmap("a", x="1"))
    headers = {"Content-Type": f"application/{form}-patch+json"}
    path = f"{configmaps}/a?fieldValidation=Strict"
    reply = server.request("PATCH", path, patch.encode(), headers=headers)
    assert (reply.code, reply.json["reason"]) == (422, "Invalid")
    assert said in reply.json["message"]


def test_a_dry_deletion_shows_what_it_would_leave(server, configmaps):
    body = configmap("a")
    body["metadata"]["finalizers"] = ["example.com/f"]
    server.request("POST", configmaps, body)
    shown = server.request("DELETE", f"{configmaps}/a?dryRun=All&propagationPolicy=Foreground")
    assert shown.json["metadata"]["finalizers"] == ["example.com/f", "foregroundDeletion"]
    assert "deletionTimestamp" in shown.json["metadata"]
    kept = server.request("GET", f"{configmaps}/a").json["metadata"]
    assert (kept["finalizers"], "deletionTimestamp" in kept) == (["example.com/f"], False)


def test_who_deletes_a_job_without_a_word_is_warned_of_its_pods(server, namespace):
    jobs = f"/apis/batch/v1/namespaces/{namespace}/jobs"
    pod = {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]}
    body = {"metadata": {"name": "j"}, "spec": {"template": {"spec": pod}}}
    assert server.request("POST", jobs, body).code == 201
    silent = server.request("DELETE", f"{jobs}/j")
    assert "child pods are preserved by default" in silent.headers["Warning"]
    assert silent.json["metadata"]["finalizers"] == ["orphan"]
    told = server.request("DELETE", f"{jobs}/j?propagationPolicy=Background")
    assert (told.code, told.headers["Warning"]) == (200, None)


def test_updates_of_some_kinds_must_say_what_they_were_made_from(server, namespace, configmaps):
    leases = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"
    lease = {"metadata": {"name": "a"}, "spec": {"holderIdentity": "me"}}
    made = server.request("POST", leases, lease).json
    for version in ({}, {"resourceVersion": "0"}):
        body = {**lease, "metadata": {"name": "a", **version}}
        reply = server.request("PUT", f"{leases}/a", body)
        assert reply.code == 422
        assert reply.json["message"] == (
            'Lease.coordination.k8s.io "a" is invalid: metadata.resourceVersion: '
            "Invalid value: 0x0: must be specified for an update"
        )
    assert server.request("PUT", f"{leases}/a", made).code == 200
    server.request("POST", configmaps, configmap("a"))
    assert server.request("PUT", f"{configmaps}/a", configmap("a", x="1")).code == 200


def test_owners_named_twice_are_named_once(server, configmaps):
    owner = {"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "u"}
    body = configmap("a")
    body["metadata"]["ownerReferences"] = [owner, {**owner, "name": "q"}, owner]
    made = server.request("POST", configmaps, body)
    assert made.json["metadata"]["ownerReferences"] == [owner, {**owner, "name": "q"}]
    assert "duplicate UID(s) observed: [u]" in made.headers["Warning"]


def test_patch_with_an_old_version_conflicts(server, configmaps):
    old = server.request("POST", configmaps, configmap("a", x="1")).json
    server.request("PUT", f"{configmaps}/a", configmap("a", x="2"))
    version = old["metadata"]["resourceVersion"]
    headers = {"Content-Type": "application/merge-patch+json"}
    patch = {"metadata": {"resourceVersion": version}, "data": {"x": "3"}}
    assert server.request("PATCH", f"{configmaps}/a", patch, headers=headers).code == 409


@pytest.mark.parametrize("content_type", ["text/plain", "application/json"])
def test_patch_of_another_type_is_refused(server, configmaps, content_type):
    server.request("POST", configmaps, configmap("a"))
    headers = {"Content-Type": content_type}
    reply = server.request("PATCH", f"{configmaps}/a", {}, headers=headers)
    assert (reply.code, reply.json["reason"]) == (415, "UnsupportedMediaType")


PROTOBUF = {"Content-Type": "application/vnd.kubernetes.protobuf"}


def test_protobuf_bodies_are_read(server, configmaps):
    # kubectl create configmap tt2 --from-literal=a=b, as client-go 1.32 sends it.
    body = bytes.fromhex(
        "6b3873000a0f0a0276311209436f6e6669674d6170121d0a130a0374743212001a0022002a00320038004200"
        "12060a01611201621a002200"
    )
    made = server.request("POST", configmaps, body, headers=PROTOBUF)
    assert (made.code, made.json["data"]) == (201, {"a": "b"})


def test_wrong_protobuf_is_refused_in_words(server, configmaps):
    for body in (b"k8s\0", b"k8s\0\x0a\x7f", b"{}"):
        reply = server.request("POST", configmaps, body, headers=PROTOBUF)
        assert (reply.code, reply.json["reason"]) == (400, "BadRequest")
        assert "the object provided is unrecognized" in reply.json["message"]


def test_yaml_bodies_are_read_as_kubernetes_reads_them(server, configmaps):
    body = b"metadata: {name: y}\ndata:\n  time: '1:30'\n  multi: |\n    a\n    b\n"
    headers = {"Content-Type": "application/yaml"}
    reply = server.request("POST", configmaps, body, headers=headers)
    assert reply.json["data"] == {"time": "1:30", "multi": "a\nb\n"}


def test_unknown_fields(server, configmaps):
    body = {**configmap("a"), "foo": 1}
    strict = server.request("POST", f"{configmaps}?fieldValidation=Strict", body)
    assert strict.code == 400
    assert strict.json["message"] == (
        'ConfigMap in version "v1" cannot be handled as a ConfigMap: '
        'strict decoding error: unknown field "foo"'
    )
    warned = server.request("POST", f"{configmaps}?fieldValidation=Warn", body)
    assert warned.code == 201
    assert warned.headers["Warning"] == '299 - "unknown field \\"foo\\""'
    assert "foo" not in warned.json
    ignored = server.request("PUT", f"{configmaps}/a?fieldValidation=Ignore", body)
    assert ignored.headers["Warning"] is None


def test_duplicate_fields_are_found_in_strict_mode(server, configmaps):
    body = b'{"metadata":{"name":"a"},"data":{"x":"1","x":"2"}}'
    reply = server.request("POST", f"{configmaps}?fieldValidation=Strict", body)
    assert 'strict decoding error: duplicate field "data.x"' in reply.json["message"]
    assert server.request("POST", configmaps, body).json["data"] == {"x": "2"}


def test_wrong_types_are_400_and_wrong_values_422(server, namespace):
    path = f"{APPS}/{namespace}/deployments"
    body = deployment("d")
    body["spec"]["replicas"] = "three"
    wrong = server.request("POST", path, body)
    assert wrong.code == 400
    assert "spec.replicas" in wrong.json["message"]
    body["spec"]["replicas"] = -1
    invalid = server.request("POST", path, body)
    assert (invalid.code, invalid.json["reason"]) == (422, "Invalid")
    assert [c["field"] for c in invalid.json["details"]["causes"]] == ["spec.replicas"]


def test_nulls_are_absent(server, configmaps):
    body = {"metadata": {"name": "a", "creationTimestamp": None}, "data": None}
    reply = server.request("POST", configmaps, body)
    assert reply.code == 201
    assert "data" not in reply.json


def test_dry_run_shows_and_writes_nothing(server, namespace, configmaps):
    made = server.request("POST", f"{configmaps}?dryRun=All", configmap("a"))
    assert (made.code, made.json["metadata"]["name"]) == (201, "a")
    assert "resourceVersion" not in made.json["metadata"]
    assert server.request("GET", f"{configmaps}/a").code == 404
    server.request("POST", configmaps, configmap("a", x="1"))
    server.request("PUT", f"{configmaps}/a?dryRun=All", configmap("a", x="2"))
    server.request("DELETE", f"{configmaps}/a?dryRun=All")
    assert server.request("GET", f"{configmaps}/a").json["data"] == {"x": "1"}
    assert server.request("POST", f"{configmaps}?dryRun=All", configmap("a")).code == 409
    assert server.request("POST", f"{configmaps}?dryRun=Some", configmap("b")).code == 422


def test_create_in_a_missing_namespace(server):
    reply = server.request("POST", f"{CORE}/missing/configmaps", configmap("a"))
    assert (reply.code, reply.json["message"]) == (404, 'namespaces "missing" not found')


def test_delete_with_preconditions(server, configmaps):
    made = server.request("POST", configmaps, configmap("a")).json
    for wrong in ({"uid": "x"}, {"resourceVersion": "1"}):
        reply = server.request("DELETE", f"{configmaps}/a", {"preconditions": wrong})
        assert (reply.code, reply.json["reason"]) == (409, "Conflict")
    right = {"uid": made["metadata"]["uid"]}
    assert server.request("DELETE", f"{configmaps}/a", {"preconditions": right}).code == 200


def test_finalizers_hold_an_object_until_the_last_is_gone(server, configmaps):
    body = configmap("a")
    body["metadata"]["finalizers"] = ["example.com/hold"]
    server.request("POST", configmaps, body)
    held = server.request("DELETE", f"{configmaps}/a")
    assert held.json["metadata"]["deletionTimestamp"]
    again = server.request("DELETE", f"{configmaps}/a")
    assert again.json["metadata"] == held.json["metadata"]
    headers = {"Content-Type": "application/merge-patch+json"}
    patch = {"metadata": {"finalizers": None}}
    assert server.request("PATCH", f"{configmaps}/a", patch, headers=headers).code == 200
    assert server.request("GET", f"{configmaps}/a").code == 404


@pytest.mark.parametrize(
    ("policy", "finalizer"), [("Foreground", "foregroundDeletion"), ("Orphan", "orphan")]
)
def test_propagation_leaves_a_finalizer_for_the_collector(server, namespace, policy, finalizer):
    path = f"{APPS}/{namespace}/deployments"
    server.request("POST", path, deployment("d"))
    reply = server.request("DELETE", f"{path}/d", {"propagationPolicy": policy})
    assert reply.json["metadata"]["finalizers"] == [finalizer]
    assert reply.json["metadata"]["deletionTimestamp"]


def test_delete_options_that_make_no_sense(server, configmaps):
    server.request("POST", configmaps, configmap("a"))
    for body, code in (
        ({"propagationPolicy": "Sideways"}, 422),
        ({"gracePeriodSeconds": "x"}, 400),
        ({"preconditions": 1}, 400),
        ({"dryRun": ["Some"]}, 422),
        ({"kind": "Pod"}, 400),
    ):
        assert server.request("DELETE", f"{configmaps}/a", body).code == code, body


def test_some_deletions_answer_with_the_object(server, namespace, configmaps):
    """upstream: genericregistry.Store.ReturnDeletedObject."""
    for plural, kind in (("serviceaccounts", "ServiceAccount"), ("configmaps", "Status")):
        path = f"{CORE}/{namespace}/{plural}"
        server.request("POST", path, {"metadata": {"name": "a"}})
        gone = server.request("DELETE", f"{path}/a")
        assert (gone.code, gone.json["kind"]) == (200, kind)
        assert server.request("GET", f"{path}/a").code == 404


def test_deletecollection_by_label(server, configmaps):
    for i in range(4):
        body = configmap(f"c{i}")
        body["metadata"]["labels"] = {"even": str(i % 2 == 0).lower()}
        server.request("POST", configmaps, body)
    reply = server.request("DELETE", f"{configmaps}?labelSelector=even%3Dtrue")
    assert [item["metadata"]["name"] for item in reply.json["items"]] == ["c0", "c2"]
    left = server.request("GET", configmaps).json["items"]
    assert [item["metadata"]["name"] for item in left] == ["c1", "c3"]


def test_status_and_spec_are_written_apart(server, namespace):
    path = f"{APPS}/{namespace}/deployments"
    made = server.request("POST", path, {**deployment("d"), "status": {"replicas": 9}}).json
    assert "replicas" not in made.get("status", {})
    body = {**made, "status": {"replicas": 3}, "spec": {**made["spec"], "replicas": 8}}
    written = server.request("PUT", f"{path}/d/status", body).json
    assert (written["status"]["replicas"], written["spec"]["replicas"]) == (3, 1)
    body["metadata"]["resourceVersion"] = written["metadata"]["resourceVersion"]
    written = server.request("PUT", f"{path}/d", {**body, "status": {"replicas": 7}}).json
    assert (written["status"]["replicas"], written["spec"]["replicas"]) == (3, 8)
    assert server.request("GET", f"{path}/d/status").json == written


def test_scale(server, namespace):
    path = f"{APPS}/{namespace}/deployments"
    server.request("POST", path, deployment("d", 2))
    scale = server.request("GET", f"{path}/d/scale").json
    assert (scale["kind"], scale["apiVersion"]) == ("Scale", "autoscaling/v1")
    assert (scale["spec"]["replicas"], scale["status"]["selector"]) == (2, "app=d")
    headers = {"Content-Type": "application/merge-patch+json"}
    patch = {"spec": {"replicas": 5}}
    reply = server.request("PATCH", f"{path}/d/scale", patch, headers=headers)
    assert reply.json["spec"]["replicas"] == 5
    conflict = server.request("PUT", f"{path}/d/scale", {**scale, "spec": {"replicas": 1}})
    assert conflict.code == 409
    del scale["metadata"]["resourceVersion"]
    assert server.request("PUT", f"{path}/d/scale", {**scale, "spec": {"replicas": -1}}).code == 422
    assert server.request("PUT", f"{path}/d/scale", {**scale, "spec": {"replicas": 0}}).code == 200
    assert server.request("GET", f"{path}/d").json["spec"]["replicas"] == 0


def test_services_get_addresses_and_give_them_back(server, namespace):
    path = f"{CORE}/{namespace}/services"
    first = server.request("POST", path, service("a", type="NodePort")).json
    assert first["spec"]["clusterIP"].startswith("10.96.")
    port = first["spec"]["ports"][0]["nodePort"]
    assert 30000 <= port <= 32767
    taken = service("b", clusterIP=first["spec"]["clusterIP"])
    refused = server.request("POST", path, taken)
    assert refused.code == 422
    assert "already allocated" in refused.json["message"]
    assert server.request("POST", f"{path}?dryRun=All", service("c")).code == 201
    server.request("DELETE", f"{path}/a")
    assert server.request("POST", path, taken).code == 201


def test_namespaces_are_finalized_in_two_steps(server):
    name = server.request("POST", CORE, {"metadata": {"generateName": "dying-"}}).json
    path = f"{CORE}/{name['metadata']['name']}"
    assert name["spec"]["finalizers"] == ["kubernetes"]
    server.request("POST", f"{path}/configmaps", configmap("a"))
    dying = server.request("DELETE", path).json
    assert dying["status"]["phase"] == "Terminating"
    refused = server.request("POST", f"{path}/configmaps", configmap("b"))
    assert refused.code == 403
    assert "because it is being terminated" in refused.json["message"]
    assert refused.json["details"]["causes"][0]["reason"] == "NamespaceTerminating"
    assert server.request("DELETE", f"{path}/configmaps/a").code == 200
    dying["spec"]["finalizers"] = []
    assert server.request("PUT", f"{path}/finalize", dying).code == 200
    assert server.request("GET", path).code == 404


def test_built_in_namespaces_stay(server):
    reply = server.request("DELETE", f"{CORE}/default")
    assert reply.code == 403
    assert "this namespace may not be deleted" in reply.json["message"]


def test_what_is_there_from_the_beginning(server):
    names = [n["metadata"]["name"] for n in server.request("GET", CORE).json["items"]]
    assert {"default", "kube-system", "kube-public", "kube-node-lease"} <= set(names)
    found = server.request("GET", f"{CORE}/default/services/kubernetes").json
    assert found["spec"]["clusterIP"] == "10.96.0.1"
    slices = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices/kubernetes"
    assert server.request("GET", slices).json["endpoints"][0]["addresses"] == ["192.168.64.251"]
