"""JSON merge patch (RFC 7386): maps merge, null deletes, everything else replaces."""

from __future__ import annotations

from typing import Any

from kubeapi import status
from kubeapi.objects import Object, deep_copy


def merge_patch(obj: Object, patch: Any) -> Object:
    """Return *obj* with *patch* merged into it; raises StatusError."""
    if not isinstance(patch, dict):
        raise status.bad_request("error decoding patch: a merge patch is an object")
    result = deep_copy(obj)
    _merge(result, deep_copy(patch))
    return result


def _merge(target: Object, patch: Object) -> None:
    for name, value in patch.items():
        if value is None:
            target.pop(name, None)
        elif isinstance(value, dict):
            below = target.get(name)
            if not isinstance(below, dict):
                below = target[name] = {}
            _merge(below, value)
        else:
            target[name] = value
