"""Fields that somebody else owns, in upstream's words (managedfields/internal/conflict.go)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from kubeapi.apply.elements import path_text
from kubeapi.apply.field_set import Node, members
from kubeapi.apply.managers import Manager
from kubeapi.status import Cause


class ApplyConflict(Exception):
    """An apply would change what other managers own."""

    def __init__(self, fields: Mapping[Manager, Node]) -> None:
        self.fields = dict(sorted(fields.items(), key=lambda item: str(item[0])))
        super().__init__(_message(self.paths()))

    def paths(self) -> Sequence[tuple[Manager, str]]:
        """Return every field in question, with its owner."""
        return [
            (manager, path_text(path))
            for manager, node in self.fields.items()
            for path in members(node)
        ]

    def causes(self) -> list[Cause]:
        """Return the causes of the Status."""
        return [
            Cause("FieldManagerConflict", f"conflict with {manager}", path)
            for manager, path in self.paths()
        ]


def _message(found: Sequence[tuple[Manager, str]]) -> str:
    if len(found) == 1:
        manager, path = found[0]
        return f"Apply failed with 1 conflict: conflict with {manager}: {path}"
    lines: list[str] = []
    said: Manager | None = None
    for manager, path in found:
        if manager != said:
            lines.append(f"conflicts with {manager}:")
            said = manager
        lines.append(f"- {path}")
    return f"Apply failed with {len(found)} conflicts: " + "\n".join(lines)
