"""Values as Go prints them in messages about custom objects."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

_WHOLE_MAX = 1e21  # From here on Go writes exponents.


@dataclass(frozen=True, slots=True)
class GoValue:
    """A map or list as `%#v` writes it; `kubeapi.field` prints what has a `__str__`."""

    text: str

    def __str__(self) -> str:
        return self.text


def shown(value: Any) -> Any:
    """Return *value* as a message about it shows it."""
    return GoValue(_written(value)) if isinstance(value, dict | list) else number(value)


def number(value: Any) -> Any:
    """Return a number without the `.0` of what was decoded as a float."""
    if type(value) is float and value.is_integer() and abs(value) < _WHOLE_MAX:
        return int(value)
    return value


def _written(value: Any) -> str:
    if isinstance(value, dict):
        pairs = (f"{json.dumps(k)}:{_written(v)}" for k, v in sorted(value.items()))
        return f"map[string]interface {{}}{{{', '.join(pairs)}}}"
    if isinstance(value, list):
        return f"[]interface {{}}{{{', '.join(map(_written, value))}}}"
    if value is None:
        return "interface {}(nil)"
    if isinstance(value, str | bool):
        return json.dumps(value, ensure_ascii=False)
    return str(number(value))
