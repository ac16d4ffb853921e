"""The kubelet's centre: which pods have a worker (upstream: pkg/kubelet/kubelet.go, syncLoop).

Workers come from two sides: pods that the API puts on this node, and pods that the runtime runs
and the API does not know (left behind while the agent was away).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from pathlib import Path

from componentbase.clock import rfc3339, wall
from componentbase.series import Gauge, Series
from componentbase.tasks import Tasks
from kubeapi.client import Informer
from kubeapi.objects import Object, is_being_deleted, key_of, make_key, uid_of
from nodeagent.kubelet.metrics import by_source, running_containers, running_pods
from nodeagent.kubelet.pod_config import container_log_path, pod_log_directory
from nodeagent.kubelet.pod_spec import containers_by_name
from nodeagent.kubelet.pod_status import Termination
from nodeagent.kubelet.pod_worker import PodWorker, orphan_pod
from nodeagent.kubelet.runtime_status import ContainerStatus
from nodeagent.kubelet.services import NodeServices
from nodeagent.kubelet.static_pods import is_mirror, is_static_source, mirrors, with_status
from nodeagent.kubelet.streaming import Place

log = logging.getLogger(__name__)


class Kubelet:
    """The pod workers of this node, by pod uid."""

    def __init__(self, services: NodeServices, pods: Informer) -> None:
        self._services, self._pods = services, pods
        self._workers: dict[str, PodWorker] = {}
        self._tasks = Tasks()
        self._api_known = False
        #: The pods of this node's manifests, by key.
        self.static: dict[str, Object] = {}
        self.on_static_change: Callable[[], None] = lambda: None
        services.statuses.mirror_of = self.mirror_of
        services.runtime.on_change = self._runtime_changed
        pods.add_handler(
            on_add=self._pod_changed,
            on_update=lambda old, new: self._pod_updated(old, new),
            on_delete=self._pod_deleted,
        )

    def _pod_updated(self, old: Object, new: Object) -> None:
        if uid_of(old) != uid_of(new):
            self._pod_deleted(old)  # Deleted and made again between two looks.
        self._pod_changed(new)

    def _pod_changed(self, pod: Object) -> None:
        if is_mirror(pod):
            self._mirror_changed(pod)
            return
        worker = self._workers.get(uid_of(pod))
        if worker is not None:
            worker.update(pod)
        else:
            self._add_worker(PodWorker(self._services, pod))

    def _mirror_changed(self, mirror: Object) -> None:
        """The worker of a static pod goes by the status that the API has of it."""
        pod = self.static.get(key_of(mirror))
        worker = self._workers.get(uid_of(pod)) if pod is not None else None
        if pod is not None and worker is not None and mirrors(mirror, pod):
            worker.update(with_status(pod, mirror))
        else:
            self.on_static_change()

    def set_static(self, wanted: Mapping[str, Object]) -> None:
        """Run the static pods *wanted*, by their keys, and end others.

        A pod whose manifest has changed begins when the one before it has ended.
        """
        uids = {uid_of(pod) for pod in wanted.values()}
        for worker in [each for uid, each in self._workers.items() if uid not in uids]:
            pod = worker.pod
            if is_static_source(pod) and not is_being_deleted(pod):
                metadata = {**pod["metadata"], "deletionTimestamp": rfc3339(wall())}
                worker.update({**pod, "metadata": metadata})
        self.static = dict(wanted)
        running = {key_of(each.pod) for each in self._workers.values()}
        for key, pod in wanted.items():
            if key not in running:
                mirror = self._pods.get(key)
                known = mirror if mirror is not None and mirrors(mirror, pod) else None
                self._add_worker(PodWorker(self._services, with_status(pod, known)))

    def mirror_of(self, pod: Object) -> Object | None:
        """Return whose status in the API is that of *pod*: its own, or its mirror's."""
        if not is_static_source(pod):
            return pod
        mirror = self._pods.get(key_of(pod))
        return mirror if mirror is not None and mirrors(mirror, pod) else None

    def _pod_deleted(self, pod: Object) -> None:
        if is_mirror(pod):
            self._services.statuses.forget(uid_of(pod))
            self.on_static_change()
            return
        worker = self._workers.get(uid_of(pod))
        if worker is not None:
            worker.removed()

    def _add_worker(self, worker: PodWorker) -> None:
        self._workers[worker.uid] = worker
        self._tasks.spawn(self._work(worker), name=f"pod worker {worker.uid}")

    async def _work(self, worker: PodWorker) -> None:
        try:
            await worker.run()
        finally:
            del self._workers[worker.uid]
            if is_static_source(worker.pod):
                self._services.host_network.pod_gone(worker.pod)
                self.on_static_change()

    def _runtime_changed(self, uids: list[str]) -> None:
        for uid in uids:
            worker = self._workers.get(uid)
            if worker is not None:
                worker.wake()
        self._end_orphans()

    def wake_all(self) -> None:
        """Let every worker look again: the network or the runtime came."""
        for worker in self._workers.values():
            worker.wake()

    def _end_orphans(self) -> None:
        """End what runs here without the API knowing it, once both sides were heard."""
        if not self._api_known:
            return
        for uid, seen in self._services.runtime.pods.items():
            if uid not in self._workers:
                log.info("pod %s/%s is an orphan", seen.namespace, seen.name)
                pod = orphan_pod(seen, wall())
                self._add_worker(PodWorker(self._services, pod, orphan=True))

    async def run(self, resync_s: float) -> None:
        """Adopt what runs, then look at everything again at each resync, for ever."""
        await self._pods.wait_synced()
        await self._services.runtime.listed.wait()
        self._api_known = True
        self._end_orphans()
        self._services.volumes.collect(self.live_uids())
        self.wake_all()
        while True:
            await asyncio.sleep(resync_s)
            self.wake_all()

    async def close(self) -> None:
        """Work no more; what runs is left as it is."""
        await self._tasks.close()

    def active_pods(self) -> list[Object]:
        """Return the pods of which something may run."""
        return [worker.pod for worker in self._workers.values() if not worker.ended.is_set()]

    def admitted_pods(self) -> list[Object]:
        """Return the pods that have their share of the node."""
        workers = self._workers.values()
        return [each.pod for each in workers if each.admitted and not each.ended.is_set()]

    def terminate(self, uid: str, why: Termination) -> asyncio.Event | None:
        """End a pod for good; the event says when it has ended. None: there is no such pod."""
        worker = self._workers.get(uid)
        if worker is None:
            return None
        worker.terminate(why)
        return worker.ended

    def series(self) -> list[Series]:
        """Return the kubelet's numbers; what can be counted is counted when somebody asks."""
        services, runtime = self._services, self._services.runtime
        source, mirrors = ("static",), self._pods.items
        return [
            Gauge(
                "kubelet_node_name", "Whose numbers.", ("node",), lambda: {(services.node_name,): 1}
            ),
            Gauge("kubelet_desired_pods", "Pods.", source, lambda: by_source(self.pods())),
            Gauge(
                "kubelet_active_pods",
                "Pods of which something may run.",
                source,
                lambda: by_source(self.active_pods()),
            ),
            Gauge(
                "kubelet_mirror_pods",
                "Mirrors of static pods.",
                (),
                lambda: {(): sum(map(is_mirror, mirrors()))},
            ),
            Gauge(
                "kubelet_running_pods",
                "Pods that have a sandbox.",
                (),
                lambda: running_pods(runtime.pods.values()),
            ),
            Gauge(
                "kubelet_running_containers",
                "Containers, by their states.",
                ("container_state",),
                lambda: running_containers(runtime.pods.values()),
            ),
            Gauge(
                "kubelet_pleg_last_seen_seconds",
                "When the runtime was last listed.",
                (),
                lambda: {(): runtime.listed_at},
            ),
            *services.metrics.counters(),
        ]

    def probe_series(self) -> list[Series]:
        """Return the numbers of this node's probes."""
        return [self._services.metrics.probes, self._services.metrics.probe_seconds]

    def pods(self) -> list[Object]:
        """Return the pods of this node."""
        return [worker.pod for worker in self._workers.values()]

    def running(self, namespace: str, pod: str, container: str) -> bool:
        """Tell whether a container may still write to its log."""
        status = self._container(namespace, pod, container)
        return status is not None and status.running

    def log_path(self, namespace: str, pod: str, container: str, *, previous: bool) -> Path:
        """Return a container's log file; raises LookupError in upstream's words."""
        current = self._container(namespace, pod, container)
        api_pod = self._pod(namespace, pod)
        if api_pod is None:
            raise LookupError(f'pod "{pod}" in namespace "{namespace}" not found')
        if container not in containers_by_name(api_pod):
            raise LookupError(f'container "{container}" in pod "{pod}" is not available')
        if previous and (current is None or not current.attempt):
            text = f'previous terminated container "{container}" in pod "{pod}" not found'
            raise LookupError(text)
        if current is None:
            waiting = f'container "{container}" in pod "{pod}" is waiting to start'
            raise LookupError(f"{waiting}: ContainerCreating")
        directory = pod_log_directory(self._services.pods_directory, api_pod)
        return container_log_path(directory, container, current.attempt - previous)

    def _pod(self, namespace: str, name: str) -> Object | None:
        """Return the pod that runs here under a name of the API."""
        key = make_key(namespace, name)
        return self.static.get(key) or self._pods.get(key)

    def _container(self, namespace: str, pod: str, container: str) -> ContainerStatus | None:
        api_pod = self._pod(namespace, pod)
        if api_pod is None:
            return None
        return self._services.runtime.status(uid_of(api_pod)).container(container)

    def container_place(self, namespace: str, pod: str, container: str) -> Place:
        """Return where a running container takes streams; raises LookupError."""
        status = self._container(namespace, pod, container)
        if status is None or not status.running:
            raise LookupError(f'container not found ("{container}")')
        return Place(socket=self._stream_socket(status.sandbox_id), container_id=status.id)

    def sandbox_place(self, namespace: str, pod: str) -> Place:
        """Return where a running pod takes streams; raises LookupError."""
        api_pod = self._pod(namespace, pod)
        sandbox = self._services.runtime.status(uid_of(api_pod)).sandbox if api_pod else None
        if sandbox is None or not sandbox.ready:
            raise LookupError(f'pod "{pod}" in namespace "{namespace}" is not running')
        return Place(socket=self._stream_socket(sandbox.id))

    def _stream_socket(self, sandbox_id: str) -> Path:
        return self._services.pods_directory / sandbox_id / "stream.sock"

    def live_uids(self) -> list[str]:
        """Return the pods that may hold an address."""
        return list(dict.fromkeys((*self._workers, *self._services.runtime.pods)))
