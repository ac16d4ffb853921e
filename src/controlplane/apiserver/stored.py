"""An object as it is stored, and as it is sent: each form made once, when first needed.

What the store holds is msgpack without resourceVersion (a write cannot know its revision). What
clients get carries the revision; those octets are shared by every list and every watcher.

Decoded, an object takes eight times its octets. So only those that were decoded last stay decoded,
and questions about labels and metadata alone read no more of the octets than these.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Final

import msgspec

from componentbase.decoding import UNREADABLE
from controlplane.apiserver.kinds.kind import Kind
from kubeapi.objects import Object, labels_of, name_of, namespace_of

_encode_msgpack = msgspec.msgpack.Encoder().encode
_encode_json = msgspec.json.Encoder().encode
_decode = msgspec.msgpack.Decoder().decode

#: What the objects that stay decoded may weigh, as they are stored.
DECODED_OCTETS_MAX: Final = 2 << 20


class _Labels(msgspec.Struct):
    labels: dict[str, str] | None = None


class _Labelled(msgspec.Struct):
    metadata: _Labels


class _Head(msgspec.Struct):
    metadata: Object


_decode_labels = msgspec.msgpack.Decoder(_Labelled).decode
_decode_head = msgspec.msgpack.Decoder(_Head).decode
_NO_LABELS: Final[Mapping[str, str]] = {}


class _Decoded:
    """Those objects that are held decoded, the longest held first."""

    def __init__(self) -> None:
        self._held: deque[StoredObject] = deque()
        self._octets = 0

    def note(self, stored: StoredObject) -> None:
        """Hold *stored*, which was decoded just now; others lose their decoded form for it."""
        self._held.append(stored)
        self._octets += len(stored.raw)
        while self._octets > DECODED_OCTETS_MAX and len(self._held) > 1:
            oldest = self._held.popleft()
            self._octets -= len(oldest.raw)
            oldest.forget_object()


_decoded = _Decoded()


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

    __slots__ = (
        "_fields",
        "_json",
        "_labels",
        "_msgpack",
        "_object",
        "key",
        "kind",
        "raw",
        "revision",
    )

    def __init__(
        self, kind: Kind, key: str, raw: bytes, revision: int, obj: Object | None = None
    ) -> None:
        self.kind, self.key, self.raw, self.revision = kind, key, raw, revision
        self._object = obj
        self._json: bytes | None = None
        self._msgpack: bytes | None = None
        self._labels: Mapping[str, str] | None = None
        self._fields: Mapping[str, str] | None = None
        if obj is not None and raw:
            _decoded.note(self)

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
        if self.kind.on_read is not None:
            self.kind.on_read(obj)
        return obj

    @property
    def object(self) -> Object:
        """Return the object; it is shared and must not be changed."""
        obj = self._object
        if obj is None:
            obj = self._object = self.copy()
            _decoded.note(self)
        return obj

    def peek(self) -> Object:
        """Return the object for one look; decoded for that, it is not kept, as `object` would."""
        return self.copy() if self._object is None else self._object

    @property
    def metadata(self) -> Object:
        """Return metadata alone; it must not be changed."""
        if self._object is not None or not self.raw:
            found: Object = self.object["metadata"]
            return found
        metadata = _decode_head(self.raw).metadata
        metadata["resourceVersion"] = str(self.revision)
        return metadata

    @property
    def json(self) -> bytes:
        if self._json is None:
            self._json = _encode_json(self.peek())
        return self._json

    @property
    def msgpack(self) -> bytes:
        if self._msgpack is None:
            self._msgpack = _encode_msgpack(_without_managers(self.peek()))
        return self._msgpack

    @property
    def labels(self) -> Mapping[str, str]:
        if self._labels is None:
            if self._object is not None:
                self._labels = labels_of(self._object)
            else:
                self._labels = _decode_labels(self.raw).metadata.labels or _NO_LABELS
        return self._labels

    def field(self, path: str) -> str:
        """Return a field as field selectors see it; what the kind does not know is empty."""
        if self._fields is None:
            obj = self.peek()
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

    def forget_object(self) -> None:
        """Give back the memory of the decoded form; an object without octets has no other."""
        if self.raw:
            self._object = None

    def forget_forms(self) -> None:
        """Give back the memory of what can be made again; for versions that were replaced."""
        self._object = self._json = self._msgpack = self._labels = self._fields = None
