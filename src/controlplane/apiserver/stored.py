"""An object as it is stored, and as it is sent: each form made once, when first needed.

What the store holds is msgpack without resourceVersion (a write cannot know its revision). What
clients get carries the revision; those octets are shared by every list and every watcher.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from componentbase.decoding import UNREADABLE
from controlplane.apiserver.kinds.kind import Kind
from kubeapi.objects import Object, labels_of, name_of, namespace_of

_encode_msgpack = msgspec.msgpack.Encoder().encode
_encode_json = msgspec.json.Encoder().encode
_decode = msgspec.msgpack.Decoder().decode


def encode(obj: Object) -> bytes:
    """Return what the store holds for *obj*; takes the resourceVersion out of it."""
    obj["metadata"].pop("resourceVersion", None)
    return _encode_msgpack(obj)


def is_readable(raw: bytes) -> bool:
    """Tell whether *raw* is what `encode` made of an object, not what somebody else wrote."""
    try:
        obj = _decode(raw)
        return isinstance(obj["metadata"]["name"], str)
    except (*UNREADABLE, TypeError, LookupError):
        return False


def _without_managers(obj: Object) -> Object:
    """Return *obj* as the cluster's own programs read it: who owns which field is not for them."""
    metadata = obj["metadata"]
    if "managedFields" not in metadata:
        return obj
    return {**obj, "metadata": {k: v for k, v in metadata.items() if k != "managedFields"}}


class StoredObject:
    """One version of one object. Nothing in it ever changes, the decoded form included."""

    __slots__ = ("_fields", "_json", "_msgpack", "_object", "key", "kind", "raw", "revision")

    def __init__(
        self, kind: Kind, key: str, raw: bytes, revision: int, obj: Object | None = None
    ) -> None:
        self.kind, self.key, self.raw, self.revision = kind, key, raw, revision
        self._object = obj
        self._json: bytes | None = None
        self._msgpack: bytes | None = None
        self._fields: Mapping[str, str] | None = None

    def written_at(self, revision: int) -> None:
        """Learn the revision of the write; once, before anybody else sees this."""
        assert self.revision == 0
        self.revision = revision
        if self._object is not None:
            self._object["metadata"]["resourceVersion"] = str(revision)

    def copy(self) -> Object:
        """Return the object for the caller to change."""
        obj: Object = _decode(self.raw)
        obj["metadata"]["resourceVersion"] = str(self.revision)
        return obj

    @property
    def object(self) -> Object:
        """Return the object; it is shared and must not be changed."""
        if self._object is None:
            self._object = self.copy()
        return self._object

    @property
    def json(self) -> bytes:
        if self._json is None:
            self._json = _encode_json(self.object)
        return self._json

    @property
    def msgpack(self) -> bytes:
        if self._msgpack is None:
            self._msgpack = _encode_msgpack(_without_managers(self.object))
        return self._msgpack

    @property
    def labels(self) -> Mapping[str, str]:
        return labels_of(self.object)

    def field(self, path: str) -> str:
        """Return a field as field selectors see it; what the kind does not know is empty."""
        if self._fields is None:
            obj = self.object
            self._fields = {
                "metadata.name": name_of(obj),
                "metadata.namespace": namespace_of(obj),
                **self.kind.fields(obj),
            }
        return self._fields.get(path, "")

    def at(self, revision: int) -> StoredObject:
        """Return the same object with another resourceVersion, as deletions are told."""
        return StoredObject(self.kind, self.key, self.raw, revision)

    def as_version(self, kind: Kind) -> StoredObject:
        """Return the same object in the version that *kind* is; made anew for each who asks."""
        return StoredObject(kind, self.key, b"", self.revision, kind.from_hub(self.copy()))

    def forget_forms(self) -> None:
        """Give back the memory of what can be made again; for versions that were replaced."""
        self._object = self._json = self._msgpack = self._fields = None
