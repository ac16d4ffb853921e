"""What a Secret of an account lacks, and how it is filled (upstream: tokens_controller.go)."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from controlplane import legacy_token
from kubeapi.objects import (
    Object,
    annotations_of,
    deep_copy,
    make_key,
    name_of,
    namespace_of,
    uid_of,
)

#: Makes the token of an account in a Secret.
Sign = Callable[[Object, Object], str]


@dataclass(frozen=True, slots=True)
class Delete:
    """The account is gone: so must the Secret be."""


@dataclass(frozen=True, slots=True)
class Fill:
    """What the Secret lacks: its keys."""

    keys: tuple[str, ...]


def owner_of(secret: Object) -> str:
    """Return the key of the account that *secret* is for."""
    return make_key(namespace_of(secret), annotations_of(secret).get(legacy_token.ACCOUNT_NAME, ""))


def is_owner(account: Object | None, secret: Object) -> bool:
    """Tell whether *account* is there, and the one that *secret* is for."""
    uid = annotations_of(secret).get(legacy_token.ACCOUNT_UID, "")
    return account is not None and uid in ("", uid_of(account))


def plan(secret: Object, account: Object | None, root_ca: str) -> Delete | Fill | None:
    """Return what is to be done about *secret*, whose account may be None."""
    if not is_owner(account, secret):
        return Delete()
    lacking = tuple(_lacking(secret.get("data") or {}, root_ca))
    return Fill(lacking) if lacking else None


def _lacking(data: Object, root_ca: str) -> Iterator[str]:
    if root_ca and data.get(legacy_token.ROOT_CA) != _encoded(root_ca):
        yield legacy_token.ROOT_CA
    for key in (legacy_token.NAMESPACE, legacy_token.TOKEN):
        if not data.get(key):
            yield key


def filled(secret: Object, account: Object, lacking: Fill, root_ca: str, sign: Sign) -> Object:
    """Return *secret* with what it lacks."""
    new = deep_copy(secret)
    made = {
        legacy_token.ROOT_CA: lambda: root_ca,
        legacy_token.NAMESPACE: lambda: namespace_of(secret),
        legacy_token.TOKEN: lambda: sign(account, secret),
    }
    data = {key: _encoded(made[key]()) for key in lacking.keys}
    new["data"] = {**(secret.get("data") or {}), **data}
    new["metadata"]["annotations"] = {
        **annotations_of(secret),
        legacy_token.ACCOUNT_NAME: name_of(account),
        legacy_token.ACCOUNT_UID: uid_of(account),
    }
    return new


def without_reference(account: Object, secret: str) -> Object | None:
    """Return *account* without its reference to *secret*; None where it has none."""
    known = account.get("secrets") or []
    kept = [each for each in known if each.get("name") != secret]
    return None if len(kept) == len(known) else {**account, "secrets": kept}


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def signer(key_file: str) -> Sign:
    """Return who signs with the key in a file, which is read when the first token is made."""

    def sign(account: Object, secret: Object) -> str:
        from controlplane.jwt import SigningKey

        key = SigningKey.load(Path(key_file).read_bytes())
        return key.sign(msgspec.json.encode(legacy_token.claims_of(account, secret)))

    return sign
