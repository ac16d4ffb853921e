"""Keeps this server's lease, and the lists of live servers (upstream: reconcilers/lease.go).

Every living server writes the Endpoints and the EndpointSlice of the `kubernetes` Service when the
leases change, so it does not matter which one lives; they write the same, so all but one find it
written. The last server's end leaves the lists as they are: better an old address than none.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from controlplane.apiserver import masters
from controlplane.apiserver.bootstrap import Bootstrap
from controlplane.apiserver.masters import RENEW_SHARE, Masters
from controlplane.storage.interface import LeaseNotFound, Put, StorageError, Store
from kubeapi.status import StatusError

log = logging.getLogger(__name__)

#: How long the end of this server may wait for the store.
_REMOVE_WAIT_S: Final = 2.0


class EndpointReconciler:
    """One server's part in the lists."""

    def __init__(self, store: Store, known: Masters, bootstrap: Bootstrap, ttl_s: int) -> None:
        self._store, self._masters, self._bootstrap = store, known, bootstrap
        self._ttl_s = ttl_s
        self._lease = 0
        self._changed = asyncio.Event()
        self._failing = False
        known.on_change = self._changed.set

    async def run(self) -> None:
        """Renew and reconcile for ever, over absences of the store."""
        while True:
            await self.reconcile()
            try:
                async with asyncio.timeout(self._ttl_s * RENEW_SHARE):
                    await self._changed.wait()
            except TimeoutError:
                continue

    async def reconcile(self) -> None:
        """Renew the lease and bring the lists up to date; what fails is tried again later."""
        self._changed.clear()
        try:
            await self._renew()
            await self._bootstrap.run()  # Somebody may have deleted the Service.
            if self._masters.addresses:
                await self._bootstrap.publish(self._masters.addresses)
        except (StatusError, StorageError) as error:
            if not self._failing:
                log.warning("the list of API servers stays as it is for now: %s", error)
            self._failing = True
        else:
            self._failing = False

    async def _renew(self) -> None:
        own = self._masters.own
        if self._lease and own in self._masters.addresses:
            try:
                await self._store.keep_alive(self._lease)
                return
            except LeaseNotFound:
                log.info("the lease of this server had expired")
        self._lease = await self._store.grant(self._ttl_s)
        await self._store.txn(Put(masters.key(own), b"{}", lease=self._lease))

    async def remove(self) -> None:
        """Take this server off the lists, at its clean end."""
        self._masters.on_change = None
        others = [address for address in self._masters.addresses if address != self._masters.own]
        try:
            async with asyncio.timeout(_REMOVE_WAIT_S):
                if self._lease:
                    await self._store.revoke(self._lease)
                if others:
                    await self._bootstrap.publish(others)
        except (StatusError, StorageError, TimeoutError) as error:
            log.info("the lease of this server is left to expire: %s", error)
