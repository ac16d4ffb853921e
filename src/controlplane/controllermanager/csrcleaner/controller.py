"""Deletes requests that have had their time (upstream: csr-cleaner controller).

Decided and issued ones an hour after their condition, open ones a day after their creation.
"""

from __future__ import annotations

import asyncio
from typing import Final

from componentbase.clock import parse_rfc3339
from controlplane.controllermanager.context import Context
from kubeapi.objects import Object, name_of, uid_of
from kubeapi.resources import CERTIFICATESIGNINGREQUESTS
from kubeapi.status import StatusError, is_conflict, is_not_found

_EVERY_S: Final = 600.0
_DECIDED_S: Final = 3600.0
_OPEN_S: Final = 24 * 3600.0


def is_past(request: Object, now: float) -> bool:
    """Tell whether nobody needs *request* any more."""
    decided = (request.get("status") or {}).get("conditions") or ()
    times = [each.get("lastUpdateTime") for each in decided if each.get("lastUpdateTime")]
    if times:
        return any(now - parse_rfc3339(text) > _DECIDED_S for text in times)
    return now - parse_rfc3339(request["metadata"]["creationTimestamp"]) > _OPEN_S


class CsrCleaner:
    """Looks at all requests now and then."""

    def __init__(self, context: Context) -> None:
        self._client, self._wall = context.client, context.wall
        self._requests = context.informer(CERTIFICATESIGNINGREQUESTS)

    async def run(self) -> None:
        await self._requests.wait_synced()
        while True:
            for request in self._requests.items():
                if is_past(request, self._wall()):
                    await self._delete(request)
            await asyncio.sleep(_EVERY_S)

    async def _delete(self, request: Object) -> None:
        name, uid = name_of(request), uid_of(request)
        try:
            await self._client.delete(CERTIFICATESIGNINGREQUESTS, name, uid=uid)
        except StatusError as error:
            if not (is_not_found(error) or is_conflict(error)):
                raise
