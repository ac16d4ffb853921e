"""Volumes of hollow pods: what they refer to must be there, and nothing is written.

A pod whose ConfigMap is missing waits with FailedMount as it does elsewhere. No token is asked
for: nobody would read it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from kubeapi.objects import Object, namespace_of
from nodeagent.kubelet.references import ConfigError, Configuration, references
from nodeagent.kubelet.volumes.claims import is_claimed
from nodeagent.kubelet.volumes.payload import Sources, is_projected, payload, token_keys
from nodeagent.kubelet.volumes.volume_manager import (
    FailedMount,
    Mounted,
    VolumeManager,
    shown,
)


class HollowVolumes(VolumeManager):
    """Looks pods' volumes up."""

    async def mount(self, pod: Object, mounted: Mounted, now: float) -> None:
        volumes = pod["spec"].get("volumes") or ()
        mounted.shown = shown(pod)
        configuration = Configuration({})
        if any(map(is_projected, volumes)):
            named = references(pod, variables=False)
            configuration = await self._objects.configuration(
                namespace_of(pod), named, mounted.arrived_at
            )
        for volume in volumes:
            try:
                if is_projected(volume):
                    self._look_up(pod, volume, configuration)
                elif is_claimed(volume) and not mounted.done:
                    await self._claimed.find(pod, volume)
            except ConfigError as error:
                text = f'MountVolume.SetUp failed for volume "{volume["name"]}" : {error}'
                raise FailedMount(text) from None
        mounted.refresh_at, mounted.done = now + self._refresh_s, True

    def _look_up(self, pod: Object, volume: Object, configuration: Configuration) -> None:
        """Raise ConfigError unless there is everything that a live node would write."""
        tokens = dict.fromkeys(token_keys(pod, volume), "")
        payload(
            pod,
            volume,
            Sources(configuration=configuration, tokens=tokens, allocatable=self._allocatable),
        )

    def overfull(
        self,
        pod: Object,
        mounted: Mounted,
        now: float,
        containers: Callable[[], Mapping[str, int]] = dict,
    ) -> str:
        return ""

    def unmount(self, uid: str) -> None:
        """Nothing was written."""

    def collect(self, live: Collection[str]) -> None:
        """Nothing is left of anybody."""
