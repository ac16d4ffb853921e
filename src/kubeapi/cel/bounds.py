"""How large the values of a declared variable may become (apiserver/pkg/cel: DeclType).

A path leads to a place in them: a variable's name, then fields, `@items`, `@keys` and `@values`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from kubeapi.cel.names import unescaped
from kubeapi.cel.ranges import Range

Path = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Bound:
    """How many elements a value has at most, and how many octets of JSON it has at least."""

    elements_max: int
    octets_min: int
    element: Bound | None = None
    key: Bound | None = None
    fields: Mapping[str, Bound] = field(default_factory=dict)

    def at(self, path: Path) -> Range | None:
        """Return how many elements there are at *path*, the variable's name included."""
        if not path:
            return None
        found: Bound | None = self
        for name in path[1:]:
            found = _below(found, name)
            if found is None:
                return None
        assert found is not None
        return Range(0, found.elements_max)


def _below(bound: Bound | None, name: str) -> Bound | None:
    if bound is None:
        return None
    if name in ("@items", "@values"):
        return bound.element
    if name == "@keys":
        return bound.key
    return bound.fields.get(name) or bound.fields.get(unescaped(name))
