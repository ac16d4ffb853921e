"""Objects, lists and watch events as octets, in the form that was negotiated.

Plain objects come from the octets that every StoredObject keeps; lists and watch frames only
join them. Tables and partial metadata are made for each request.
"""

from __future__ import annotations

import base64
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import msgspec
import yaml

from componentbase.clock import Clock
from controlplane.apiserver import table
from controlplane.apiserver.conversion import ConversionNeeded
from controlplane.apiserver.decoding import JSON, MSGPACK, YAML
from controlplane.apiserver.exchange import Answer
from controlplane.apiserver.kinds.kind import Kind
from controlplane.apiserver.negotiation import PARTIAL, PARTIAL_LIST, TABLE, Accepted
from controlplane.apiserver.registry.pages import Page
from controlplane.apiserver.stored import StoredObject
from kubeapi.objects import Object

_encode_json = msgspec.json.Encoder().encode
_encode_msgpack = msgspec.msgpack.Encoder().encode


def encode_as(media_type: str, obj: Object) -> bytes:
    """Return *obj* in one of the served media types."""
    if media_type == MSGPACK:
        return _encode_msgpack(obj)
    if media_type == YAML:
        return yaml.dump(obj, Dumper=yaml.CSafeDumper, sort_keys=False).encode()
    return _encode_json(obj)


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """The negotiated form of one request about one kind."""

    kind: Kind
    accepted: Accepted
    include: str = ""  # of a Table's rows
    wall: Clock  # for ages in Tables

    @property
    def is_of_its_own(self) -> bool:
        """Tell whether others must not get these octets: Tables have columns once, and ages."""
        return self.accepted.transformation == TABLE

    @property
    def name(self) -> str:
        """Return a text that is equal where octets are."""
        accepted, resource = self.accepted, self.kind.resource
        told = (accepted.media_type, accepted.transformation, accepted.version)
        return " ".join((*told, resource.api_version, resource.kind))

    def object(
        self, stored: StoredObject, *, status: int = 200, warnings: Sequence[str] = ()
    ) -> Answer:
        """Return one object."""
        return Answer(
            status=status,
            body=self._encode(stored),
            content_type=self.accepted.content_type,
            warnings=warnings,
        )

    def _seen(self, stored: StoredObject) -> StoredObject:
        """Return *stored* in the version that was asked for."""
        kind = self.kind
        return stored if kind.hub is None and not kind.is_converted else stored.as_version(kind)

    def _encode(self, stored: StoredObject, *, first: bool = True) -> bytes:
        stored = self._seen(stored)
        media_type = self.accepted.media_type
        match self.accepted.transformation:
            case "" if media_type == JSON:
                return stored.json
            case "" if media_type == MSGPACK:
                return stored.msgpack
            case "":
                return encode_as(media_type, stored.object)
            case str(wanted) if wanted == TABLE:
                metadata = {"resourceVersion": str(stored.revision)}
                return self._table([stored], metadata, first)
        return encode_as(media_type, self._partial(stored))

    def _partial(self, stored: StoredObject) -> Object:
        return table.partial_metadata(stored.metadata, self.accepted.version)

    def _table(self, items: Sequence[StoredObject], metadata: Object, first: bool) -> bytes:
        version = self.accepted.version
        head = table.head(self.kind, metadata, version=version, with_columns=first)
        now, include, encode = self.wall(), self.include, self._encode_one
        rows = [encode(table.row(self.kind, item, include, now)) for item in items]
        return self._join(head, "rows", rows)

    def _encode_one(self, obj: Object) -> bytes:
        """Return a part of a list for `_join`."""
        return encode_as(MSGPACK if self.accepted.media_type == MSGPACK else JSON, obj)

    def _join(self, head: Object, name: str, parts: Sequence[bytes]) -> bytes:
        """Return *head* with a list of *parts*, which are encoded: each is gone before the next."""
        if self.accepted.media_type == MSGPACK:
            return _join_msgpack(head, name, parts)
        joined = _join_json(head, name, parts)
        if self.accepted.media_type == YAML:
            return encode_as(YAML, msgspec.json.decode(joined))
        return joined

    def list(self, page: Page) -> Answer:
        """Return a list."""
        metadata: Object = {"resourceVersion": str(page.revision)}
        if page.continue_:
            metadata["continue"] = page.continue_
        if page.remaining is not None:
            metadata["remainingItemCount"] = page.remaining
        if self.kind.is_converted:
            self.check_converted(page.items)
        return Answer(
            body=self._encode_list(page, metadata), content_type=self.accepted.content_type
        )

    def check_converted(self, items: Iterable[StoredObject]) -> None:
        """Raise ConversionNeeded for all of *items* together whose conversions are not made."""
        needed: ConversionNeeded | None = None
        for item in items:
            try:
                self.kind.from_hub(item.copy())
            except ConversionNeeded as error:
                if needed is None:
                    needed = error
                else:
                    needed.objects += error.objects
        if needed is not None:
            raise needed

    def _encode_list(self, page: Page, metadata: Object) -> bytes:
        media_type, found = self.accepted.media_type, [self._seen(item) for item in page.items]
        if self.accepted.transformation == TABLE:
            return self._table(found, metadata, True)
        if self.accepted.transformation in (PARTIAL, PARTIAL_LIST):
            head = _list_head(PARTIAL_LIST, f"meta.k8s.io/{self.accepted.version}", metadata)
            partial, encode = self._partial, self._encode_one
            return self._join(head, "items", [encode(partial(item)) for item in found])
        resource = self.kind.resource
        head = _list_head(resource.list_kind, resource.api_version, metadata)
        if media_type == MSGPACK:
            return _join_msgpack(head, "items", [item.msgpack for item in found])
        if media_type == JSON and self.kind.is_custom:
            return _join_json(head, "items", [item.json for item in found])
        if media_type == JSON:
            prefix = _typed_head(resource.api_version, resource.kind)
            return _join_json(head, "items", [_without_type(item, prefix) for item in found])
        items = [item.object for item in found]
        if not self.kind.is_custom:
            items = [_untyped(item) for item in items]
        return encode_as(media_type, {**head, "items": items})

    def frame(self, type: str, stored: StoredObject, *, first: bool) -> bytes:
        """Return one event of a watch; the *first* of a Table watch brings the columns."""
        return self._frame(type, self._encode(stored, first=first))

    def frame_object(self, type: str, obj: Object) -> bytes:
        """Return an event about something that is not stored: a bookmark, an error."""
        return self._frame(type, encode_as(self.accepted.media_type, obj))

    def _frame(self, type: str, body: bytes) -> bytes:
        if self.accepted.media_type == MSGPACK:
            return _FRAME_HEAD[type] + body
        return b'{"type":"%s","object":%s}\n' % (type.encode(), body)

    def bookmark(self, revision: int, *, initial_events_end: bool = False) -> bytes:
        """Return a BOOKMARK event."""
        metadata: Object = {"resourceVersion": str(revision)}
        if initial_events_end:
            metadata["annotations"] = {
                "k8s.io/initial-events-end": "true",
                "kubernetes.io/initial-events-list-blueprint": self._blueprint(),
            }
        resource = self.kind.resource
        obj: Object = {
            "kind": resource.kind,
            "apiVersion": resource.api_version,
            "metadata": metadata,
        }
        if self.accepted.transformation == TABLE:
            # A table without rows could not carry the annotation: one row does.
            row = {"cells": [], "object": table.partial_metadata(metadata)}
            head = table.head(self.kind, {"resourceVersion": str(revision)}, with_columns=False)
            obj = {**head, "rows": [row]}
        elif self.accepted.transformation:
            obj = table.partial_metadata(metadata, self.accepted.version)
        return self.frame_object("BOOKMARK", obj)

    def _blueprint(self) -> str:
        """Return the list that the initial events are of, empty: clients put them into it."""
        resource = self.kind.resource
        head = _list_head(resource.list_kind, resource.api_version, {})
        if self.accepted.transformation == PARTIAL:
            head = _list_head(PARTIAL_LIST, f"meta.k8s.io/{self.accepted.version}", {})
        items: list[Object] | None = [] if self.kind.is_custom else None
        blueprint = encode_as(self.accepted.media_type, {**head, "items": items})
        return base64.b64encode(blueprint).decode()


