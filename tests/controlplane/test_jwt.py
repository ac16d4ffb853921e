"""Tokens are what the key signed, and nothing else is."""

from __future__ import annotations

import base64
import json

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from controlplane.jwt import TOKEN_OCTETS_MAX, InvalidToken, SigningKey

KEY = SigningKey(ec.generate_private_key(ec.SECP256R1()))
TOKEN = KEY.sign(b'{"sub":"me"}')


def encoded(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def test_what_is_signed_is_read_again():
    assert KEY.verify(TOKEN) == b'{"sub":"me"}'
    header = json.loads(base64.urlsafe_b64decode(TOKEN.split(".")[0] + "=="))
    assert header["alg"] == "ES256"
    assert len(header["kid"]) == 43


# Named, since the tokens differ from run to run and several workers must name one test alike.
@pytest.mark.parametrize(
    "token",
    [
        pytest.param("", id="empty"),
        pytest.param("a.b", id="two parts"),
        pytest.param("a.b.c", id="no base64"),
        pytest.param("é.b.c", id="no ASCII"),
        pytest.param(TOKEN[:-4] + "AAAA", id="another signature"),
        pytest.param(TOKEN.replace(".", ".e30", 1), id="another payload"),
        pytest.param(
            SigningKey(ec.generate_private_key(ec.SECP256R1())).sign(b"{}"), id="another key"
        ),
        pytest.param(
            ".".join([encoded(b'{"alg":"none"}'), TOKEN.split(".")[1], ""]), id="no algorithm"
        ),
        pytest.param(
            ".".join([encoded(b'{"alg":"HS256"}'), *TOKEN.split(".")[1:]]), id="a shared secret"
        ),
        pytest.param(
            ".".join([TOKEN.split(".")[0], TOKEN.split(".")[1], encoded(b"\0" * 64)]), id="zeros"
        ),
        pytest.param(".".join([encoded(b'{"alg":"\xff"}'), *TOKEN.split(".")[1:]]), id="no UTF-8"),
        pytest.param("A" * (TOKEN_OCTETS_MAX + 1), id="too long"),
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
