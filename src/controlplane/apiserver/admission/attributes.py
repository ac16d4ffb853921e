"""A write as admission sees it, and what a plugin is (upstream: admission.Attributes)."""

from __future__ import annotations

from dataclasses import dataclass, field
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


@dataclass(slots=True)
class Reinvocation:
    """What mutating webhooks remember of one write (upstream: ReinvocationContext)."""

    again: bool = False  # All plugins have been asked, and are asked once more.
    wanted: bool = False  # A webhook has changed the object: what came before it may mind.
    asked: dict[str, None] = field(default_factory=dict)  # Hooks that want to be asked again …
    due: dict[str, None] = field(default_factory=dict)  # … and those that must be.
    left_as: Object | None = None  # The object when the last webhook had been asked.


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
    #: Group, version and kind of `obj`, where it is no object of `kind` (PodExecOptions, Binding).
    object_kind: tuple[str, str, str] | None = None
    reinvocation: Reinvocation | None = None

    def annotate(self, key: str, value: str) -> None:
        """Let the audit log say more of this write."""
        self.options.annotations[key] = value

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
