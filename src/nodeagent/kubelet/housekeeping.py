"""Looks at what the node uses, evicts pods when it runs short, gives up unused images.

The shell of `eviction` and `image_gc` (upstream: eviction manager's synchronize, the image
GC's loop). At most one pod is evicted at a time, and the next look waits until it is gone.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import math
from collections.abc import Collection, Mapping
from typing import Final

from componentbase.rpc import RpcError
from kubeapi.objects import Object, uid_of
from kubeapi.quantity import parse_quantity
from nodeagent.kubelet.configuration import KubeletOptions
from nodeagent.kubelet.disk_usage import disk_usage
from nodeagent.kubelet.eviction.manager import REASON, EvictionManager, Observations, Victim
from nodeagent.kubelet.eviction.observations import (
    SandboxStats,
    candidates,
    observations,
    stats_of,
)
from nodeagent.kubelet.eviction.thresholds import RESOURCES, Threshold
from nodeagent.kubelet.image_gc import Collected, ImageGcManager
from nodeagent.kubelet.kubelet import Kubelet
from nodeagent.kubelet.node import NodeKeeper
from nodeagent.kubelet.node_status import image_list
from nodeagent.kubelet.pod_config import pod_log_directory
from nodeagent.kubelet.pod_status import Termination
from nodeagent.kubelet.recording import teller
from nodeagent.kubelet.services import NodeServices

log = logging.getLogger(__name__)

#: A node that has more than half of everything left is looked at no more often than upstream's,
#: whatever its timings are: a look asks the runtime about every pod.
_CALM_S: Final = 10.0
#: How long an evicted pod is waited for (podCleanupTimeout).
_CLEANUP_S: Final = 30.0
#: At every which look the images are asked for, though none was pulled.
_IMAGES_EVERY: Final = 60


class Housekeeping:
    """Keeps one node from running short."""

    def __init__(
        self,
        services: NodeServices,
        kubelet: Kubelet,
        node: NodeKeeper,
        options: KubeletOptions,
        capacity: Mapping[str, str],
    ) -> None:
        times = services.timings
        self._services, self._kubelet, self._node = services, kubelet, node
        self._period_s, self._resync_s = times.eviction_monitor_s, times.pod_resync_s
        self._image_gc_s = times.image_gc_s
        self._capacity = {name: parse_quantity(text) for name, text in capacity.items()}
        transition_s, age_s = options.eviction_transition_s, options.image_gc_age_s
        self.eviction = EvictionManager(
            options.thresholds,
            transition_s=times.eviction_transition_s if transition_s is None else transition_s,
            max_pod_grace_s=options.eviction_max_pod_grace_s,
        )
        self._image_gc = ImageGcManager(
            high_percent=options.image_gc_high,
            low_percent=options.image_gc_low,
            min_age_s=times.image_gc_age_s if age_s is None else age_s,
        )
        self._images: Mapping[str, int] = {}
        self._disk = 0
        self._disk_at = self._image_gc_at = -math.inf

    async def run(self) -> None:
        """Look at each period, for ever."""
        await self._services.runtime.listed.wait()
        for beat in itertools.count():
            is_calm = False
            try:
                is_calm = await self._look(beat)
            except RpcError as error:
                log.info("not looked at what pods use: %s", error)
            await asyncio.sleep(max(self._period_s, _CALM_S) if is_calm else self._period_s)

    async def _look(self, beat: int) -> bool:
        """Look once; tell whether nothing is about to run short."""
        runtime, now = self._services.runtime, self._services.clock()
        if runtime.images_changed or beat % _IMAGES_EVERY == 0:
            await self._look_at_images()
        stats: Mapping[str, SandboxStats] = {}
        if any(seen.running for seen in runtime.pods.values()):
            stats = stats_of(await runtime.sandbox_stats())
        if now - self._image_gc_at >= self._image_gc_s:
            self._image_gc_at = now
            await self._collect_images()
        observed = self._observe(stats)
        due = self.eviction.observe(observed, now)
        self._node.set_pressure(self.eviction.conditions)
        if due:
            await self._relieve(due[0], observed, stats)
        half_left = all(each.available * 2 > each.capacity for each in observed.values())
        return half_left and not due and not self.eviction.conditions

    def _observe(self, stats: Mapping[str, SandboxStats]) -> Observations:
        now = self._services.clock()
        if now - self._disk_at >= self._resync_s:
            self._disk, self._disk_at = disk_usage(self._services.directory), now
        used = self._disk + sum(self._images.values())
        return observations(self._capacity, stats.values(), used)

    async def _relieve(
        self, threshold: Threshold, observed: Observations, stats: Mapping[str, SandboxStats]
    ) -> None:
        resource = RESOURCES[threshold.signal]
        text = f"Attempting to reclaim {resource}"
        self._node.on_event("Warning", "EvictionThresholdMet", text)
        if resource == "ephemeral-storage":
            wanted = int(self._capacity["ephemeral-storage"])
            await self._remove(self._image_gc.free(wanted, self._in_use(), self._services.clock()))
            observed = self._observe(stats)
            if not self.eviction.still_short(observed):
                return
        pods = self._kubelet.active_pods()
        disk = {uid_of(pod): self._pod_disk(pod) for pod in pods} if self._is_disk(resource) else {}
        measured = candidates(pods, self._services.runtime.pods, stats, disk)
        victim = self.eviction.victim(threshold, measured, observed)
        if victim is None:
            log.warning("short of %s, and no pod can be evicted", resource)
            return
        self._services.metrics.evictions.add((threshold.signal,))
        await self._evict(victim)

    @staticmethod
    def _is_disk(resource: str) -> bool:
        return resource == "ephemeral-storage"

    def _pod_disk(self, pod: Object) -> int:
        """Return the room that a pod's volumes, logs and containers' files take."""
        directory, uid = self._services.pods_directory, uid_of(pod)
        roots = [directory / sandbox.id for sandbox in self._services.runtime.status(uid).sandboxes]
        volumes = self._services.volumes.layout.pod(uid)
        return disk_usage(volumes, pod_log_directory(directory, pod), *roots)

    async def _evict(self, victim: Victim) -> None:
        teller(self._services.recorder, victim.pod)("Warning", REASON, victim.message)
        why = Termination(reason=REASON, message=victim.message, grace_s=victim.grace_s)
        ended = self._kubelet.terminate(uid_of(victim.pod), why)
        if ended is None:
            return
        try:
            async with asyncio.timeout(_CLEANUP_S):
                await ended.wait()
        except TimeoutError:
            log.warning("an evicted pod has not ended in %g s", _CLEANUP_S)

    # --- images

    async def _look_at_images(self) -> None:
        runtime = self._services.runtime
        runtime.images_changed = False
        self._images = await runtime.images()
        self._image_gc.observe(self._images, self._in_use(), self._services.clock())
        self._node.set_images(image_list(self._images))

    def _in_use(self) -> Collection[str]:
        """Return the names of the images that some container is of."""
        references = {
            container.image_ref
            for seen in self._services.runtime.pods.values()
            for container in seen.containers
        }
        return [name for name in self._images if self._services.runtime.ref(name) in references]

    async def _collect_images(self) -> None:
        self._image_gc.observe(self._images, self._in_use(), self._services.clock())
        capacity = int(self._capacity["ephemeral-storage"])
        available = max(0, capacity - self._disk - sum(self._images.values()))
        now = self._services.clock()
        collected = self._image_gc.collect(capacity, available, self._in_use(), now)
        if collected is None:
            return
        await self._remove(collected)
        if collected.failure:
            self._node.on_event("Warning", "FreeDiskSpaceFailed", collected.failure)

    async def _remove(self, collected: Collected) -> None:
        for image in collected.images:
            log.info("image %s is removed: nobody uses it", image)
            await self._services.runtime.remove_image(image)
        if collected.images:
            await self._look_at_images()
