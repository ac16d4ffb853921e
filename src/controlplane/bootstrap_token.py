"""Bootstrap tokens: Secrets in kube-system by which a machine may join (upstream:
cluster-bootstrap/token, bootstrap-token authentication).

The token is ID.SECRET, six and sixteen letters or digits; the Secret is `bootstrap-token-ID`.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import re
from typing import Final

from componentbase.clock import parse_rfc3339
from kubeapi.objects import Object, is_being_deleted, name_of

SECRET_TYPE: Final = "bootstrap.kubernetes.io/token"
NAMESPACE: Final = "kube-system"
NAME_PREFIX: Final = "bootstrap-token-"
USER_PREFIX: Final = "system:bootstrap:"
GROUP: Final = "system:bootstrappers"
_TOKEN: Final = re.compile(r"([a-z0-9]{6})\.([a-z0-9]{16})")
_EXTRA_GROUP: Final = re.compile(r"system:bootstrappers:[a-z0-9:-]{0,255}[a-z0-9]")


def split(token: str) -> tuple[str, str] | None:
    """Return the ID and the secret of a token; None for what is none."""
    found = _TOKEN.fullmatch(token)
    return None if found is None else (found[1], found[2])


def _data(secret: Object, key: str) -> str:
    text = (secret.get("data") or {}).get(key) or ""
    try:
        return base64.b64decode(text, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return ""


def expires_at(secret: Object) -> float | None:
    """Return when the token expires, in Unix seconds: 0 when that cannot be read, None: never."""
    text = _data(secret, "expiration")
    if not text:
        return None
    try:
        return parse_rfc3339(text)
    except ValueError:
        return 0.0


def signing_key(secret: Object, now: float) -> tuple[str, str] | None:
    """Return ID and secret of a token that cluster-info is signed by; None for any other."""
    token_id, text = _data(secret, "token-id"), _data(secret, "token-secret")
    ends = expires_at(secret)
    if (
        secret.get("type") != SECRET_TYPE
        or is_being_deleted(secret)
        or name_of(secret) != NAME_PREFIX + token_id
        or split(f"{token_id}.{text}") is None
        or (ends is not None and now > ends)
        or _data(secret, "usage-bootstrap-signing") != "true"
    ):
        return None
    return token_id, text


def groups_of(secret: Object, token_id: str, shown: str, now: float) -> tuple[str, ...] | None:
    """Return the groups of who shows the secret *shown* of *token_id*; None when it is nobody."""
    known = _data(secret, "token-secret")
    ends = expires_at(secret)
    if (
        secret.get("type") != SECRET_TYPE
        or is_being_deleted(secret)
        or name_of(secret) != NAME_PREFIX + token_id
        or _data(secret, "token-id") != token_id
        or not hmac.compare_digest(known.encode(), shown.encode())
        or (ends is not None and now > ends)
        or _data(secret, "usage-bootstrap-authentication") != "true"
    ):
        return None
    more = [each for each in _data(secret, "auth-extra-groups").split(",") if each]
    if not all(_EXTRA_GROUP.fullmatch(group) for group in more):
        return None
    return (GROUP, *dict.fromkeys(more))
