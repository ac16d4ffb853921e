"""Tokens asked for and shown, at a real server."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from podwire.cluster import pki

from .conftest import RunningServer, free_port


@pytest.fixture(scope="module")
def server(authority, tmp_path_factory):
    folder: Path = tmp_path_factory.mktemp("apiserver")
    pki.write_signing_key(folder / "sa.key", folder / "sa.pub")
    more = {"service_account_key": str(folder / "sa.key")}
    running = RunningServer(authority, folder, free_port(), more=more)
    running.start()
    yield running
    running.stop()


def create(server, path, body, user="admin"):
    return server.request("POST", path, body, user=user)


def made(server, path, body):
    reply = create(server, path, body)
    assert reply.code == 201, reply.body
    return reply.json


@pytest.fixture
def account(server, namespace):
    path = f"/api/v1/namespaces/{namespace}/serviceaccounts"
    return made(server, path, {"metadata": {"name": "web"}})


def pod_of(server, namespace, name="p", **spec):
    spec = {"containers": [{"name": "c", "image": "pause"}], "serviceAccountName": "web"} | spec
    path = f"/api/v1/namespaces/{namespace}/pods"
    return made(server, path, {"metadata": {"name": name}, "spec": spec})


def token_of(server, namespace, body=None, user="admin"):
    path = f"/api/v1/namespaces/{namespace}/serviceaccounts/web/token"
    return create(server, path, body or {}, user)


def reference(pod):
    return {"kind": "Pod", "apiVersion": "v1", **{k: pod["metadata"][k] for k in ("name", "uid")}}


def as_bearer(server, token, method="GET", path="/api", body=None):
    headers = {"Authorization": f"Bearer {token}"}
    return server.request(method, path, body, user=None, headers=headers)


def review(server, token):
    path = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
    return as_bearer(server, token, "POST", path, {})


def test_a_token_says_who_shows_it(server, namespace, account):
    reply = token_of(server, namespace)
    assert reply.code == 201
    token = reply.json["status"]["token"]
    who = review(server, token).json["status"]["userInfo"]
    assert who["username"] == f"system:serviceaccount:{namespace}:web"
    assert who["groups"] == [
        "system:serviceaccounts", f"system:serviceaccounts:{namespace}", "system:authenticated",
    ]  # fmt: skip
    assert who["uid"] == account["metadata"]["uid"]
    assert as_bearer(server, token).code == 200
    refused = as_bearer(server, token, path=f"/api/v1/namespaces/{namespace}/secrets")
    assert refused.code == 403
    assert f'User "system:serviceaccount:{namespace}:web" cannot list' in refused.json["message"]


def test_a_wrong_token_is_401_even_where_nothing_is_needed(server, namespace, account):
    token = token_of(server, namespace).json["status"]["token"]
    for wrong in ("x", token[:-4] + "AAAA"):
        assert as_bearer(server, wrong).code == 401
        assert as_bearer(server, wrong, path="/healthz").code == 401


def test_a_token_for_others_is_401(server, namespace, account):
    reply = token_of(server, namespace, {"spec": {"audiences": ["vault"]}})
    assert as_bearer(server, reply.json["status"]["token"]).code == 401


def test_a_token_dies_with_its_account(server, namespace, account):
    token = token_of(server, namespace).json["status"]["token"]
    path = f"/api/v1/namespaces/{namespace}/serviceaccounts"
    server.request("DELETE", f"{path}/web")
    assert as_bearer(server, token).code == 401
    made(server, path, {"metadata": {"name": "web"}})
    assert as_bearer(server, token).code == 401


def test_a_token_dies_with_its_pod(server, namespace, account):
    pod = pod_of(server, namespace)
    bound = {"spec": {"boundObjectRef": reference(pod)}}
    token = token_of(server, namespace, bound).json["status"]["token"]
    extra = review(server, token).json["status"]["userInfo"]["extra"]
    assert extra["authentication.kubernetes.io/pod-name"] == ["p"]
    path = f"/api/v1/namespaces/{namespace}/pods/p"
    server.request("DELETE", path, {"gracePeriodSeconds": 0})
    assert as_bearer(server, token).code == 401


def test_a_node_gets_tokens_of_its_own_pods_only(server, namespace, account):
    pod = pod_of(server, namespace)
    binding = {"target": {"name": "n1"}, "metadata": {"name": "p"}}
    made(server, f"/api/v1/namespaces/{namespace}/pods/p/binding", binding)
    bound = {"spec": {"boundObjectRef": reference(pod), "expirationSeconds": 3607}}
    granted = token_of(server, namespace, bound, "system:node:n1")
    assert granted.code == 201
    assert as_bearer(server, granted.json["status"]["token"]).code == 200
    for body, user in ((bound, "system:node:n2"), ({}, "system:node:n1")):
        assert token_of(server, namespace, body, user).code == 403


def test_a_pod_gets_the_volume_of_its_account(server, namespace, account):
    spec = pod_of(server, namespace)["spec"]
    (volume,) = spec["volumes"]
    assert volume["name"].startswith("kube-api-access-")
    assert spec["containers"][0]["volumeMounts"][0]["name"] == volume["name"]
    bare = pod_of(server, namespace, "q", automountServiceAccountToken=False)["spec"]
    assert "volumes" not in bare


def test_a_pod_of_nobody_is_refused(server, namespace):
    spec = {"containers": [{"name": "c", "image": "pause"}], "serviceAccountName": "nobody"}
    reply = create(
        server, f"/api/v1/namespaces/{namespace}/pods", {"metadata": {"name": "p"}, "spec": spec}
    )
    assert reply.code == 403
    assert 'serviceaccount "nobody" not found' in reply.json["message"]


def test_kubectl_creates_a_token(server, namespace, account):
    """`kubectl create token` sends protobuf, which is refused in words; the raw way is JSON."""
    if shutil.which("kubectl") is None:
        pytest.skip("kubectl is not installed")
    path = f"/api/v1/namespaces/{namespace}/serviceaccounts/web/token"
    done = subprocess.run(
        ["kubectl", "--kubeconfig", str(server.kubeconfig()), "create", "--raw", path, "-f", "-"],
        input="{}",
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    token = json.loads(done.stdout)["status"]["token"]
    assert as_bearer(server, token).code == 200
