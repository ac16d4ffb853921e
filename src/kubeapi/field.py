"""Causes for wrong fields, worded as upstream's `util/validation/field` words them.

`field.required("spec.selector")` reads `spec.selector: Required value` in a Status.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from kubeapi.status import Cause


def _go(value: Any) -> str:
    """Return *value* as Go's %q or %#v would print it, near enough for a person."""
    if isinstance(value, str | list | dict | bool) or value is None:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return str(value)


def _with(text: str, detail: str) -> str:
    return f"{text}: {detail}" if detail else text


def required(path: str, detail: str = "") -> Cause:
    return Cause("FieldValueRequired", _with("Required value", detail), path)


def invalid(path: str, value: Any, detail: str) -> Cause:
    return Cause("FieldValueInvalid", _with(f"Invalid value: {_go(value)}", detail), path)


def not_supported(path: str, value: Any, supported: Iterable[str]) -> Cause:
    offered = ", ".join(f'"{item}"' for item in supported)
    message = f"Unsupported value: {_go(value)}: supported values: {offered}"
    return Cause("FieldValueNotSupported", message, path)


def duplicate(path: str, value: Any) -> Cause:
    return Cause("FieldValueDuplicate", f"Duplicate value: {_go(value)}", path)


def forbidden(path: str, detail: str) -> Cause:
    return Cause("FieldValueForbidden", _with("Forbidden", detail), path)


def not_found(path: str, value: Any) -> Cause:
    return Cause("FieldValueNotFound", f"Not found: {_go(value)}", path)


def too_long(path: str, octets_max: int) -> Cause:
    message = f"Too long: may not be more than {octets_max} bytes"
    return Cause("FieldValueTooLong", message, path)


def too_many(path: str, count: int, count_max: int) -> Cause:
    return Cause(
        "FieldValueTooMany", f"Too many: {count}: must have at most {count_max} items", path
    )


def wrong_type(path: str, value: Any, detail: str) -> Cause:
    return Cause("FieldValueTypeInvalid", _with(f"Invalid value: {_go(value)}", detail), path)
