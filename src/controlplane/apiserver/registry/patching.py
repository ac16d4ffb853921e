"""Patches by their media types (upstream: handlers/patch.go)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from controlplane.apiserver.decoding import JSON, check_values, decode_octets, media_type
from controlplane.apiserver.kinds.kind import Kind
from controlplane.apiserver.registry.options import APPLY_PATCH
from kubeapi.objects import Object
from kubeapi.patch import json_patch, merge_patch, strategic_merge_patch
from kubeapi.schema import TypeSchema
from kubeapi.status import bad_request, unsupported_media_type

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
