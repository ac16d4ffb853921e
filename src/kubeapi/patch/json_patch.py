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
    result = deep_copy(obj)
    for operation in patch.patch:
        result = _applied(result, operation)
    if not isinstance(result, dict):
        raise status.unprocessable("the patch does not leave an object")
    return result


def _applied(obj: Any, operation: Any) -> Any:
    """Return *obj* after one operation; what is in the object is not repeated in the refusal."""
    try:
        return jsonpatch.JsonPatch([operation]).apply(obj, in_place=True)
    except jsonpatch.JsonPatchTestFailed:
        raise status.unprocessable(
            f"testing value {operation['path']} failed: test failed"
        ) from None
    except (
        jsonpatch.JsonPatchException,
        jsonpointer.JsonPointerException,
        # What the library lets through when a path leads into a text or a number.
        AttributeError,
        TypeError,
    ):
        where = operation.get("from", operation["path"])
        raise status.unprocessable(
            f"{operation['op']} operation does not apply: doc is missing path: "
            f'"{where}": missing value'
        ) from None
