"""Who may approve and sign (upstream: admission/certificates' tests), at a real server."""

from __future__ import annotations

import base64

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from tests.controlplane.apiserver.test_rbac import RBAC, binding, made, role, rule

from controlplane.apiserver.admission.certificates import organizations

REQUESTS = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
GROUP = "certificates.k8s.io"
CLIENT = "kubernetes.io/kube-apiserver-client"


def pem(*groups):
    key = ec.generate_private_key(ec.SECP256R1())
    names = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in groups]
    subject = x509.Name([*names, x509.NameAttribute(NameOID.COMMON_NAME, "x")])
    request = x509.CertificateSigningRequestBuilder().subject_name(subject)
    octets = request.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    return base64.b64encode(octets).decode()


def asked(name, signer=CLIENT, *groups):
    spec = {"request": pem(*groups), "signerName": signer, "usages": ["client auth"]}
    return {"metadata": {"name": name}, "spec": spec}


def test_nobody_asks_for_masters(server):
    refused = server.request("POST", REQUESTS, asked("m", CLIENT, "staff", "system:masters"))
    assert refused.code == 403
    assert "with system:masters group is not allowed" in refused.json["message"]
    assert organizations("!") == []


@pytest.mark.parametrize("names", [["example.com/one"], ["example.com/*"]])
def test_approving_and_signing_are_rights_of_their_own(server, names):
    user = f"signer-{names[0][-1:]}".replace("*", "all")
    request = asked(user, "example.com/one")
    made(server, REQUESTS, request)
    some = role(user, rule("get update", "certificatesigningrequests/approval", GROUP))
    some["rules"].append(rule("get update", "certificatesigningrequests/status", GROUP))
    made(server, f"{RBAC}/clusterroles", some)
    made(server, f"{RBAC}/clusterrolebindings", binding(user, user, user, "ClusterRole"))
    found = server.request("GET", f"{REQUESTS}/{user}").json
    approved = {"type": "Approved", "status": "True", "reason": "r", "message": "m"}
    found["status"] = {"conditions": [approved]}
    path = f"{REQUESTS}/{user}/approval"
    refused = server.request("PUT", path, found, user=user)
    assert refused.code == 403
    assert refused.json["message"].endswith(
        'user not permitted to approve requests with signerName "example.com/one"'
    )
    some = server.request("GET", f"{RBAC}/clusterroles/{user}").json
    some["rules"].append(rule("approve", "signers", GROUP, resourceNames=names))
    server.request("PUT", f"{RBAC}/clusterroles/{user}", some)
    assert server.request("PUT", path, found, user=user).code == 200
    found = server.request("GET", f"{REQUESTS}/{user}").json
    same = server.request("PUT", f"{REQUESTS}/{user}/status", found, user=user)
    assert same.code == 200  # Nothing of the signer's is in it.
    failed = {"type": "Failed", "status": "True", "reason": "r", "message": "m"}
    found["status"]["conditions"].append(failed)
    refused = server.request("PUT", f"{REQUESTS}/{user}/status", found, user=user)
    assert refused.code == 403
    assert "user not permitted to sign requests" in refused.json["message"]
    some = server.request("GET", f"{RBAC}/clusterroles/{user}").json
    some["rules"].append(rule("sign", "signers", GROUP, resourceNames=names))
    server.request("PUT", f"{RBAC}/clusterroles/{user}", some)
    assert server.request("PUT", f"{REQUESTS}/{user}/status", found, user=user).code == 200
