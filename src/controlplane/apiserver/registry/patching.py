"""Patches by their media types (upstream: handlers/patch.go)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

import msgspec

from controlplane.apiserver.decoding import JSON, check_values, decode_octets, media_type
from controlplane.apiserver.kinds.kind import Kind
from controlplane.apiserver.registry.options import APPLY_PATCH
from controlplane.apiserver.strict_decoding import NOTHING, Findings, in_json, may_repeat
from kubeapi import field
from kubeapi.objects import Object
from kubeapi.patch import json_patch, merge_patch, strategic_merge_patch
from kubeapi.schema import TypeSchema
from kubeapi.schema.types import ANYTHING, Shape
from kubeapi.status import StatusError, bad_request, invalid, unsupported_media_type

JSON_PATCH: Final = "application/json-patch+json"
MERGE_PATCH: Final = "application/merge-patch+json"
STRATEGIC_MERGE_PATCH: Final = "application/strategic-merge-patch+json"

Patcher = Callable[[Object], Object]


def patcher(kind: Kind, body: bytes, content_type: str) -> Patcher:
    """Return the patch in *body* as a function; raises StatusError 400, 415."""
    if kind.is_custom and media_type(content_type) == STRATEGIC_MERGE_PATCH:
        raise unsupported_media_type(
            "the body of the request was in an unknown format - accepted media types include: "
            f"{JSON_PATCH}, {MERGE_PATCH}, {APPLY_PATCH}"
        )
    return patcher_for(kind.schema, body, content_type)


def patcher_for(schema: TypeSchema, body: bytes, content_type: str) -> Patcher:
    """Return the patch of an object of type *schema* as a function."""
    form = media_type(content_type)
    if form not in (JSON_PATCH, MERGE_PATCH, STRATEGIC_MERGE_PATCH):
        raise unsupported_media_type(
            "the body of the request was in an unknown format - accepted media types include: "
            f"{JSON_PATCH}, {MERGE_PATCH}, {STRATEGIC_MERGE_PATCH}"
        )
    if not body:
        raise bad_request("the request has no body, a patch is needed")
    patch = decode_octets(body, JSON)

    def apply(old: Object) -> Object:
        if form == JSON_PATCH:
            new = json_patch(old, patch)
        elif form == MERGE_PATCH:
            new = merge_patch(old, patch)
        else:
            new = strategic_merge_patch(old, patch, schema)
        check_values(new)  # Repeated copies of a JSON patch can nest what each body could not.
        return new

    return apply


class Strictness:
    """What fieldValidation asks of a patch, and of what comes of it (upstream: jsonPatcher)."""

    def __init__(self, asked: str, body: bytes, content_type: str) -> None:
        self._asked, self._body, self._form = asked, body, media_type(content_type)
        self._of_patch = NOTHING if asked == "Ignore" else self._find()
        #: Of the object no more than findings is asked: what they mean is decided here.
        self.of_object = "Ignore" if asked == "Ignore" else "Warn"

    def _find(self) -> Findings:
        """Return what is unknown or repeated in the patch itself."""
        if self._form == JSON_PATCH:
            fields = in_json(self._body, _OPERATIONS).fields
            return Findings(fields=[f"json patch {each}" for each in fields])
        if not may_repeat(self._body, msgspec.json.decode(self._body)):
            return NOTHING
        return in_json(self._body)

    def warnings(self, of_object: Findings, new: Object) -> Sequence[str]:
        """Return what to warn of; raises StatusError 422 when the client wants none of it."""
        findings = self._of_patch.then(of_object)
        if not findings or self._asked != "Strict":
            return findings.warnings()
        raise self._refusal(new, findings.sentence())

    @contextmanager
    def told(self, new: Object) -> Iterator[None]:
        """Let what is no such object be the patch's fault: a 422 where a body's is a 400."""
        try:
            yield
        except StatusError as error:
            if error.code != 400:
                raise
            raise self._refusal(new, str(error)) from None

    def _refusal(self, new: Object, why: str) -> StatusError:
        merged = self._form == STRATEGIC_MERGE_PATCH
        shown = _go(msgspec.json.decode(self._body)) if merged else _text(new)
        return invalid("", "", [field.invalid("patch", shown, why)])


def _operations() -> TypeSchema:
    """Return what a JSON patch is, as strict decoding knows it."""
    operation = TypeSchema("", Shape.OBJECT, "object")
    texts = {name: TypeSchema("", Shape.SCALAR, "string") for name in ("op", "path", "from")}
    operation.properties = {**texts, "value": ANYTHING}
    operations = TypeSchema("", Shape.LIST, "array")
    operations.item = operation
    return operations


_OPERATIONS: Final = _operations()


def _text(obj: Object) -> str:
    """Return an object as Go's JSON encoder writes a map: by name."""
    return msgspec.json.encode(obj, order="sorted").decode()


def _go(value: object) -> str:
    """Return a value as Go's `%+v` writes it."""
    match value:
        case dict():
            return f"map[{' '.join(f'{name}:{_go(value[name])}' for name in sorted(value))}]"
        case list():
            return f"[{' '.join(map(_go, value))}]"
        case None:
            return "<nil>"
        case bool():
            return str(value).lower()
    return str(value)
