"""What a failover looks like in the API: facts in, timeline entries out.

Pure: the shell hands in what its informers saw and the time. Every entry appears once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from kubeapi.objects import Object, condition, is_being_deleted, labels_of, name_of

_LEASE_SLACK: Final = 1.5  # Renewals are jittered; later than this they were missed.


@dataclass(frozen=True, slots=True)
class Entry:
    """A moment of the timeline: Unix seconds, and what happened."""

    at: float
    what: str
    style: str = ""


class FailoverObserver:
    """Watches one node die and come back, and one Service's endpoints and pods around it."""

    def __init__(
        self,
        node: str,
        service: str,
        *,
        replicas: int,
        lease_renew_s: float,
        tell: Callable[[Entry], None],
    ) -> None:
        self._node, self._service, self._replicas = node, service, replicas
        self._lease_renew_s, self._tell = lease_renew_s, tell
        self._said: dict[str, float] = {}
        self._renewed_at: float | None = None
        self._killed_at: float | None = None
        self._started_at: float | None = None

    def moment(self, key: str) -> float | None:
        """Return when *key* ("kill", "not-ready", "endpoints-out", …) was seen."""
        return self._said.get(key)

    def _say(self, key: str, now: float, what: str, style: str = "") -> None:
        if key not in self._said:
            self._said[key] = now
            self._tell(Entry(now, what, style))

    def killed(self, pods: Iterable[Object], now: float) -> None:
        """Note the kill, and which pods went with it."""
        self._killed_at = now
        dead = sum(pod["spec"].get("nodeName") == self._node for pod in pods)
        self._say(
            "kill",
            now,
            f"{self._node} killed: SIGKILL to all its processes, {dead} pods",
            "bold red",
        )

    def started(self, now: float) -> None:
        self._started_at = now
        self._say("start", now, f"{self._node} is started again", "bold")

    def lease_renewed(self, lease: Object, now: float) -> None:
        if name_of(lease) == self._node:
            self._renewed_at = now

    def tick(self, now: float) -> None:
        """Look for what did not happen: a Lease that was not renewed in time."""
        if self._killed_at is None or self._renewed_at is None:
            return
        if now - self._renewed_at > _LEASE_SLACK * self._lease_renew_s:
            self._say("lease-missed", now, f"{self._node} missed renewing its Lease", "yellow")

    def node_changed(self, node: Object, now: float) -> None:
        if name_of(node) != self._node or self._killed_at is None:
            return
        ready = condition(node, "Ready")
        status = ready["status"] if ready else "Unknown"
        if status != "True" and self._started_at is None:
            reason = ready.get("reason", "") if ready else ""
            self._say("not-ready", now, f"{self._node} NotReady (Ready={status}, {reason})", "red")
        elif status == "True" and self._started_at is not None:
            self._say("node-back", now, f"{self._node} Ready again", "bold green")

    def endpoints_changed(self, slices: Iterable[Object], now: float) -> None:
        """Note when no ready endpoint of the Service is left on the dead node."""
        if self._killed_at is None or self._started_at is not None:
            return
        ready = [
            endpoint
            for one in slices
            if labels_of(one).get("kubernetes.io/service-name") == self._service
            for endpoint in one.get("endpoints") or ()
            if (endpoint.get("conditions") or {}).get("ready") is not False
        ]
        if all(endpoint.get("nodeName") != self._node for endpoint in ready):
            text = f"endpoints out: {self._service} now has {len(ready)}, none on {self._node}"
            self._say("endpoints-out", now, text, "yellow")

    def pods_changed(self, pods: Iterable[Object], now: float) -> None:
        """Note the eviction and the moment all replicas are Ready on living nodes."""
        if self._killed_at is None:
            return
        pods = list(pods)
        if any(is_being_deleted(p) and p["spec"].get("nodeName") == self._node for p in pods):
            self._say("evicted", now, f"pods of {self._node} evicted, replacements made", "yellow")
        ready = [pod for pod in pods if is_ready(pod) and pod["spec"]["nodeName"] != self._node]
        if "evicted" in self._said and len(ready) >= self._replicas:
            nodes = sorted({str(pod["spec"]["nodeName"]) for pod in ready})
            text = f"pods replaced: {len(ready)} Ready on {', '.join(nodes)}"
            self._say("replaced", now, text, "green")


def is_ready(pod: Object) -> bool:
    """Tell whether a pod is Ready and nobody has deleted it."""
    ready = condition(pod, "Ready")
    return ready is not None and ready["status"] == "True" and not is_being_deleted(pod)
