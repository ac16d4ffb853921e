"""Tokens asked for and shown, at a real server."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils

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


@pytest.mark.usefixtures("wrong_certificates")
def test_a_token_makes_up_for_a_wrong_certificate(server, namespace, account):
    token = token_of(server, namespace).json["status"]["token"]
    for user in ("elsewhere", "expired"):
        for shown, code in ((token, 200), ("x", 401)):
            headers = {"Authorization": f"Bearer {shown}"}
            assert server.request("GET", "/api", user=user, headers=headers).code == code


def test_a_browser_shows_its_token_as_a_subprotocol(server, namespace, account):
    token = token_of(server, namespace).json["status"]["token"]
    shown = "base64url.bearer.authorization.k8s.io." + base64.urlsafe_b64encode(
        token.encode()
    ).decode().rstrip("=")
    path = f"/api/v1/namespaces/{namespace}/pods/p/exec?command=ls&stdout=true"
    socket = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13",
              "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA=="}  # fmt: skip
    v4 = "v4.channel.k8s.io"
    for protocols, code in (
        (f"{shown}, {v4}", 403),  # It is known who asks; he may not.
        (f"{v4},{shown}", 403),
        (shown, 401),
        (f"{shown},{shown},{v4}", 401),
        (f"{shown}AAAA,{v4}", 401),
        (f"base64url.bearer.authorization.k8s.io.!,{v4}", 401),
        (f"base64url.bearer.authorization.k8s.io._w,{v4}", 401),
    ):
        headers = {**socket, "Sec-WebSocket-Protocol": protocols}
        reply = server.request("GET", path, user=None, headers=headers)
        assert reply.code == code, (protocols, reply.body)
        if code == 403:
            assert f'User "system:serviceaccount:{namespace}:web"' in reply.json["message"]
    headers = {"Sec-WebSocket-Protocol": f"{shown},{v4}"}  # No WebSocket: nobody.
    reply = server.request("GET", path, user=None, headers=headers)
    assert 'User "system:anonymous"' in reply.json["message"]


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


def test_the_issuer_tells_its_keys(server, namespace, account):
    token = token_of(server, namespace).json["status"]["token"]
    configuration = as_bearer(server, token, path="/.well-known/openid-configuration").json
    assert configuration["issuer"] == "https://kubernetes.default.svc.cluster.local"
    assert configuration["jwks_uri"].endswith("/openid/v1/jwks")
    reply = as_bearer(server, token, path="/openid/v1/jwks")
    assert reply.headers["Content-Type"] == "application/jwk-set+json"
    (key,) = reply.json["keys"]
    head, claims, signature = token.split(".")

    def octets(text):
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))

    assert json.loads(octets(head))["kid"] == key["kid"]
    x, y, r, s = (int.from_bytes(each, "big") for each in (
        octets(key["x"]), octets(key["y"]), octets(signature)[:32], octets(signature)[32:],
    ))  # fmt: skip
    public = ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
    signed = utils.encode_dss_signature(r, s)
    public.verify(signed, f"{head}.{claims}".encode(), ec.ECDSA(hashes.SHA256()))
    assert server.request("GET", "/openid/v1/jwks", user=None).code == 403


def test_token_reviews(server, namespace, account):
    path = "/apis/authentication.k8s.io/v1/tokenreviews"

    def reviewed(**spec):
        reply = made(server, path, {"spec": spec})
        assert reply["spec"] == spec
        return reply["status"]

    token = token_of(server, namespace).json["status"]["token"]
    found = reviewed(token=token)
    assert found["authenticated"] is True
    assert found["user"]["username"] == f"system:serviceaccount:{namespace}:web"
    assert found["audiences"] == ["https://kubernetes.default.svc.cluster.local"]
    for wrong in ("x", token[:-4] + "AAAA"):
        refused = reviewed(token=wrong)
        assert "authenticated" not in refused
        assert "invalid bearer token" in refused["error"]
    vault = token_of(server, namespace, {"spec": {"audiences": ["vault", "b"]}}).json["status"]
    assert "authenticated" not in reviewed(token=vault["token"])
    found = reviewed(token=vault["token"], audiences=["vault", "other"])
    assert (found["authenticated"], found["audiences"]) == (True, ["vault"])
    assert server.request("POST", path, {"spec": {}}).code == 400


def test_a_bootstrap_token_joins(server):
    data = {
        "token-id": "abcdef",
        "token-secret": "0123456789abcdef",
        "usage-bootstrap-authentication": "true",
        "auth-extra-groups": "system:bootstrappers:kubeadm:default-node-token",
    }
    secret = {
        "metadata": {"name": "bootstrap-token-abcdef"},
        "type": "bootstrap.kubernetes.io/token",
        "stringData": data,
    }
    token = "abcdef.0123456789abcdef"
    assert as_bearer(server, token).code == 401
    made(server, "/api/v1/namespaces/kube-system/secrets", secret)
    who = review(server, token).json["status"]["userInfo"]
    assert who["username"] == "system:bootstrap:abcdef"
    assert who["groups"] == [
        "system:bootstrappers",
        "system:bootstrappers:kubeadm:default-node-token",
        "system:authenticated",
    ]
    requests = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
    assert as_bearer(server, token, path=requests).code == 200
    assert as_bearer(server, token, path="/api/v1/nodes").code == 403
    assert as_bearer(server, "abcdef.fedcba9876543210").code == 401
    assert made(server, "/apis/authentication.k8s.io/v1/tokenreviews", {"spec": {"token": token}})[
        "status"
    ]["authenticated"]
    server.request("DELETE", "/api/v1/namespaces/kube-system/secrets/bootstrap-token-abcdef")
    assert as_bearer(server, token).code == 401
