from __future__ import annotations

import copy

import pytest

APPROVED = {"type": "Approved", "status": "True"}
FAILED = {"type": "Failed", "status": "True"}
SPEC = {"request": "", "signerName": "example.com/a", "usages": ["client auth"]}


def test_each_writer_has_a_part(kind_of, made):
    row = kind_of("CertificateSigningRequest")
    old = made("CertificateSigningRequest", {"spec": SPEC, "status": {"certificate": "x"}})
    assert old["status"] == {}
    new = copy.deepcopy(old)
    new["spec"], new["status"] = {}, {"certificate": "eA==", "conditions": [APPROVED, FAILED]}
    approved, signed, updated = (copy.deepcopy(new) for _ in range(3))
    row.prepare_update(updated, old)
    assert updated == old
    row.strategies["approval"].prepare(approved, old)
    assert approved["spec"] == SPEC
    assert approved["status"] == {"conditions": [APPROVED, FAILED]}
    row.prepare_status_update(signed, approved)
    assert signed["status"] == {"certificate": "eA==", "conditions": [APPROVED, FAILED]}
    row.prepare_status_update(new, old)
    assert new["status"] == {"certificate": "eA==", "conditions": [FAILED]}


@pytest.mark.parametrize(
    ("status", "shown"),
    [
        ({}, "Pending"),
        ({"conditions": [APPROVED]}, "Approved"),
        ({"conditions": [APPROVED, FAILED]}, "Approved,Failed"),
        ({"conditions": [APPROVED], "certificate": "eA=="}, "Approved,Issued"),
        ({"conditions": [{"type": "Denied"}]}, "Denied"),
    ],
)
def test_row(kind_of, made, status, shown):
    request = made("CertificateSigningRequest", {"spec": {**SPEC, "expirationSeconds": 86400}})
    request["status"] = status
    row = kind_of("CertificateSigningRequest")
    assert row.cells(request, 1767323045) == ("web", "0s", "example.com/a", "", "24h", shown)
    assert row.fields(request) == {"spec.signerName": "example.com/a"}
