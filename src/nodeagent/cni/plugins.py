"""Calls one plugin, be it ours in process or a program (pkg/invoke, pkg/skel).

What holds for every plugin holds here: the call is verified before ours see it, VERSION is
answered for them, and they wait for a lock with patience that ends (error 11).
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

from kubeapi.objects import Object
from nodeagent.cni import bridge, ipam, version
from nodeagent.cni.effects import (
    Answer,
    Delegate,
    DeleteLink,
    Effect,
    ListLinks,
    Pause,
    Plugin,
    ReplaceLink,
)
from nodeagent.cni.errors import CniError, Code
from nodeagent.cni.execute import Executor
from nodeagent.cni.invocation import Invocation, verify
from nodeagent.cni.links import Links

#: The plugins that are ours.
OURS: Final[Mapping[str, Plugin]] = {
    "podwire-bridge": bridge.run,
    "podwire-ipam": ipam.run,
}

_PAUSE_S: Final = 0.005
_PATIENCE_S: Final = 5.0


class _Supported(msgspec.Struct, frozen=True, rename="camel"):
    supported_versions: list[str]


class Plugins:
    """Every plugin that this node can call."""

    def __init__(self, node: Path, links: Links, executor: Executor) -> None:
        self._node, self._links, self._executor = node, links, executor

    async def call(self, plugin: str, call: Invocation) -> Object | None:
        """Call *plugin*; return its result if it has one, raise CniError if it failed."""
        ours = OURS.get(plugin)
        if ours is None:
            return await self._executor.call(plugin, call)
        verify(call)
        if call.command == "VERSION":
            return {"cniVersion": call.version, "supportedVersions": list(version.SUPPORTED)}
        return await self._drive(ours, call)

    async def versions(self, plugin: str, path: str) -> tuple[str, ...]:
        """Return the versions that *plugin* speaks."""
        config: Object = {"cniVersion": version.SUPPORTED[-1]}
        said = await self.call(plugin, Invocation(command="VERSION", config=config, path=path))
        try:
            return tuple(msgspec.convert(said or {}, _Supported).supported_versions)
        except msgspec.ValidationError as error:
            text = f"plugin {plugin} does not answer VERSION: {error}"
            raise CniError(Code.DECODING_FAILURE, text) from None

    async def _drive(self, plugin: Plugin, call: Invocation) -> Object | None:
        """Do what *plugin* yields, until it has its result."""
        steps = plugin(call, self._node)
        patience = int(_PATIENCE_S / _PAUSE_S)
        answer: Answer = None
        failure: CniError | None = None
        while True:
            try:
                effect = steps.send(answer) if failure is None else steps.throw(failure)
            except StopIteration as end:
                result: Object | None = end.value
                return result
            answer, failure = None, None
            if isinstance(effect, Pause):
                patience -= 1
                if patience < 0:
                    raise CniError(Code.TRY_AGAIN_LATER, f"{call.network}: the store is locked")
                await asyncio.sleep(_PAUSE_S)
                continue
            try:
                answer = await self._perform(effect, call)
            except CniError as error:
                failure = error

    async def _perform(self, effect: Effect, call: Invocation) -> Answer:
        match effect:
            case Delegate(plugin, command):
                return await self.call(plugin, dataclasses.replace(call, command=command))
            case ReplaceLink(entry):
                await self._links.replace(entry)
            case DeleteLink(name):
                await self._links.delete(name)
            case ListLinks():
                return await self._links.entries()
        return None
