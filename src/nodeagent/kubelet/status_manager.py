"""Brings pod statuses to the API server (upstream: pkg/kubelet/status/status_manager.go).

Only the newest status of a pod counts, only differences are sent, one patch per pod at a time.
What the cluster's timeline should know of a pod is noted here, where its status changes.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, nullcontext

from componentbase.journal import Journal
from kubeapi.client import RestClient, WorkQueue, run_workers
from kubeapi.objects import Object, key_of, name_of, namespace_of, uid_of
from kubeapi.resources import PODS
from kubeapi.status import StatusError
from nodeagent.kubelet.pod_milestones import all_run, is_ready, readiness_timers
from nodeagent.kubelet.pod_status import status_patch

log = logging.getLogger(__name__)

_WORKERS = 8


class StatusManager:
    """The statuses of this node's pods, wanted and known."""

    def __init__(
        self,
        client: RestClient,
        node_name: str,
        journal: Journal,
        *,
        turns: AbstractAsyncContextManager[object] | None = None,
    ) -> None:
        """*turns*: held for each patch, where nodes of one process share what they may ask."""
        self._turns = turns or nullcontext()
        self._client, self._node_name, self._journal = client, node_name, journal
        self._queue: WorkQueue[str] = WorkQueue()
        self._wanted: dict[str, tuple[Object, Object]] = {}
        self._sent = asyncio.Event()
        #: Returns the pod of the API that shows a pod of this node, None while there is none.
        self.mirror_of: Callable[[Object], Object | None] = lambda pod: pod
        self._known: dict[str, Object] = {}

    def set(self, pod: Object, status: Object) -> None:
        """Want *status* for *pod*; of a static pod that is its mirror's."""
        shown = self.mirror_of(pod)
        if shown is None:
            return
        pod, uid = shown, uid_of(shown)
        known = self._known.get(uid) or pod.get("status") or {}
        if uid not in self._wanted and status_patch(uid, known, status) is None:
            return
        before = self._wanted[uid][1] if uid in self._wanted else known
        if all_run(pod, status) and not all_run(pod, before):
            timers = readiness_timers(pod)
            self._journal.note("pod-started", key_of(pod), node=self._node_name, **timers)
        self._wanted[uid] = (pod, status)
        self._queue.add(uid)

    def forget(self, uid: str) -> None:
        """The pod is gone."""
        self._wanted.pop(uid, None)
        self._known.pop(uid, None)

    async def settle(self, timeout_s: float) -> None:
        """Wait until everything that is wanted was sent, though not longer than *timeout_s*."""
        try:
            async with asyncio.timeout(timeout_s):
                while self._wanted:
                    self._sent.clear()
                    await self._sent.wait()
        except TimeoutError:
            log.warning("%d statuses were not sent", len(self._wanted))

    async def run(self) -> None:
        """Send what is wanted, for ever."""
        await run_workers(self._queue, self._send, workers=_WORKERS)

    async def _send(self, uid: str) -> None:
        async with self._turns:
            await self._send_newest(uid)

    async def _send_newest(self, uid: str) -> None:
        if uid not in self._wanted:
            return
        pod, status = wanted = self._wanted[uid]
        known = self._known.get(uid) or pod.get("status") or {}
        await self.send(pod, known, status)
        if self._wanted.get(uid) is wanted:
            del self._wanted[uid]
            self._sent.set()
        else:
            self._queue.add(uid)

    async def send(self, pod: Object, known: Object, status: Object) -> None:
        """Patch the pod's status now; a pod that is gone needs none."""
        uid = uid_of(pod)
        patch = status_patch(uid, known, status)
        if patch is None:
            return
        try:
            answer = await self._client.patch(
                PODS, name_of(pod), patch, namespace_of(pod), subresource="status"
            )
        except StatusError as error:
            if error.reason not in ("NotFound", "Conflict"):
                raise
            log.info("status of %s/%s: %s", namespace_of(pod), name_of(pod), error)
            return
        after = self._known[uid] = answer.get("status") or {}
        if is_ready(after) != is_ready(known):
            what = "pod-ready" if is_ready(after) else "pod-not-ready"
            self._journal.note(what, key_of(pod), node=self._node_name)

    def stopping(self, pod: Object, grace_s: float) -> None:
        """The pod is about to be ended."""
        self._journal.note("pod-stopping", key_of(pod), node=self._node_name, grace_s=grace_s)

    def stopped(self, pod: Object, took_s: float) -> None:
        """The pod's containers have ended."""
        self._journal.note("pod-stopped", key_of(pod), node=self._node_name, took_s=took_s)

    async def send_last(self, pod: Object, status: Object) -> None:
        """Patch the last status of a pod, before it is deleted."""
        shown = self.mirror_of(pod)
        if shown is None:
            return
        pod, uid = shown, uid_of(shown)
        self._wanted.pop(uid, None)
        await self.send(pod, self._known.get(uid) or pod.get("status") or {}, status)
