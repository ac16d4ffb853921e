"""The plugins one after another (upstream: admission.chainAdmissionHandler).

Which of them a kind of write concerns is asked once; a write that concerns none costs a look-up.
Whoever changes what a plugin handles, or which kinds there are, calls `forget`.
"""

from __future__ import annotations

from collections.abc import Sequence

from controlplane.apiserver.admission.attributes import Attributes, Operation, Plugin
from kubeapi.resources import Resource

_Write = tuple[Operation, Resource, str]


class Chain:
    """All plugins, in upstream's order."""

    def __init__(self, plugins: Sequence[Plugin]) -> None:
        self._plugins = tuple(plugins)
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
        """Let every plugin complete the object; raises StatusError.

        When a webhook has changed it all are asked once more (upstream: reinvoker).
        """
        plugins = self._of(attributes)
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
        for plugin in self._of(attributes):
            await plugin.validate(attributes)
