"""Volumes of claims: found by their claim, made below the node's own file system, cleared away.

A claim leads to its volume, and that to a directory below `hostfs`: where hostPath and local say,
for all other sources one of the volume's own, which no other node shares. The pod's volume is a
link there, so it goes with the pod, and the directory does not. Directories of the provisioner
`podwire.io/local-path` go once the API does not know their volume any more.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Collection
from pathlib import Path
from typing import Final

from componentbase.directories import remove_tree
from kubeapi.client import RestClient, Unreachable
from kubeapi.objects import Object, controller_of, is_being_deleted, name_of, namespace_of, uid_of
from kubeapi.resources import PERSISTENTVOLUMECLAIMS, PERSISTENTVOLUMES, Resource
from kubeapi.status import StatusError, is_not_found
from nodeagent.kubelet.references import ConfigError
from nodeagent.kubelet.volumes.layout import Layout, prepare_host_path

log = logging.getLogger(__name__)

#: Where the provisioner's directories are on a node (docs/internals/contracts.md, section 22).
LOCAL_PATH_ROOT: Final = "/var/lib/local-path-provisioner"
_OTHER_SOURCES: Final = "/var/lib/kubelet/plugins"


def is_claimed(volume: Object) -> bool:
    """Tell whether a pod's volume is that of a claim."""
    return volume.get("persistentVolumeClaim") is not None or volume.get("ephemeral") is not None


class ClaimedVolumes:
    """The volumes of claims that pods of this node have."""

    def __init__(self, client: RestClient, layout: Layout) -> None:
        self._client, self._layout = client, layout

    async def mount(self, pod: Object, volume: Object) -> None:
        """Let the pod's volume lead to its directory.

        Raises ConfigError, OSError, StatusError and Unreachable.
        """
        persistent = await self.find(pod, volume)
        place, source = self._place(persistent)
        self._layout.host_root.mkdir(mode=0o755, parents=True, exist_ok=True)
        is_new = not os.path.lexists(place)
        prepare_host_path(place, source)
        if is_new and place.is_dir():
            place.chmod(0o777)
        _link(self._layout.volume(uid_of(pod), volume), place)

    async def find(self, pod: Object, volume: Object) -> Object:
        """Return the volume that the pod's claim is bound to."""
        namespace, name = namespace_of(pod), _claim_name(pod, volume)
        what = f"error processing PVC {namespace}/{name}"
        claim = await self._get(PERSISTENTVOLUMECLAIMS, name, namespace)
        if claim is None:
            raise ConfigError(f'{what}: persistentvolumeclaims "{name}" not found')
        if is_being_deleted(claim):
            raise ConfigError(f"{what}: PVC is being deleted")
        if volume.get("ephemeral") is not None:
            owner = controller_of(claim) or {}
            if owner.get("uid") != uid_of(pod):
                raise ConfigError(f"{what}: PVC was not created for pod (pod is not owner)")
        bound_to = claim["spec"].get("volumeName") or ""
        if (claim.get("status") or {}).get("phase") != "Bound" or not bound_to:
            raise ConfigError(f"{what}: PVC is not bound")
        if claim["spec"].get("volumeMode") == "Block":
            raise ConfigError(f"{what}: block volumes are not supported")
        found = await self._get(PERSISTENTVOLUMES, bound_to)
        reference = ((found or {}).get("spec") or {}).get("claimRef") or {}
        if found is None or reference.get("uid") != uid_of(claim):
            raise ConfigError(f"{what}: PV {bound_to} is not bound to it")
        return found

    async def _get(
        self, resource: Resource, name: str, namespace: str | None = None
    ) -> Object | None:
        try:
            return await self._client.get(resource, name, namespace)
        except StatusError as error:
            if is_not_found(error):
                return None
            raise

    def _place(self, persistent: Object) -> tuple[Path, Object]:
        """Return where a volume is on this node, and as what it is to be there."""
        spec, made = persistent["spec"], {"type": "DirectoryOrCreate"}
        if spec.get("hostPath") is not None:
            source = spec["hostPath"]
            return self._layout.host_path(str(source.get("path") or "/")), source
        if spec.get("local") is not None:
            return self._layout.host_path(str(spec["local"].get("path") or "/")), made
        return self._layout.host_path(f"{_OTHER_SOURCES}/{name_of(persistent)}"), made

    async def run(self, period_s: float) -> None:
        """Clear away what volumes left that are gone, for ever."""
        while True:
            await asyncio.sleep(period_s)
            try:
                await self.collect()
            except (StatusError, Unreachable) as error:
                log.info("volumes that are gone: %s", error)

    async def collect(self) -> None:
        """Remove directories of volumes that the API does not know; raises as requests do."""
        root = self._layout.host_path(LOCAL_PATH_ROOT)
        try:
            here = os.listdir(root)
        except FileNotFoundError:
            return
        if not here:
            return
        # Listed after the directories: what is made meanwhile is not among *here*.
        listed = await self._client.list(PERSISTENTVOLUMES)
        for entry in _left(here, {name_of(one) for one in listed["items"]}):
            log.info("directory %s of a volume that is gone removed", entry)
            remove_tree(root / entry)


def _claim_name(pod: Object, volume: Object) -> str:
    source = volume.get("persistentVolumeClaim")
    return f"{name_of(pod)}-{volume['name']}" if source is None else str(source["claimName"])


def _left(here: Collection[str], known: Collection[str]) -> list[str]:
    """Return the directories whose volume is not known; their names begin with its name."""
    return [entry for entry in sorted(here) if entry.split("_", 1)[0] not in known]


def _link(at: Path, place: Path) -> None:
    """Make *at* a link to *place*, whatever it was."""
    if at.is_symlink() and os.readlink(at) == str(place):
        return
    at.parent.mkdir(parents=True, exist_ok=True)
    if at.is_dir() and not at.is_symlink():
        return  # Made by an agent of an earlier version, and in use.
    new = at.with_name(f"{at.name}.new")
    new.unlink(missing_ok=True)
    new.symlink_to(place)
    new.replace(at)
