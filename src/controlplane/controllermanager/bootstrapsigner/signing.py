"""What is signed, and how: a JWS without its payload (RFC 7515, Appendix F; bootstrap/jws.go).

Who has a token can check the cluster's address and authority before it trusts them.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Final

PREFIX: Final = "jws-kubeconfig-"
KUBECONFIG: Final = "kubeconfig"


def _encoded(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def signature(content: str, token_id: str, secret: str) -> str:
    """Return the signature of *content* by a token."""
    header = json.dumps({"alg": "HS256", "kid": token_id}, separators=(",", ":"))
    protected = _encoded(header.encode())
    signed = f"{protected}.{_encoded(content.encode())}"
    digest = hmac.new(secret.encode(), signed.encode(), hashlib.sha256).digest()
    return f"{protected}..{_encoded(digest)}"


def signed(data: Mapping[str, str], keys: Mapping[str, str]) -> dict[str, str]:
    """Return the data of cluster-info signed by *keys* (secrets by id) and no others."""
    content = data.get(KUBECONFIG) or ""
    kept = {name: text for name, text in data.items() if not name.startswith(PREFIX)}
    if not content:
        return kept
    made = {PREFIX + each: signature(content, each, text) for each, text in keys.items()}
    return {**kept, **made}
