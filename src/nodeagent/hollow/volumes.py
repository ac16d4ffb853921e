"""Volumes of hollow pods: what they refer to must be there, and nothing is written.

A pod whose ConfigMap is missing waits with FailedMount as it does elsewhere. No token is asked
for: nobody would read it.
"""

from __future__ import annotations

from collections.abc import Collection

from kubeapi.objects import Object, namespace_of
from nodeagent.kubelet.references import ConfigError, references
from nodeagent.kubelet.volumes.payload import Sources, is_projected, payload, token_keys
from nodeagent.kubelet.volumes.volume_manager import FailedMount, Mounted, VolumeManager


class HollowVolumes(VolumeManager):
    """Looks pods' volumes up."""

    async def mount(self, pod: Object, mounted: Mounted, now: float) -> None:
        projected = [each for each in pod["spec"].get("volumes") or () if is_projected(each)]
        if projected:
            named = references(pod, variables=False)
            configuration = await self._objects.configuration(
                namespace_of(pod), named, mounted.arrived_at
            )
        for volume in projected:
            tokens = dict.fromkeys(token_keys(pod, volume), "")
            sources = Sources(
                configuration=configuration, tokens=tokens, allocatable=self._allocatable
            )
            try:
                payload(pod, volume, sources)
            except ConfigError as error:
                text = f'MountVolume.SetUp failed for volume "{volume["name"]}" : {error}'
                raise FailedMount(text) from None
        mounted.refresh_at, mounted.done = now + self._refresh_s, True

    def overfull(self, pod: Object, mounted: Mounted, now: float) -> str:
        return ""

    def unmount(self, uid: str) -> None:
        """Nothing was written."""

    def collect(self, live: Collection[str]) -> None:
        """Nothing is left of anybody."""
