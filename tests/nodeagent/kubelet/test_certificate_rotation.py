"""A node's client certificate is replaced before it ends, and the node goes on with the next."""

from __future__ import annotations

import asyncio
import base64
import datetime
import random

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from hypothesis import given
from hypothesis import strategies as st
from tests.controlplane.apiserver.conftest import Authority, RunningServer, free_port

from componentbase import clock
from componentbase.tasks import Tasks
from kubeapi.client import RestClient
from kubeapi.client.kubeconfig import read_kubeconfig, write_kubeconfig
from kubeapi.resources import NODES
from nodeagent.kubelet.certificate_rotation import CertificateRotation, due_at, validity
from podwire.cluster import pki

CSRS = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
NODE = "system:node:node-9"
BOUND_S = 15.0


def test_a_certificate_says_how_long_it_holds():
    now = pki.utc_now().replace(microsecond=0)
    for years in (0, 30, 80):  # From 2050 on, times are written in another way.
        moment = now + datetime.timedelta(days=365 * years)
        pair = pki.Authority.new("ca", now).issue(pki.ADMIN, moment)
        found = x509.load_pem_x509_certificate(pair.certificate)
        assert validity(pair.certificate.decode()) == (
            found.not_valid_before_utc.timestamp(),
            found.not_valid_after_utc.timestamp(),
        )


@given(st.binary(max_size=60))
def test_what_is_no_certificate_is_told(octets):
    pem = f"-----BEGIN CERTIFICATE-----\n{base64.b64encode(octets).decode()}\n"
    with pytest.raises(ValueError):  # noqa: PT011 - Each octet is wrong in its own way.
        validity(pem + "-----END CERTIFICATE-----\n")


def test_not_all_nodes_ask_at_once():
    rng = random.Random(1)
    found = [due_at(1000.0, 2000.0, rng) for _ in range(1000)]
    assert 1700 <= min(found) < 1710
    assert 1890 < max(found) <= 1900


@pytest.fixture
def node(tmp_path):
    """Return a server, its authority, and the kubeconfig of a node whose certificate ends soon."""
    authority = Authority(tmp_path)
    server = RunningServer(authority, tmp_path, free_port())
    server.start()
    certificate, key = authority.issue(NODE, ["system:nodes"], days=0.1)  # Of 2.1 days.
    kubeconfig = tmp_path / "node-9.conf"
    write_kubeconfig(
        kubeconfig,
        server=server.url,
        ca_pem=authority.file.read_text(),
        certificate_pem=certificate.read_text(),
        key_pem=key.read_text(),
        cluster_name="c",
        user_name=NODE,
    )
    made = server.request("POST", "/api/v1/nodes", {"metadata": {"name": "node-9"}})
    assert made.code == 201
    yield server, authority, kubeconfig
    server.stop()


async def _unanswered(server):
    """Return the request that nobody has answered yet, when there is one."""
    while True:
        found = (await asyncio.to_thread(server.request, "GET", CSRS)).json["items"]
        for each in found:
            if not (each.get("status") or {}).get("conditions"):
                return each
        await asyncio.sleep(0.01)


def _answer(server, authority, request, *, denied=False):
    """Approve and sign, or deny, as the controller manager would."""
    path = f"{CSRS}/{request['metadata']['name']}"
    type_ = "Denied" if denied else "Approved"
    condition = {"type": type_, "status": "True", "reason": "Test", "message": "not now"}
    request["status"] = {"conditions": [condition]}
    assert server.request("PUT", f"{path}/approval", request).code == 200
    if denied:
        return
    asked = x509.load_pem_x509_csr(base64.b64decode(request["spec"]["request"]))
    made = authority._build(asked.subject, asked.public_key(), days=30)
    pem = made.public_bytes(serialization.Encoding.PEM)
    request["status"]["certificate"] = base64.b64encode(pem).decode()
    del request["metadata"]["resourceVersion"]
    assert server.request("PUT", f"{path}/status", request).code == 200


@pytest.mark.asyncio
async def test_the_next_certificate_is_asked_for_and_used(node):
    server, authority, kubeconfig = node
    before = read_kubeconfig(kubeconfig)
    client = RestClient.from_kubeconfig(kubeconfig, user_agent="kubelet/node-9")
    rotation = CertificateRotation(
        "node-9", kubeconfig, client, random.Random(1), wall=clock.wall, retry_s=0.01
    )
    tasks = Tasks()
    tasks.spawn(rotation.run(), name="rotation", essential=True)
    try:
        async with asyncio.timeout(BOUND_S):
            for denied in (True, False):  # What is denied is asked for again.
                request = await _unanswered(server)
                assert request["spec"]["username"] == NODE
                await asyncio.to_thread(_answer, server, authority, request, denied=denied)
            while read_kubeconfig(kubeconfig).certificate_pem == before.certificate_pem:
                await asyncio.sleep(0.01)
        after = read_kubeconfig(kubeconfig)
        assert (after.server, after.ca_pem, after.user_name) == (
            before.server, before.ca_pem, before.user_name,
        )  # fmt: skip
        begins, ends = validity(after.certificate_pem)
        assert ends - begins == pytest.approx(32 * 86_400, abs=600)
        assert kubeconfig.stat().st_mode & 0o077 == 0
        await client.get(NODES, "node-9")
    finally:
        await tasks.close()
        await client.close()
