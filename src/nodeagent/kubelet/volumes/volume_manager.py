"""The volumes of this node's pods: made before their sandboxes, kept up to date, removed.

Upstream: pkg/kubelet/volumemanager, whose reconciler mounts again what may have changed at each
sync of a pod. What a kubelet left that was killed is found by its folder's name, the pod's uid.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from componentbase.directories import remove_tree
from kubeapi.objects import Object, annotations_of, labels_of, namespace_of, uid_of
from nodeagent.kubelet.eviction import local_storage
from nodeagent.kubelet.object_cache import ObjectCache
from nodeagent.kubelet.references import ConfigError, references
from nodeagent.kubelet.volumes import atomic_writer
from nodeagent.kubelet.volumes.claims import ClaimedVolumes, is_claimed
from nodeagent.kubelet.volumes.layout import Layout, check_empty_dir, prepare_host_path
from nodeagent.kubelet.volumes.payload import Payload, Sources, is_projected, payload, token_keys
from nodeagent.kubelet.volumes.token_manager import TokenManager

log = logging.getLogger(__name__)

#: What was written is compared with the disk this often (upstream: at each sync, once a minute).
_VERIFY_S: Final = 60.0


class FailedMount(Exception):
    """A volume is not there; the text is its event's."""


@dataclass(slots=True)
class Mounted:
    """What one pod's worker knows of its volumes."""

    arrived_at: float
    #: When what may have changed is to be looked at again.
    refresh_at: float = 0.0
    #: When emptyDirs with a limit are to be measured again.
    measure_at: float = 0.0
    #: The part of the pod that downwardAPI shows, as of the last look.
    shown: tuple[Mapping[str, str], Mapping[str, str]] = field(default_factory=lambda: ({}, {}))
    done: bool = False
    #: What was written into each projected volume, and when the disk is to be asked again.
    written: dict[str, Payload] = field(default_factory=dict)
    verify_at: float = 0.0


class VolumeManager:
    """Makes the volumes of pods below the node's directory."""

    def __init__(
        self,
        layout: Layout,
        objects: ObjectCache,
        tokens: TokenManager,
        allocatable: Mapping[str, str],
        refresh_s: float,
        *,
        claimed: ClaimedVolumes,
    ) -> None:
        self.layout, self._claimed = layout, claimed
        self._objects, self._tokens, self._allocatable = objects, tokens, allocatable
        self._refresh_s = refresh_s

    def due(self, pod: Object, mounted: Mounted, now: float) -> bool:
        """Tell whether the pod's files are not there yet, or may have to change."""
        if not mounted.done:
            return True
        volumes = pod["spec"].get("volumes") or ()
        if not any(is_projected(volume) for volume in volumes):
            return False
        return now >= mounted.refresh_at or mounted.shown != shown(pod)

    async def mount(self, pod: Object, mounted: Mounted, now: float) -> None:
        """Let every volume hold what it should; raises FailedMount, StatusError, Unreachable."""
        volumes = pod["spec"].get("volumes") or ()
        mounted.shown = shown(pod)
        if now >= mounted.verify_at:
            mounted.written.clear()
            mounted.verify_at = now + _VERIFY_S
        if any(is_projected(volume) for volume in volumes):
            named = references(pod, variables=False)
            configuration = await self._objects.configuration(
                namespace_of(pod), named, mounted.arrived_at
            )
        for volume in volumes:
            try:
                if is_projected(volume):
                    tokens = {key: await self._tokens.token(key) for key in token_keys(pod, volume)}
                    sources = Sources(
                        configuration=configuration, tokens=tokens, allocatable=self._allocatable
                    )
                    files = payload(pod, volume, sources)
                    if mounted.written.get(volume["name"]) != files:
                        atomic_writer.write(self.layout.volume(uid_of(pod), volume), files)
                        mounted.written[volume["name"]] = files
                elif not is_claimed(volume):
                    self._directory(pod, volume)
                elif not mounted.done:
                    await self._claimed.mount(pod, volume)
            except (ConfigError, OSError) as error:
                name = volume["name"]
                text = f'MountVolume.SetUp failed for volume "{name}" : {error}'
                raise FailedMount(text) from None
        mounted.refresh_at, mounted.done = now + self._refresh_s, True

    def _directory(self, pod: Object, volume: Object) -> None:
        path = self.layout.volume(uid_of(pod), volume)
        if volume.get("hostPath") is not None:
            self.layout.host_root.mkdir(mode=0o755, parents=True, exist_ok=True)
            prepare_host_path(path, volume["hostPath"])
            return
        check_empty_dir(volume.get("emptyDir") or {})
        if not path.is_dir():
            path.mkdir(parents=True)
            path.chmod(0o777)

    def overfull(
        self,
        pod: Object,
        mounted: Mounted,
        now: float,
        containers: Callable[[], Mapping[str, int]] = dict,
    ) -> str:
        """Return why the pod must be evicted, "" when it need not.

        *containers* tells how much disk each container takes, if it has to be known.
        """
        if now < mounted.measure_at or not local_storage.is_limited(pod):
            return ""
        mounted.measure_at = now + self._refresh_s
        volumes = {
            volume["name"]: _usage(self.layout.volume(uid_of(pod), volume))
            for volume in pod["spec"].get("volumes") or ()
            if local_storage.is_local(volume) or "emptyDir" in volume
        }
        return local_storage.excess(pod, volumes, containers())

    def unmount(self, uid: str) -> None:
        """Remove a pod's volumes."""
        self._tokens.forget(uid)
        remove_tree(self.layout.pod(uid))

    def collect(self, live: Collection[str]) -> None:
        """Remove what pods have left that are gone (cleanupOrphanedPodDirs)."""
        try:
            found = os.listdir(self.layout.pods)
        except FileNotFoundError:
            return
        for uid in found:
            if uid not in live:
                log.info("volumes of pod %s, which is gone, removed", uid)
                self.unmount(uid)


def shown(pod: Object) -> tuple[Mapping[str, str], Mapping[str, str]]:
    return labels_of(pod), annotations_of(pod)


def _usage(path: Path) -> int:
    """Return how many octets of disk a tree takes (du)."""
    octets = 0
    for parent, _names, files in os.walk(path):
        for name in files:
            try:
                octets += os.lstat(os.path.join(parent, name)).st_blocks * 512
            except FileNotFoundError:
                continue
    return octets
