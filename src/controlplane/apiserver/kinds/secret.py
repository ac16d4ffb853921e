"""Secrets: octets in base64 with a type that says which keys must be there."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from controlplane.apiserver.kinds import cells, metadata
from controlplane.apiserver.kinds.configmap import DATA_MAX, frozen_changes
from controlplane.apiserver.kinds.kind import Cell, Column, Kind
from controlplane.legacy_token import ACCOUNT_NAME, SECRET_TYPE
from kubeapi import field, validation
from kubeapi.objects import Object, annotations_of, name_of
from kubeapi.resources import SECRETS
from kubeapi.status import Cause

#: What a secret of a well-known type must hold.
_REQUIRED_KEYS: Final[Mapping[str, Sequence[str]]] = {
    "kubernetes.io/dockercfg": (".dockercfg",),
    "kubernetes.io/dockerconfigjson": (".dockerconfigjson",),
    "kubernetes.io/ssh-auth": ("ssh-privatekey",),
    "kubernetes.io/tls": ("tls.crt", "tls.key"),
}
_BASIC_AUTH: Final = "kubernetes.io/basic-auth"


def default(secret: Object) -> None:
    """Fold the write-only `stringData` into `data`; be Opaque when no type is given."""
    texts: Mapping[str, str] = secret.pop("stringData", None) or {}
    if texts:
        encoded = {key: base64.b64encode(text.encode()).decode() for key, text in texts.items()}
        secret["data"] = {**(secret.get("data") or {}), **encoded}
    if not secret.get("type"):
        secret["type"] = "Opaque"


def validate(secret: Object) -> list[Cause]:
    data: Mapping[str, str] = secret.get("data") or {}
    causes = metadata.validate(secret, validation.dns1123_subdomain)
    size = 0
    for key, text in data.items():
        causes += validation.validate_name(key, f"data[{key}]", validation.config_map_key)
        try:
            size += len(base64.b64decode(text or "", validate=True))
        except ValueError:
            causes.append(field.invalid(f"data[{key}]", "<secret contents redacted>", "no base64"))
    if size > DATA_MAX:
        causes.append(field.too_long("data", DATA_MAX))
    return [*causes, *_missing(secret, data)]


def _missing(secret: Object, data: Mapping[str, str]) -> Iterator[Cause]:
    kind = secret.get("type", "")
    for key in _REQUIRED_KEYS.get(kind, ()):
        if key not in data:
            yield field.required(f"data[{key}]")
    if kind == SECRET_TYPE and not annotations_of(secret).get(ACCOUNT_NAME):
        yield field.required(f"metadata.annotations[{ACCOUNT_NAME}]")
    if kind == _BASIC_AUTH and not {"username", "password"} & data.keys():
        yield field.required("data[username]")
        yield field.required("data[password]")


def validate_update(new: Object, old: Object) -> list[Cause]:
    return [
        *metadata.validate_update(new, old),
        *metadata.immutable(new, old, "type", "type"),
        *frozen_changes(new, old, ("data",)),
    ]


def fields(secret: Object) -> Mapping[str, str]:
    return {"type": secret.get("type") or ""}


def row(secret: Object, now: float) -> Sequence[Cell]:
    count = len(secret.get("data") or {})
    return name_of(secret), secret.get("type", ""), count, cells.age(secret, now)


SECRET: Final = Kind(
    resource=SECRETS,
    singular="secret",
    default=default,
    validate=validate,
    validate_update=validate_update,
    fields=fields,
    columns=(
        cells.NAME,
        Column("Type", description="What the data is for."),
        Column("Data", "integer", description="Number of keys."),
        cells.AGE,
    ),
    cells=row,
)
