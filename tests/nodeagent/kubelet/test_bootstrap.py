"""A node joins: it asks, somebody signs, and it has a kubeconfig of its own."""

from __future__ import annotations

import asyncio
import base64
from types import SimpleNamespace

import pytest
from cryptography import x509
from tests.controlplane.apiserver.conftest import Authority, RunningServer, free_port

from kubeapi.client.kubeconfig import read_kubeconfig, write_kubeconfig
from nodeagent.kubelet import bootstrap

TOKEN = "abcdef.0123456789abcdef"
SECRET = {
    "metadata": {"name": "bootstrap-token-abcdef"},
    "type": "bootstrap.kubernetes.io/token",
    "stringData": {
        "token-id": "abcdef",
        "token-secret": "0123456789abcdef",
        "usage-bootstrap-authentication": "true",
        "auth-extra-groups": "system:bootstrappers:kubeadm:default-node-token",
    },
}
CSRS = "/apis/certificates.k8s.io/v1/certificatesigningrequests"


def test_the_request_is_how_kubelets_ask():
    asked = bootstrap.wanted("node-7")
    request = x509.load_pem_x509_csr(asked.request)
    assert request.is_signature_valid
    assert request.subject.rfc4514_string() == "CN=system:node:node-7,O=system:nodes"
    made = bootstrap.signing_request(asked)
    assert made["spec"]["signerName"] == "kubernetes.io/kube-apiserver-client-kubelet"
    assert made["spec"]["usages"] == ["digital signature", "client auth"]
    assert base64.b64decode(made["spec"]["request"]) == asked.request
    assert (
        made["metadata"]["name"]
        != bootstrap.signing_request(bootstrap.wanted("node-7"))["metadata"]["name"]
    )


@pytest.mark.parametrize("kind", ["Denied", "Failed"])
def test_who_gets_no_certificate_is_told(kind):
    status = {"conditions": [{"type": kind, "message": "not you"}]}
    with pytest.raises(OSError, match=f"was {kind.lower()}: not you"):
        bootstrap.certificate_of({"metadata": {"name": "x"}, "status": status})


@pytest.fixture(scope="module")
def joined(tmp_path_factory):
    """An API server with a bootstrap token, and what an agent is told that joins."""
    folder = tmp_path_factory.mktemp("joined")
    authority = Authority(folder)
    server = RunningServer(authority, folder, free_port())
    server.start()
    made = server.request("POST", "/api/v1/namespaces/kube-system/secrets", SECRET)
    assert made.code == 201
    yield server, authority, folder
    server.stop()


def _config(joined, name, token=TOKEN):
    server, authority, folder = joined
    (folder / f"{name}.token").write_text(token)
    write_kubeconfig(
        folder / f"{name}.bootstrap",
        server=server.url,
        ca_pem=authority.file.read_text(),
        token_file=str(folder / f"{name}.token"),
        cluster_name="c",
        user_name="joining",
    )
    return SimpleNamespace(
        node_name=name,
        kubeconfig=str(folder / name),
        bootstrap_kubeconfig=str(folder / f"{name}.bootstrap"),
        dial_source="",
    )


async def _sign(server, authority):
    """Approve and sign the first request, as the controller manager would."""
    async with asyncio.timeout(10):
        while not (items := (await asyncio.to_thread(server.request, "GET", CSRS)).json["items"]):
            await asyncio.sleep(0.01)
    request = items[0]
    path = f"{CSRS}/{request['metadata']['name']}"
    condition = {"type": "Approved", "status": "True", "reason": "Test", "message": "yes"}
    request["status"] = {"conditions": [condition]}
    await asyncio.to_thread(server.request, "PUT", f"{path}/approval", request)
    certificate = authority.issue("signed")[0].read_bytes()
    request["status"]["certificate"] = base64.b64encode(certificate).decode()
    del request["metadata"]["resourceVersion"]
    answer = await asyncio.to_thread(server.request, "PUT", f"{path}/status", request)
    assert answer.code == 200, answer.json
    return request, certificate.decode()


@pytest.mark.asyncio
async def test_a_node_with_a_token_gets_a_certificate(joined):
    server, authority, folder = joined
    config = _config(joined, "node-9")
    _, (request, certificate) = await asyncio.gather(
        bootstrap.join(config), _sign(server, authority)
    )
    assert request["spec"]["username"] == "system:bootstrap:abcdef"
    assert "system:bootstrappers" in request["spec"]["groups"]
    found = read_kubeconfig(folder / "node-9")
    assert found.certificate_pem == certificate
    assert found.server == server.url
    assert "PRIVATE KEY" in found.key_pem
    assert (folder / "node-9").stat().st_mode & 0o077 == 0


@pytest.mark.asyncio
async def test_a_wrong_token_is_told_at_once(joined):
    config = _config(joined, "node-8", "abcdef.9999999999999999")
    with pytest.raises(OSError, match="refuses the bootstrap token"):
        await bootstrap.join(config)
