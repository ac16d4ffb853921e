from __future__ import annotations

import pytest


def test_string_data_is_folded_into_data(made):
    secret = made("Secret", {"data": {"a": "eA==", "b": "eQ=="}, "stringData": {"b": "hello"}})
    assert secret["data"] == {"a": "eA==", "b": "aGVsbG8="}
    assert "stringData" not in secret
    assert secret["type"] == "Opaque"


@pytest.mark.parametrize(
    ("kind", "data", "causes"),
    [
        ("Opaque", {}, []),
        (
            "kubernetes.io/tls",
            {},
            ["data[tls.crt]: Required value", "data[tls.key]: Required value"],
        ),
        ("kubernetes.io/tls", {"tls.crt": "", "tls.key": ""}, []),
        (
            "kubernetes.io/service-account-token",
            {},
            ["metadata.annotations[kubernetes.io/service-account.name]: Required value"],
        ),
        (
            "kubernetes.io/basic-auth",
            {},
            ["data[username]: Required value", "data[password]: Required value"],
        ),
        ("kubernetes.io/basic-auth", {"username": ""}, []),
    ],
)
def test_each_type_has_its_keys(wrong, kind, data, causes):
    assert wrong("Secret", {"type": kind, "data": data}) == causes


def test_data_must_be_base64_and_is_never_shown(wrong):
    [cause] = wrong("Secret", {"data": {"a": "§§secret§§"}})
    assert cause.startswith("data[a]: Invalid value")
    assert "§" not in cause


def test_type_and_frozen_data_are_for_good(made, update):
    old = made("Secret", {"data": {"a": "eA=="}, "immutable": True})
    new = made("Secret", {"data": {"a": "eQ=="}, "immutable": True, "type": "example.com/x"})
    assert update("Secret", new, old) == [
        'type: Invalid value: "example.com/x": field is immutable',
        "data: Forbidden: field is immutable when `immutable` is set",
    ]


def test_row_and_fields(kind_of, made):
    secret = made("Secret", {"stringData": {"a": "1"}})
    assert kind_of("Secret").cells(secret, 1767323045) == ("web", "Opaque", 1, "0s")
    assert kind_of("Secret").fields(secret) == {"type": "Opaque"}


def test_secrets_have_a_bound(wrong):
    assert wrong("Secret", {"stringData": {"a": "x" * (1024 * 1024 + 1)}}) == [
        "data: Too long: may not be more than 1048576 bytes"
    ]
