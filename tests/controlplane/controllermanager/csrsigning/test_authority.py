"""Certificates as the cluster's authority makes them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from signing_requests import CLIENT_USAGES, SERVING_USAGES, request_pem, signing_request

from controlplane.controllermanager.csrsigning.authority import YEAR_S, Authority, duration_s
from controlplane.controllermanager.csrsigning.request import KUBELET_SERVING, read
from podwire.cluster import pki

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def authority(tmp_path):
    pair = pki.Authority.new("ca", NOW).pair
    pki.write_pair(pair, tmp_path / "ca.crt", tmp_path / "ca.key")
    return Authority(str(tmp_path / "ca.crt"), str(tmp_path / "ca.key"))


def test_a_certificate_is_for_who_asked(authority):
    pem, _ = request_pem(names=("dns", "ip"))
    asked = read(signing_request("r", KUBELET_SERVING, pem=pem))
    signed = authority.sign(asked, SERVING_USAGES, 3600, NOW.timestamp())
    made = x509.load_pem_x509_certificate(signed)
    issuer = x509.load_pem_x509_certificate(pki.Path(authority._certificate).read_bytes())
    made.verify_directly_issued_by(issuer)
    assert made.subject == asked.request.subject
    assert made.not_valid_before_utc == NOW - timedelta(minutes=5)
    assert made.not_valid_after_utc == NOW + timedelta(hours=1)
    usage = made.extensions.get_extension_for_class(x509.KeyUsage).value
    assert (usage.digital_signature, usage.key_encipherment) == (True, False)
    extended = made.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert [oid._name for oid in extended] == ["serverAuth"]
    names = made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["node-7"]
    assert not made.extensions.get_extension_for_class(x509.BasicConstraints).value.ca


def test_no_certificate_outlives_the_authority(authority):
    asked = read(signing_request("r", "x"))
    late = NOW + timedelta(days=3649)
    signed = authority.sign(asked, CLIENT_USAGES, YEAR_S, late.timestamp())
    made = x509.load_pem_x509_certificate(signed)
    assert made.not_valid_after_utc == NOW + timedelta(days=3650)


def test_without_files_nobody_signs(tmp_path):
    assert not Authority("", "").can_sign
    with pytest.raises(OSError, match="none"):
        Authority(str(tmp_path / "none"), "x").sign(
            read(signing_request("r", "x")), CLIENT_USAGES, 600, 0.0
        )


@pytest.mark.parametrize(
    ("asked_s", "lasts_s"), [(None, YEAR_S), (60, 600), (3600, 3600), (10 * YEAR_S, YEAR_S)]
)
def test_how_long_it_lasts(asked_s, lasts_s):
    assert duration_s(asked_s) == lasts_s
