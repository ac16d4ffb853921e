"""JSON Web Tokens, signed with one key (RFC 7515 compact form, RFC 7518 ES256).

Upstream signs with RSA or ECDSA, whatever key it is given; ours are P-256, made in no time. What
is not a token of this key, whatever else it may be, is an InvalidToken: whether it was never one,
or belongs to another cluster, is no business of who sent it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import Final

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils

from componentbase.decoding import UNREADABLE

#: Tokens are some hundred octets; nobody needs to hash megabytes for a stranger.
TOKEN_OCTETS_MAX: Final = 16 * 1024
_ALGORITHM: Final = "ES256"
_HALF: Final = 32  # Octets of each of the two numbers that an ES256 signature is.
_ECDSA: Final = ec.ECDSA(hashes.SHA256())


class InvalidToken(Exception):
    """What was shown is no token that we issued, or one that no longer counts.

    `is_about_objects`: an object that it names is not there, or another; a newer look may tell.
    """

    is_about_objects = False


class BoundObjectGone(InvalidToken):
    """The token is ours, and what it is bound to is gone."""

    is_about_objects = True


class _Header(msgspec.Struct, frozen=True):
    alg: str
    kid: str = ""


class SigningKey:
    """A private key, and its public half to verify with."""

    def __init__(self, key: ec.EllipticCurvePrivateKey) -> None:
        self._key, self._public = key, key.public_key()
        der = self._public.public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        self._id = _encode(hashlib.sha256(der).digest())
        header = {"alg": _ALGORITHM, "kid": self._id}
        self._header = _encode(msgspec.json.encode(header))

    @classmethod
    def load(cls, pem: bytes) -> SigningKey:
        """Read a key of P-256; raises ValueError."""
        key = serialization.load_pem_private_key(pem, password=None)
        if not isinstance(key, ec.EllipticCurvePrivateKey) or key.curve.name != "secp256r1":
            raise ValueError("the key that signs tokens must be one of the curve P-256")
        return cls(key)

    def web_key(self) -> dict[str, str]:
        """Return the public half as a JSON Web Key (RFC 7517)."""
        numbers = self._public.public_numbers()
        x, y = (_encode(n.to_bytes(_HALF, "big")) for n in (numbers.x, numbers.y))
        head = {"use": "sig", "kty": "EC", "kid": self._id, "crv": "P-256", "alg": _ALGORITHM}
        return {**head, "x": x, "y": y}

    def sign(self, claims: bytes) -> str:
        """Return a token that says *claims*, which are JSON."""
        signed = f"{self._header}.{_encode(claims)}"
        r, s = utils.decode_dss_signature(self._key.sign(signed.encode(), _ECDSA))
        return f"{signed}.{_encode(r.to_bytes(_HALF, 'big') + s.to_bytes(_HALF, 'big'))}"

    def verify(self, token: str) -> bytes:
        """Return the claims of a token that this key signed; raises InvalidToken."""
        parts = token.split(".")
        if len(token) > TOKEN_OCTETS_MAX or len(parts) != 3 or not token.isascii():
            raise InvalidToken("this is no signed token")
        try:
            header = msgspec.json.decode(_decode(parts[0]), type=_Header)
        except UNREADABLE:
            raise InvalidToken("the token's header is none") from None
        signature = _decode(parts[2])
        if header.alg != _ALGORITHM or len(signature) != 2 * _HALF:
            raise InvalidToken("the token is signed in another way")
        r, s = int.from_bytes(signature[:_HALF], "big"), int.from_bytes(signature[_HALF:], "big")
        signed = f"{parts[0]}.{parts[1]}".encode()
        try:
            self._public.verify(utils.encode_dss_signature(r, s), signed, _ECDSA)
        except InvalidSignature:
            raise InvalidToken("the signature is wrong") from None
        return _decode(parts[1])


def _encode(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except binascii.Error:
        raise InvalidToken("the token is not base64") from None