def _list_head(kind: str, api_version: str, metadata: Object) -> Object:
    return {"kind": kind, "apiVersion": api_version, "metadata": metadata}


def _typed_head(api_version: str, kind: str) -> bytes:
    """Return how an object of ours begins."""
    return _encode_json({"apiVersion": api_version, "kind": kind})[:-1] + b","


def _without_type(item: StoredObject, prefix: bytes) -> bytes:
    """Return an item of a typed list: as upstream's, it does not repeat what the list is of."""
    octets = item.json
    if octets.startswith(prefix):
        return b"{" + octets[len(prefix) :]
    return _encode_json(_untyped(item.object))


def _untyped(obj: Object) -> Object:
    return {key: value for key, value in obj.items() if key not in ("apiVersion", "kind")}


def _join_json(head: Object, name: str, parts: Sequence[bytes]) -> bytes:
    return b'%s,"%s":[%s]}' % (_encode_json(head)[:-1], name.encode(), b",".join(parts))


def _join_msgpack(head: Object, name: str, parts: Sequence[bytes]) -> bytes:
    # A map of n < 16 keys is one octet 0x80 + n; the array's head is 0xdd and 32 bits of length.
    opened = bytes([0x80 + len(head) + 1]) + _encode_msgpack(head)[1:]
    return b"".join((opened, _encode_msgpack(name), struct.pack(">BI", 0xDD, len(parts)), *parts))


def _frame_head(type: str) -> bytes:
    return b"\x82" + b"".join(map(_encode_msgpack, ("type", type, "object")))


_FRAME_HEAD = {
    type: _frame_head(type) for type in ("ADDED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR")
}
