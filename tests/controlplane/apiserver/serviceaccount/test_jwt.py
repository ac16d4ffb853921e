"""Tokens are what the key signed, and nothing else is."""

from __future__ import annotations

import base64
import json

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from controlplane.apiserver.serviceaccount.jwt import TOKEN_OCTETS_MAX, InvalidToken, SigningKey

KEY = SigningKey(ec.generate_private_key(ec.SECP256R1()))
TOKEN = KEY.sign(b'{"sub":"me"}')


def encoded(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def test_what_is_signed_is_read_again():
    assert KEY.verify(TOKEN) == b'{"sub":"me"}'
    header = json.loads(base64.urlsafe_b64decode(TOKEN.split(".")[0] + "=="))
    assert header["alg"] == "ES256"
    assert len(header["kid"]) == 43


@pytest.mark.parametrize(
    "token",
    [
        "",
        "a.b",
        "a.b.c",
        "é.b.c",
        TOKEN[:-4] + "AAAA",
        TOKEN.replace(".", ".e30", 1),
        SigningKey(ec.generate_private_key(ec.SECP256R1())).sign(b"{}"),
        ".".join([encoded(b'{"alg":"none"}'), TOKEN.split(".")[1], ""]),
        ".".join([encoded(b'{"alg":"HS256"}'), *TOKEN.split(".")[1:]]),
        ".".join([TOKEN.split(".")[0], TOKEN.split(".")[1], encoded(b"\0" * 64)]),
        "A" * (TOKEN_OCTETS_MAX + 1),
    ],
)
def test_anything_else_is_refused(token):
    with pytest.raises(InvalidToken):
        KEY.verify(token)


@given(st.text(max_size=60), st.integers(0, len(TOKEN) - 1))
def test_no_text_escapes_as_another_error(text, at):
    for token in (text, TOKEN[:at] + text + TOKEN[at:]):
        try:
            KEY.verify(token)
        except InvalidToken:
            continue
        assert token.split(".")[1] == TOKEN.split(".")[1]


def test_only_p256_signs():
    other = ec.generate_private_key(ec.SECP384R1())
    pem = other.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    with pytest.raises(ValueError, match="P-256"):
        SigningKey.load(pem)
