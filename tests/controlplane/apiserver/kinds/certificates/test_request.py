"""Upstream's TestValidateCertificateSigningRequest… as rows, and who may write what."""

from __future__ import annotations

import base64
import copy

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from controlplane.apiserver.authn import User
from controlplane.apiserver.kinds.certificates.request import sign

KIND = "CertificateSigningRequest"
APPROVED = {"type": "Approved", "status": "True"}
DENIED = {"type": "Denied", "status": "True"}
FAILED = {"type": "Failed", "status": "True"}
NODE = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "system:node:n1")])
_PEM = (
    x509.CertificateSigningRequestBuilder()
    .subject_name(NODE)
    .sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
    .public_bytes(serialization.Encoding.PEM)
)
REQUEST = base64.b64encode(_PEM).decode()
SPEC = {"request": REQUEST, "signerName": "example.com/a.b", "usages": ["client auth"]}


def test_a_sound_request(wrong):
    assert wrong(KIND, {"spec": {**SPEC, "expirationSeconds": 600}}, "any name/at all?") == []


LABEL = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-'"


@pytest.mark.parametrize(
    ("changes", "begins"),
    [
        ({"request": "eA=="}, 'spec.request: Invalid value: "eA==": PEM block type must be CERT'),
        ({"usages": []}, "spec.usages: Required value: usages must be provided"),
        ({"usages": ["fishing"]}, 'spec.usages[0]: Unsupported value: "fishing": supported val'),
        ({"usages": ["any", "any"]}, 'spec.usages[1]: Duplicate value: "any"'),
        ({"signerName": ""}, "spec.signerName: Required value: signerName must be provided"),
        ({"signerName": "kubernetes.io/legacy-unknown"},
         'spec.signerName: Invalid value: "kubernetes.io/legacy-unknown": the legacy signerName'),
        ({"signerName": "example.com"},
         'spec.signerName: Invalid value: "example.com": must be a fully qualified domain and'),
        ({"signerName": "example.com/a/b"},
         'spec.signerName: Invalid value: "example.com/a/b": must be a fully qualified domain'),
        ({"signerName": "example/a"},
         'spec.signerName: Invalid value: "example": should be a domain with at least two'),
        ({"signerName": "Example.com/a"},
         f'spec.signerName: Invalid value: "Example.com": validating label "Example": {LABEL}'),
        ({"expirationSeconds": 599},
         "spec.expirationSeconds: Invalid value: 599: may not specify a duration less than 600 s"),
    ],
)  # fmt: skip
def test_wrong_requests(wrong, changes, begins):
    found = wrong(KIND, {"spec": {**SPEC, **changes}})
    assert len(found) == 1
    assert found[0].startswith(begins)


def test_a_request_that_somebody_else_signed_is_none(wrong):
    der = bytearray(base64.b64decode(b"".join(_PEM.splitlines()[1:-1])))
    der[-1] ^= 1
    text = base64.encodebytes(der).decode()
    pem = f"-----BEGIN CERTIFICATE REQUEST-----\n{text}-----END CERTIFICATE REQUEST-----\n"
    [message] = wrong(KIND, {"spec": {**SPEC, "request": base64.b64encode(pem.encode()).decode()}})
    assert message.startswith("spec.request: Invalid value:")
    assert "x509: " in message


def test_who_asks_is_said_by_the_server():
    request = {"spec": {**SPEC, "username": "root", "uid": "0", "groups": ["system:masters"]}}
    sign(request, User("eve", ("a", "b"), extra=(("k", "v"),)))
    assert request["spec"] == {
        **SPEC,
        "username": "eve",
        "groups": ["a", "b"],
        "extra": {"k": ["v"]},
    }


@pytest.fixture
def old(made):
    return made(KIND, {"spec": SPEC, "status": {"conditions": [APPROVED]}})


def changed(request, **status):
    return {**copy.deepcopy(request), "status": status}


def test_a_plain_update_changes_metadata_alone(old, update):
    assert old["status"] == {}
    new = changed(old, conditions=[APPROVED], certificate="x")
    new["spec"] = {}
    assert update(KIND, new, old) == []
    assert new == old


def test_the_approver_writes_conditions_and_nothing_else(old, update):
    new = changed(old, conditions=[{**APPROVED, "lastUpdateTime": "T"}], certificate="x")
    assert update(KIND, new, old, subresource="approval") == []
    assert new["status"] == {
        "conditions": [{**APPROVED, "lastUpdateTime": "T", "lastTransitionTime": "T"}]
    }
    again = changed(new, conditions=[])
    assert update(KIND, again, new, subresource="approval") == [
        'status.conditions: Forbidden: updates may not remove a condition of type "Approved"'
    ]


@pytest.mark.parametrize(
    ("conditions", "messages"),
    [
        ([APPROVED, DENIED], ['[1].type: Invalid value: "Denied": Approved and Denied conditions '
                              "are mutually exclusive"]),
        ([APPROVED, APPROVED], ['[1].type: Duplicate value: "Approved"']),
        ([{**DENIED, "status": "False"}], ['[0].status: Unsupported value: "False": supported '
                                           'values: "True"']),
        ([{"type": "Other"}], ["[0].status: Required value"]),
        ([{"status": "True"}], ["[0].type: Required value"]),
        ([{"type": "Other", "status": "Unknown"}], []),
    ],
)  # fmt: skip
def test_conditions(old, update, conditions, messages):
    found = update(KIND, changed(old, conditions=conditions), old, subresource="approval")
    assert found == [f"status.conditions{message}" for message in messages]


def test_the_signer_may_not_approve(old, update):
    new = changed(old, conditions=[APPROVED, FAILED])
    assert update(KIND, new, old, status=True) == [
        'status.conditions: Forbidden: updates may not add a condition of type "Approved"'
    ]


def test_the_signer_writes_one_certificate(old, update):
    approved = changed(old, conditions=[APPROVED])
    wrong = changed(approved, conditions=[APPROVED, FAILED], certificate="eA==")
    assert update(KIND, wrong, approved, status=True) == [
        'status.certificate: Invalid value: "<certificate data>": '
        "must contain at least one CERTIFICATE PEM block"
    ]
    other = changed(approved, conditions=[APPROVED], certificate=REQUEST)
    assert update(KIND, other, approved, status=True) == [
        'status.certificate: Invalid value: "<certificate data>": '
        'only CERTIFICATE PEM blocks are allowed, found "CERTIFICATE REQUEST"'
    ]
    other["status"]["certificate"] = ""
    issued = changed(approved, conditions=[APPROVED], certificate="eA==")
    assert (
        "status.certificate: Forbidden: updates may not modify existing certificate content"
        in update(KIND, other, issued, status=True)
    )


@pytest.mark.parametrize(
    ("status", "shown"),
    [
        ({}, "Pending"),
        ({"conditions": [APPROVED]}, "Approved"),
        ({"conditions": [APPROVED, FAILED]}, "Approved,Failed"),
        ({"conditions": [APPROVED], "certificate": "eA=="}, "Approved,Issued"),
        ({"conditions": [DENIED]}, "Denied"),
    ],
)
def test_row(kind_of, made, status, shown):
    request = made(KIND, {"spec": {**SPEC, "expirationSeconds": 86400}})
    request["status"] = status
    row = kind_of(KIND)
    assert row.cells(request, 1767323045) == ("web", "0s", "example.com/a.b", "", "24h", shown)
    assert row.fields(request) == {"spec.signerName": "example.com/a.b"}
