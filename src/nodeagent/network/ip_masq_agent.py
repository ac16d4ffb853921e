"""The shell of ip-masq-agent: its ConfigMap in, whose sources are kept out.

A change counts when `resyncInterval` has passed since the configuration was last read; one that
makes no sense changes nothing, and is logged, as upstream has it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from componentbase.clock import monotonic
from kubeapi.client import Informer, InformerFactory
from kubeapi.resources import CONFIGMAPS
from nodeagent.network.ip_masq_config import (
    KEY,
    NAME,
    NAMESPACE,
    RESYNC_S,
    BadConfig,
    IpMasqConfig,
    parse,
)

log = logging.getLogger(__name__)

_KEY_OF_MAP: Final = f"{NAMESPACE}/{NAME}"

#: Is told which networks see pods' own addresses.
Keep = Callable[[Sequence[str]], Awaitable[None]]


class IpMasqAgent:
    """Follows the ConfigMap; *always* are networks that the node's own configuration names."""

    def __init__(
        self, informers: InformerFactory, keep: Keep, *, always: Sequence[str], pace: float
    ) -> None:
        self._maps: Informer = informers.informer(
            CONFIGMAPS, namespace=NAMESPACE, field_selector=f"metadata.name={NAME}"
        )
        self._keep, self._always = keep, tuple(always)
        self._default = IpMasqConfig((), RESYNC_S / pace)
        self._config = self._default
        self._changed = asyncio.Event()

    async def run(self) -> None:
        """Follow for ever."""
        await self._maps.wait_synced()
        self._maps.add_handler(
            on_add=lambda _new: self._changed.set(),
            on_update=lambda _old, _new: self._changed.set(),
            on_delete=lambda _old: self._changed.set(),
        )
        while True:
            await self._changed.wait()
            self._changed.clear()
            read_at = monotonic()
            await self._read()
            await asyncio.sleep(max(0.0, read_at + self._config.resync_s - monotonic()))

    async def _read(self) -> None:
        found = self._maps.get(_KEY_OF_MAP)
        text = (found.get("data") or {}).get(KEY) if found is not None else None
        try:
            config = self._default if text is None else parse(text, self._default.resync_s)
        except BadConfig as error:
            log.warning("ConfigMap %s: error syncing configuration: %s", _KEY_OF_MAP, error)
            return
        if config != self._config:
            self._config = config
            log.info("keeping sources towards %s", ", ".join(config.non_masquerade_cidrs) or "-")
            await self._keep([*self._always, *config.non_masquerade_cidrs])
