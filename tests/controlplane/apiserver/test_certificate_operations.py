"""CertificateSigningRequests step by step (upstream: test/e2e/auth/certificates.go)."""

from __future__ import annotations

import base64
import datetime
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from .test_watches import watching

PATH = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
MERGE = {"Content-Type": "application/merge-patch+json"}
APPLY = {"Content-Type": "application/apply-patch+yaml"}
NAME = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "e2e.example.com")])


def encoded(pem: Any) -> str:
    return base64.b64encode(pem.public_bytes(serialization.Encoding.PEM)).decode()


def signing_request(key: ec.EllipticCurvePrivateKey) -> str:
    builder = x509.CertificateSigningRequestBuilder().subject_name(NAME)
    return encoded(builder.sign(key, hashes.SHA256()))


def certificate(key: ec.EllipticCurvePrivateKey) -> str:
    begins = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    builder = x509.CertificateBuilder(NAME, NAME, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(begins)
    builder = builder.not_valid_after(begins + datetime.timedelta(days=1))
    return encoded(builder.sign(key, hashes.SHA256()))


def body(signer: str, request: str) -> dict[str, Any]:
    return {
        "apiVersion": "certificates.k8s.io/v1",
        "kind": "CertificateSigningRequest",
        "metadata": {"generateName": "e2e-example-csr-"},
        "spec": {
            "request": request,
            "signerName": signer,
            "expirationSeconds": 3600,
            "usages": ["digital signature", "key encipherment", "server auth"],
        },
    }


def condition(kind: str) -> dict[str, str]:
    return {"type": kind, "status": "True", "reason": "E2E", "message": "Set from a test"}


def patched(server: Any, path: str, mark: str, status: dict[str, Any]) -> dict[str, Any]:
    patch = {"metadata": {"annotations": {mark: "true"}}, "status": status}
    reply = server.request("PATCH", path, patch, headers=MERGE)
    assert reply.code == 200, reply.json
    found: dict[str, Any] = reply.json
    assert found["metadata"]["annotations"][mark] == "true"
    return found


def test_operations(server: Any, namespace: str) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    signer = f"example.com/e2e-{namespace}"
    names = {
        each["name"] for each in server.request("GET", PATH.rpartition("/")[0]).json["resources"]
    }
    plural = PATH.rpartition("/")[2]
    assert {plural, f"{plural}/approval", f"{plural}/status"} <= names
    wanted = body(signer, signing_request(key))
    made = [server.request("POST", PATH, wanted) for _ in range(3)][-1].json
    name, path = made["metadata"]["name"], f"{PATH}/{made['metadata']['name']}"
    assert server.request("GET", path).json["spec"]["expirationSeconds"] == 3600
    ours = f"fieldSelector=spec.signerName%3D{signer.replace('/', '%2F')}"
    listed = server.request("GET", f"{PATH}?{ours}").json
    assert len(listed["items"]) == 3

    since = f"resourceVersion={listed['metadata']['resourceVersion']}"
    with watching(
        server, f"{PATH}?watch=true&{since}&fieldSelector=metadata.name%3D{name}"
    ) as watch:
        patched(server, path, "patched", {"conditions": [condition("Approved")]})
        assert "conditions" not in server.request("GET", path).json["status"]
        seen = watch.next()
        assert seen["type"] == "MODIFIED"
        assert seen["object"]["metadata"]["annotations"]["patched"] == "true"

    approval = patched(
        server, f"{path}/approval", "patchedapproval", {"conditions": [condition("ApprovalPatch")]}
    )
    approval["status"]["conditions"].append(condition("Approved"))
    approved = server.request("PUT", f"{path}/approval", approval).json
    kinds = [each["type"] for each in approved["status"]["conditions"]]
    assert kinds == ["ApprovalPatch", "Approved"]

    signed = certificate(key)
    status = patched(server, f"{path}/status", "patchedstatus", {"certificate": signed})
    assert status["status"]["certificate"] == signed
    status["status"]["conditions"].append(condition("StatusUpdate"))
    updated = server.request("PUT", f"{path}/status", status).json
    assert [each["type"] for each in updated["status"]["conditions"]][-1] == "StatusUpdate"

    assert server.request("DELETE", path).code == 200
    assert server.request("GET", path).code == 404
    assert len(server.request("GET", f"{PATH}?{ours}").json["items"]) == 2
    assert server.request("DELETE", f"{PATH}?{ours}").code == 200
    assert server.request("GET", f"{PATH}?{ours}").json["items"] == []


def test_one_is_made_by_applying_it(server: Any, namespace: str) -> None:
    wanted = body(
        f"example.com/e2e-{namespace}", signing_request(ec.generate_private_key(ec.SECP256R1()))
    )
    wanted["metadata"] = {"name": namespace}
    path = f"{PATH}/{namespace}?fieldManager=me"
    made = server.request("PATCH", path, wanted, headers=APPLY)
    assert (made.code, made.json["spec"]["usages"]) == (201, wanted["spec"]["usages"])
    assert server.request("PATCH", path, wanted, headers=APPLY).code == 200
