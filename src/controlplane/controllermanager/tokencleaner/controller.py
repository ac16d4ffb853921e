"""Deletes Secrets of bootstrap tokens when they expire (upstream: tokencleaner.go).

One whose date cannot be read has expired; one without a date never does. The deletion names the
Secret's uid, so that one made anew stays.
"""

from __future__ import annotations

from typing import Final

from controlplane.bootstrap_token import SECRET_TYPE, expires_at
from controlplane.controllermanager.context import Context
from kubeapi.client import WorkQueue, run_workers
from kubeapi.objects import Object, key_of, split_key, uid_of
from kubeapi.resources import SECRETS
from kubeapi.status import StatusError, is_conflict, is_not_found

_WORKERS: Final = 1
_NAMESPACE: Final = "kube-system"


def wait_s(secret: Object, now: float) -> float | None:
    """Return how long the token still holds, 0 or less when it has expired; None: for ever."""
    ends = expires_at(secret)
    return None if ends is None else ends - now


class TokenCleaner:
    """Secrets in, deletions out."""

    def __init__(self, context: Context) -> None:
        self._client, self._wall = context.client, context.wall
        self._queue: WorkQueue[str] = WorkQueue("token_cleaner")
        self._secrets = context.informers.informer(
            SECRETS, namespace=_NAMESPACE, field_selector=f"type={SECRET_TYPE}"
        )
        self._secrets.add_handler(
            on_add=lambda new: self._queue.add(key_of(new)),
            on_update=lambda _old, new: self._queue.add(key_of(new)),
        )

    async def run(self) -> None:
        await self._secrets.wait_synced()
        await run_workers(self._queue, self._reconcile, workers=_WORKERS)

    async def _reconcile(self, key: str) -> None:
        secret = self._secrets.get(key)
        left = None if secret is None else wait_s(secret, self._wall())
        if secret is None or left is None:
            return
        if left > 0:
            self._queue.add_after(key, left)
            return
        namespace, name = split_key(key)
        try:
            await self._client.delete(SECRETS, name, namespace, uid=uid_of(secret))
        except StatusError as error:
            if not (is_not_found(error) or is_conflict(error)):
                raise
