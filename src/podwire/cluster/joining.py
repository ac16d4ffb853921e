"""Bootstrap tokens by which nodes join (upstream: kubeadm token create)."""

from __future__ import annotations

import secrets
import string
from typing import Final

from componentbase.clock import rfc3339
from kubeapi.objects import Object

NAMESPACE: Final = "kube-system"
_GROUP: Final = "system:bootstrappers:kubeadm:default-node-token"
_ALPHABET: Final = string.ascii_lowercase + string.digits
_LIFETIME_S: Final = 3600


def new_token() -> str:
    """Return a token that nobody can guess: an id, a dot, a secret."""
    return ".".join("".join(secrets.choice(_ALPHABET) for _ in range(n)) for n in (6, 16))


def secret_name(token: str) -> str:
    return f"bootstrap-token-{token.partition('.')[0]}"


def secret(token: str, now: float) -> Object:
    """Return the Secret that makes *token* one."""
    token_id, _, text = token.partition(".")
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": secret_name(token), "namespace": NAMESPACE},
        "type": "bootstrap.kubernetes.io/token",
        "stringData": {
            "description": "Of a node that joins by podwire node add.",
            "token-id": token_id,
            "token-secret": text,
            "expiration": rfc3339(now + _LIFETIME_S),
            "usage-bootstrap-authentication": "true",
            "auth-extra-groups": _GROUP,
        },
    }
