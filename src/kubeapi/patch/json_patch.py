"""JSON patch (RFC 6902): a list of operations on paths."""

from __future__ import annotations

from typing import Any, Final

import jsonpatch
import jsonpointer

from kubeapi import status
from kubeapi.objects import Object, deep_copy

#: Upstream's bound on the operations of one patch.
OPERATIONS_MAX: Final = 10_000


def json_patch(obj: Object, ops: Any) -> Object:
    """Return *obj* after *ops*; raises StatusError."""
    if not isinstance(ops, list):
        raise status.bad_request("error decoding patch: a JSON patch is a list of operations")
    if len(ops) > OPERATIONS_MAX:
        raise status.too_large(
            f"The allowed maximum operations in a JSON patch is {OPERATIONS_MAX}, got {len(ops)}"
        )
    try:
        patch = jsonpatch.JsonPatch(ops)
    except (jsonpatch.InvalidJsonPatch, jsonpointer.JsonPointerException, TypeError) as error:
        raise status.bad_request(f"error decoding patch: {error}") from None
    try:
        result = patch.apply(deep_copy(obj), in_place=True)
    except (
        jsonpatch.JsonPatchException,
        jsonpointer.JsonPointerException,
        # What the library lets through when a path leads into a text or a number.
        AttributeError,
        TypeError,
    ) as error:
        raise status.unprocessable(f"the server rejected our request: {error}") from None
    if not isinstance(result, dict):
        raise status.unprocessable("the patch does not leave an object")
    return result
