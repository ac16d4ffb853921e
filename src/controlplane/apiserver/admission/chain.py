"""The plugins one after another (upstream: admission.chainAdmissionHandler).

Which of them a kind of write concerns is asked once; a write that concerns none costs a look-up.
Whoever changes what a plugin handles, or which kinds there are, calls `forget`.
"""

from __future__ import annotations

from collections.abc import Sequence

from componentbase.clock import monotonic
from componentbase.series import Histogram
from controlplane.apiserver.admission.attributes import Attributes, Operation, Plugin
from kubeapi.resources import Resource
from kubeapi.status import StatusError

_Write = tuple[Operation, Resource, str]


class Chain:
    """All plugins, in upstream's order."""

    def __init__(self, plugins: Sequence[Plugin], step_seconds: Histogram | None = None) -> None:
        self._plugins, self._step_seconds = tuple(plugins), step_seconds
        self._handling: dict[_Write, tuple[Plugin, ...]] = {}

    def forget(self) -> None:
        """Ask every plugin again what it handles."""
        self._handling.clear()

    def _of(self, attributes: Attributes) -> tuple[Plugin, ...]:
        kind = attributes.kind
        key = (attributes.operation, kind.resource, attributes.subresource)
        found = self._handling.get(key)
        if found is None:
            found = self._handling[key] = tuple(
                plugin
                for plugin in self._plugins
                if plugin.handles(attributes.operation, kind, attributes.subresource)
            )
        return found

    async def run(self, attributes: Attributes) -> None:
        """Ask every plugin both questions, about what is not stored; raises StatusError."""
        await self.admit(attributes)
        await self.validate(attributes)

    async def admit(self, attributes: Attributes) -> None:
        """Let every plugin complete the object; raises StatusError."""
        plugins, began = self._of(attributes), monotonic()
        if plugins:
            try:
                await self._admit(plugins, attributes)
            except StatusError:
                self._took("admit", attributes, began, "true")
                raise
            self._took("admit", attributes, began, "false")

    def _took(self, step: str, attributes: Attributes, began: float, rejected: str) -> None:
        if self._step_seconds is not None:
            labels = step, attributes.operation, rejected
            self._step_seconds.observe(labels, monotonic() - began)

    async def _admit(self, plugins: Sequence[Plugin], attributes: Attributes) -> None:
        """Ask all; when a webhook has changed the object, once more (upstream: reinvoker)."""
        for plugin in plugins:
            await plugin.admit(attributes)
        reinvocation = attributes.reinvocation
        if reinvocation is None or not reinvocation.wanted:
            return
        reinvocation.again = True
        for plugin in plugins:
            await plugin.admit(attributes)

    async def validate(self, attributes: Attributes) -> None:
        """Let every plugin judge the object; raises StatusError."""
        plugins, began = self._of(attributes), monotonic()
        if not plugins:
            return
        try:
            for plugin in plugins:
                await plugin.validate(attributes)
        except StatusError:
            self._took("validate", attributes, began, "true")
            raise
        self._took("validate", attributes, began, "false")
