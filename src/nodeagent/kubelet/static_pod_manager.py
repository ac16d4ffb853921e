"""Runs the pods of a node's manifests, and keeps their mirrors (upstream: config/file.go).

The folder is looked at each period; a file that is no pod is named once in the log, and what ran of
it before ends. Mirrors that somebody deletes are made again, a moment later.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from componentbase.clock import monotonic, rfc3339, wall
from kubeapi.client import Informer, RestClient, Unreachable
from kubeapi.objects import Object, key_of, name_of, namespace_of, uid_of
from kubeapi.resources import PODS
from kubeapi.status import StatusError
from nodeagent.kubelet.kubelet import Kubelet
from nodeagent.kubelet.static_pods import (
    SUFFIXES,
    BadManifest,
    MirrorPace,
    is_mirror,
    mirror_pod,
    mirrors,
    static_pod,
)

log = logging.getLogger(__name__)

_MANIFESTS_MAX: Final = 110
_OCTETS_MAX: Final = 1 << 20
#: More than the time between two questions of a client.
_MIRROR_GAP_S: Final = 1.0


class StaticPodManager:
    """The static pods of one node."""

    def __init__(
        self,
        kubelet: Kubelet,
        client: RestClient,
        directory: Path,
        *,
        pods: Informer,
        nodes: Informer,
    ) -> None:
        self._kubelet, self._client, self._pods, self._nodes = kubelet, client, pods, nodes
        self._directory = directory
        self._texts: Mapping[Path, str] = {}
        self._found: dict[Path, Object] = {}
        self._wake = asyncio.Event()
        self._pace = MirrorPace(_MIRROR_GAP_S)
        kubelet.on_static_change = self._wake.set

    def look(self, node_name: str) -> None:
        """Read the manifests, and have the kubelet run them."""
        texts = _texts(self._directory)
        if texts != self._texts:
            changed = {path: text for path, text in texts.items() if text != self._texts.get(path)}
            made = {path: _pod(path, text, node_name) for path, text in changed.items()}
            known = {path: pod for path, pod in self._found.items() if path in texts}
            everything = {**known, **made}
            self._found = {path: pod for path, pod in everything.items() if pod is not None}
            self._texts = texts
        self._kubelet.set_static({key_of(pod): pod for pod in self._found.values()})

    async def run(self, node_name: str, period_s: float) -> None:
        """Follow manifests and mirrors, for ever."""
        await self._pods.wait_synced()
        await self._nodes.wait_synced()
        while True:
            self._wake.clear()
            self.look(node_name)
            wait_s = period_s
            try:
                wait_s = min(wait_s, await self._reconcile(node_name))
            except (StatusError, Unreachable) as error:
                log.warning("mirror pods: %s", error)
            try:
                async with asyncio.timeout(wait_s):
                    await self._wake.wait()
            except TimeoutError:
                pass

    async def _reconcile(self, node_name: str) -> float:
        """Let there be a mirror of each static pod, and no others; return when to look again."""
        wanted = self._kubelet.static
        for mirror in [each for each in self._pods.items() if is_mirror(each)]:
            pod = wanted.get(key_of(mirror))
            if pod is None or not mirrors(mirror, pod):
                await self._delete(mirror)
        node = self._nodes.get(node_name)
        wait_s = math.inf
        for key, pod in wanted.items():
            if self._pods.get(key) is not None:
                self._pace.there(key)
                continue
            now = monotonic()
            left_s = self._pace.due_at(key, now) - now
            if left_s > 0:
                wait_s = min(wait_s, left_s)
            elif node is not None:
                await self._create(pod, node)
                self._pace.there(key)
        return wait_s

    async def _create(self, pod: Object, node: Object) -> None:
        log.info("making the mirror of %s", key_of(pod))
        try:
            await self._client.create(PODS, mirror_pod(pod, node), namespace_of(pod))
        except StatusError as error:
            if error.reason != "AlreadyExists":
                raise

    async def _delete(self, mirror: Object) -> None:
        try:
            await self._client.delete(
                PODS, name_of(mirror), namespace_of(mirror), grace_s=0, uid=uid_of(mirror)
            )
        except StatusError as error:
            if error.reason not in ("NotFound", "Conflict"):
                raise


def _texts(directory: Path) -> Mapping[Path, str]:
    """Return the contents of the manifests."""
    found: dict[Path, str] = {}
    try:
        paths = sorted(directory.iterdir())
    except OSError:
        return found
    manifests = [each for each in paths if each.suffix in SUFFIXES and each.name[0] != "."]
    for path in manifests[:_MANIFESTS_MAX]:
        try:
            if path.stat().st_size <= _OCTETS_MAX:
                found[path] = path.read_text()
        except (OSError, UnicodeError) as error:
            log.warning("manifest %s: %s", path, error)
    return found


def _pod(path: Path, text: str, node_name: str) -> Object | None:
    try:
        return static_pod(text, node_name, rfc3339(wall()))
    except BadManifest as error:
        log.error("manifest %s: %s", path, error)
        return None
