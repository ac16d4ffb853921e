"""A write as admission sees it, and what a plugin is (upstream: admission.Attributes)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from controlplane.apiserver.kinds.kind import Kind
from controlplane.apiserver.registry.options import DeleteOptions, WriteOptions
from kubeapi.objects import Object


class Operation(StrEnum):
    """What is done to the object."""

    CREATE = "CREATE"
    UPDATE = "UPDATE"
    DELETE = "DELETE"
    CONNECT = "CONNECT"


@dataclass(slots=True, kw_only=True)
class Attributes:
    """One write. Plugins change `obj` in place, or put another in its place."""

    operation: Operation
    kind: Kind
    namespace: str
    name: str  # Empty for a create whose name is not made yet.
    subresource: str = ""
    obj: Object | None = None  # None for a deletion.
    old: Object | None = None  # None for a create.
    options: WriteOptions | DeleteOptions

    def warn(self, text: str) -> None:
        """Let the client be warned."""
        if text not in self.options.warnings:
            self.options.warnings.append(text)


class Plugin(Protocol):
    """One point of view on writes."""

    @property
    def name(self) -> str:
        """Return upstream's name of it."""

    def handles(self, operation: Operation, kind: Kind, subresource: str) -> bool:
        """Tell whether such writes concern it; the chain asks once and remembers."""

    async def admit(self, attributes: Attributes) -> None:
        """Complete or change the object, which is defaulted; raises StatusError."""

    async def validate(self, attributes: Attributes) -> None:
        """Judge the object as it would be written; raises StatusError."""


class Mutating:
    """A plugin that judges nothing at the end."""

    async def validate(self, attributes: Attributes) -> None:
        """Find nothing wrong."""


class Validating:
    """A plugin that changes nothing."""

    async def admit(self, attributes: Attributes) -> None:
        """Change nothing."""
