"""From a request to a certificate that the API server believes, through the real processes."""

from __future__ import annotations

import asyncio
import base64
import shutil

import pytest
from cryptography import x509
from signing_requests import SERVING_USAGES, request_pem, signing_request
from test_control_loops import until

from controlplane.controllermanager.csrsigning.controller import failed, is_wanted
from controlplane.controllermanager.csrsigning.request import (
    CLIENT,
    KUBELET_CLIENT,
    KUBELET_SERVING,
)
from kubeapi.client import RestClient
from kubeapi.client.kubeconfig import write_kubeconfig
from kubeapi.resources import CERTIFICATESIGNINGREQUESTS, NODES
from kubeapi.status import StatusError

NOW_TEXT = "2026-01-01T00:00:00Z"


def conditioned(*kinds, certificate="", signer=CLIENT):
    conditions = [{"type": kind, "status": "True"} for kind in kinds]
    status = {"conditions": conditions, **({"certificate": certificate} if certificate else {})}
    return {"spec": {"signerName": signer}, "status": status}


@pytest.mark.parametrize(
    ("request_", "wanted"),
    [
        (conditioned("Approved"), True),
        (conditioned(), False),
        (conditioned("Approved", "Denied"), False),
        (conditioned("Approved", "Failed"), False),
        (conditioned("Approved", certificate="x"), False),
        (conditioned("Approved", signer="example.com/mine"), False),
    ],
)
def test_who_gets_a_certificate(request_, wanted):
    assert is_wanted(request_) is wanted


def test_a_failure_is_a_condition():
    row = failed(conditioned("Approved"), "why", NOW_TEXT)["status"]["conditions"][1]
    assert (row["type"], row["reason"], row["message"]) == (
        "Failed",
        "SignerValidationFailure",
        "why",
    )


async def decided(client, name, holds):
    def check(items):
        return any(each["metadata"]["name"] == name and holds(each["status"]) for each in items)

    await until(client, CERTIFICATESIGNINGREQUESTS, None, check)
    return await client.get(CERTIFICATESIGNINGREQUESTS, name)


async def kubectl(control_plane, *words):
    command = ["kubectl", f"--kubeconfig={control_plane.paths.kubeconfig}", *words]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    out, _ = await process.communicate()
    assert process.returncode == 0
    return out.decode()


@pytest.mark.asyncio
@pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed")
async def test_a_person_approves_and_another_walks_in(control_plane, tmp_path):
    pem, key = request_pem("alice", ("staff",))
    async with control_plane.client() as client:
        made = signing_request("alice", CLIENT, pem=pem, expirationSeconds=3600)
        created = await client.create(CERTIFICATESIGNINGREQUESTS, made)
        assert created["spec"]["username"] == "kubernetes-admin"
        assert "Pending" in await kubectl(control_plane, "get", "csr", "alice")
        shown = await kubectl(control_plane, "certificate", "approve", "alice")
        assert shown.strip() == "certificatesigningrequest.certificates.k8s.io/alice approved"
        signed = await decided(client, "alice", lambda status: status.get("certificate"))
    certificate = base64.b64decode(signed["status"]["certificate"]).decode()
    lasts = x509.load_pem_x509_certificate(certificate.encode())
    assert (lasts.not_valid_after_utc - lasts.not_valid_before_utc).total_seconds() == 3900
    server = await kubectl(
        control_plane, "config", "view", "-o=jsonpath={.clusters[0].cluster.server}"
    )
    write_kubeconfig(
        tmp_path / "alice",
        server=server,
        ca_pem=control_plane.paths.certificate("ca").read_text(),
        certificate_pem=certificate,
        key_pem=key.decode(),
        cluster_name="c",
        user_name="alice",
    )
    alice = RestClient.from_kubeconfig(tmp_path / "alice", user_agent="alice")
    try:
        with pytest.raises(StatusError, match='User "alice" cannot list') as refused:
            await alice.list(NODES)
        assert refused.value.code == 403
    finally:
        await alice.close()


@pytest.mark.asyncio
async def test_kubelets_are_approved_by_who_may_and_others_wait(control_plane):
    async with control_plane.client() as client:
        # An administrator may ask for any node; a serving certificate waits for a person.
        joining = signing_request("joining", KUBELET_CLIENT)
        serving = signing_request(
            "serving", KUBELET_SERVING, usages=SERVING_USAGES, pem=request_pem(names=("ip",))[0]
        )
        for each in (serving, joining):
            await client.create(CERTIFICATESIGNINGREQUESTS, each)
        signed = await decided(client, "joining", lambda status: status.get("certificate"))
        (row,) = signed["status"]["conditions"]
        assert (row["type"], row["reason"]) == ("Approved", "AutoApproved")
        waiting = await client.get(CERTIFICATESIGNINGREQUESTS, "serving")
        assert waiting["status"] == {}
        # Approved all the same, what no kubelet asks for is told to have failed.
        wrong = signing_request("wrong", KUBELET_CLIENT, pem=request_pem("alice", ("x",))[0])
        await client.create(CERTIFICATESIGNINGREQUESTS, wrong)
        approval = {"type": "Approved", "status": "True", "reason": "r"}
        made = await client.get(CERTIFICATESIGNINGREQUESTS, "wrong")
        made["status"] = {"conditions": [approval]}
        await client.update(CERTIFICATESIGNINGREQUESTS, made, subresource="approval")
        failed_one = await decided(client, "wrong", lambda s: len(s.get("conditions", ())) == 2)
        assert failed_one["status"]["conditions"][1]["message"] == (
            "subject organization is not system:nodes"
        )
