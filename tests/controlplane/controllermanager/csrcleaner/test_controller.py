"""When a request has had its time (upstream: cleaner_test.go)."""

from __future__ import annotations

import base64
from datetime import UTC, datetime

import pytest
from cryptography import x509

from componentbase.clock import rfc3339
from controlplane.controllermanager.csrcleaner.controller import has_ended, is_past
from podwire.cluster import pki

NOW = 1_700_000_000.0
HOUR = 3600.0
CERTIFICATE = base64.b64encode(b"not looked into").decode()


def request_of(created_ago, kind="", decided_ago=0.0, certificate=""):
    decided = {"type": kind, "lastUpdateTime": rfc3339(NOW - decided_ago)}
    status = {"conditions": [decided] if kind else [], "certificate": certificate}
    return {"metadata": {"creationTimestamp": rfc3339(NOW - created_ago)}, "status": status}


#: TestCleanerWithApprovedExpiredCSR, case by case.
@pytest.mark.parametrize(
    ("request_", "past"),
    [
        (request_of(HOUR), False),
        (request_of(25 * HOUR), True),
        (request_of(25 * HOUR, "Approved", HOUR / 2, CERTIFICATE), False),
        (request_of(25 * HOUR, "Approved", 2 * HOUR), False),
        (request_of(2 * HOUR, "Approved", 2 * HOUR, CERTIFICATE), True),
        (request_of(2 * HOUR, "Denied", HOUR / 2), False),
        (request_of(2 * HOUR, "Denied", 2 * HOUR), True),
        (request_of(2 * HOUR, "Failed", HOUR / 2), False),
        (request_of(2 * HOUR, "Failed", 2 * HOUR), True),
    ],
    ids=[
        "open",
        "open for long",
        "issued",
        "approved for long, not issued",
        "issued for long",
        "denied",
        "denied for long",
        "failed",
        "failed for long",
    ],
)
def test_is_past(request_, past):
    assert is_past(request_, NOW) is past


def test_who_has_a_certificate_that_has_ended_needs_the_request_no_more():
    pem = pki.Authority.new("ca", datetime.fromtimestamp(NOW, UTC)).pair.certificate
    ends = x509.load_pem_x509_certificate(pem).not_valid_after_utc.timestamp()
    certificate = base64.b64encode(pem).decode()
    for now, past in ((ends - 1, False), (ends + 1, True)):
        since = {"type": "Approved", "lastUpdateTime": rfc3339(now - 60)}
        status = {"conditions": [since], "certificate": certificate}
        assert is_past({"metadata": {}, "status": status}, now) is past
    assert not has_ended(CERTIFICATE, NOW)
    assert not has_ended("no base64", NOW)
