"""Is kube-proxy alive and heard? (upstream: pkg/proxy/healthcheck, ProxyHealthServer, port 10256).

Clouds' load balancers ask `/healthz` of every node and leave out those that do not say 200: a node
whose kube-proxy is stuck, and one that is about to be deleted. `/livez` asks about kube-proxy
alone. A change that the datapath has not been told of for two sync periods is what stuck means.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Final

from componentbase.clock import Clock, rfc3339
from kubeapi.objects import Object, is_being_deleted

PORT: Final = 10256
_LEAVING_TAINT: Final = "ToBeDeletedByClusterAutoscaler"

Answer = tuple[int, Mapping[str, str], str]


def is_eligible(node: Object) -> bool:
    """Tell whether balancers may send to *node*; {} is one that nobody knows yet."""
    if not node:
        return True
    taints = (node.get("spec") or {}).get("taints") or ()
    return not is_being_deleted(node) and all(each["key"] != _LEAVING_TAINT for each in taints)


class ProxierHealth:
    """Notes changes and syncs; *node* returns this node's object."""

    def __init__(
        self, timeout_s: float, node: Callable[[], Object], monotonic: Clock, wall: Clock
    ) -> None:
        self._timeout_s, self._node = timeout_s, node
        self._monotonic, self._wall = monotonic, wall
        self._queued_at: float | None = None  # The oldest change that is not synced.
        self._updated_at: float | None = None  # Wall clock.

    def queued(self) -> None:
        """Take note of a change."""
        if self._queued_at is None:
            self._queued_at = self._monotonic()

    def updated(self) -> None:
        """Everything that had changed is on its way to the datapath."""
        self._queued_at, self._updated_at = None, self._wall()

    def answer(self, path: str) -> Answer:
        """Return status, headers and body."""
        now, eligible = self._wall(), is_eligible(self._node())
        headers = {"Content-Type": "application/json", "X-Content-Type-Options": "nosniff"}
        is_live = self._updated_at is not None and not self._is_stuck()
        updated = now if is_live else self._updated_at
        body: dict[str, object] = {
            "lastUpdated": "" if updated is None else rfc3339(updated),
            "currentTime": rfc3339(now),
        }
        if path == "/livez":
            return 200 if is_live else 503, headers, json.dumps(body)
        if path != "/healthz":
            return 404, {"Content-Type": "text/plain"}, "404 page not found\n"
        status = 200 if is_live and eligible else 503
        return status, headers, json.dumps(body | {"nodeEligible": eligible})

    def _is_stuck(self) -> bool:
        queued_at = self._queued_at
        return queued_at is not None and self._monotonic() - queued_at > self._timeout_s
