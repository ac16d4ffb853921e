"""A definition without its schemas, which may be a thousand times as large as the rest.

Decoding passes over them, so that every definition of a group may be looked at whenever one of them
changes.
"""

from __future__ import annotations

import msgspec

from controlplane.apiserver.stored import StoredObject
from kubeapi.objects import Object


class _Version(msgspec.Struct, omit_defaults=True, rename="camel"):
    name: str
    served: bool = False
    storage: bool = False
    deprecated: bool = False
    deprecation_warning: str | None = None
    subresources: Object | None = None
    additional_printer_columns: list[Object] | None = None
    selectable_fields: list[Object] | None = None


class _Spec(msgspec.Struct, omit_defaults=True):
    group: str
    scope: str
    names: Object
    versions: list[_Version]
    conversion: Object | None = None


class _Head(msgspec.Struct, omit_defaults=True):
    metadata: Object
    spec: _Spec
    status: Object | None = None


_decode = msgspec.msgpack.Decoder(_Head).decode


def head_of(stored: StoredObject) -> Object:
    """Return the definition without schemas; it is the caller's to change."""
    head: Object = msgspec.to_builtins(_decode(stored.raw))
    return head
