"""Writes what VolumeBinding chose, and waits for the binder (upstream: BindPodVolumes)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from controlplane.scheduler.framework.handle import Chosen
from controlplane.volume.claims import SELECTED_NODE, given_to, with_annotations
from kubeapi.client import RestClient
from kubeapi.objects import Object
from kubeapi.resources import PERSISTENTVOLUMECLAIMS, PERSISTENTVOLUMES


class Volumes:
    """Tells one API server about claims and volumes, and who waits for them."""

    def __init__(self, client: RestClient) -> None:
        self._client = client
        self._waiting: dict[asyncio.Event, None] = {}

    def changed(self) -> None:
        """Have those look again who wait: a claim or a volume is not as it was."""
        for event in self._waiting:
            event.set()

    async def write(self, chosen: Chosen, node_name: str) -> Sequence[Object]:
        """Write the choice; return the claims that it is about, as they are then.

        Raises StatusError and Unreachable.
        """
        for volume, claim in chosen.bindings:
            await self._client.update(PERSISTENTVOLUMES, given_to(volume, claim))
        claims = [claim for _volume, claim in chosen.bindings]
        for claim in chosen.provisions:
            wanted = with_annotations(claim, {SELECTED_NODE: node_name})
            claims.append(await self._client.update(PERSISTENTVOLUMECLAIMS, wanted))
        return claims

    async def until(self, settled: Callable[[], str | None], timeout_s: float) -> str:
        """Wait until *settled* has an answer, *timeout_s* at most; return it."""
        event = asyncio.Event()
        self._waiting[event] = None
        try:
            async with asyncio.timeout(timeout_s):
                while (answer := settled()) is None:
                    event.clear()
                    await event.wait()
        except TimeoutError:
            return "binding volumes: context deadline exceeded"
        finally:
            del self._waiting[event]
        return answer
