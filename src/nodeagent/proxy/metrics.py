"""What kube-proxy counts, and its metrics server (upstream: pkg/proxy/metrics, port 10249).

Upstream's names and buckets. Left out: counts of rules, which are the datapath's tables here, and
what its conntrack cleaner does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from componentbase.process_series import process_series
from componentbase.series import Counter, Gauge, Histogram, Labels, Series, exponential, exposition
from nodeagent.proxy.proxier_health import Answer

PORT: Final = 10249
_SYNC: Final = "kubeproxy_sync_proxy_rules"
_METRICS: Final = {"Content-Type": "text/plain; version=0.0.4; charset=utf-8"}
_TEXT: Final = {"Content-Type": "text/plain; charset=utf-8"}


class ProxyMetrics:
    """The numbers of one kube-proxy."""

    def __init__(self, mode: str, no_local_endpoints: Callable[[], Mapping[str, int]]) -> None:
        self._mode, self._no_local_endpoints = mode, no_local_endpoints
        self.sync_seconds = Histogram(
            f"{_SYNC}_duration_seconds",
            "How long a sync takes, until the tables are wanted.",
            (),
            exponential(0.001, 2, 15),
        )
        self.service_changes = Counter(f"{_SYNC}_service_changes", "Changes of Services.", ())
        self.endpoint_changes = Counter(f"{_SYNC}_endpoint_changes", "Changes of slices.", ())
        self.synced_at = self.queued_at = 0.0
        #: Changes of Services and of slices that are not synced.
        self.pending: Callable[[], tuple[int, int]] = lambda: (0, 0)

    def _gauge(self, name: str, help: str, read: Callable[[], float]) -> Gauge:
        return Gauge(f"{_SYNC}_{name}", help, (), lambda: {(): read()})

    def series(self) -> list[Series]:
        """Return everything that is counted."""

        def no_local() -> Mapping[Labels, float]:
            return {(policy,): count for policy, count in self._no_local_endpoints().items()}

        return [
            self.sync_seconds,
            self.service_changes,
            self.endpoint_changes,
            self._gauge(
                "last_timestamp_seconds", "When the last sync was.", lambda: self.synced_at
            ),
            self._gauge(
                "last_queued_timestamp_seconds",
                "When a sync was last wanted.",
                lambda: self.queued_at,
            ),
            self._gauge(
                "service_changes_pending",
                "Changes of Services that wait.",
                lambda: self.pending()[0],
            ),
            self._gauge(
                "endpoint_changes_pending",
                "Changes of slices that wait.",
                lambda: self.pending()[1],
            ),
            Gauge(
                f"{_SYNC}_no_local_endpoints_total",
                "Services with a Local traffic policy and no endpoints here.",
                ("traffic_policy",),
                no_local,
            ),
        ]

    def answer(self, path: str, programming: str) -> Answer:
        """Answer the metrics server; *programming* is the latency's exposition."""
        match path:
            case "/metrics":
                return 200, _METRICS, programming + exposition([*self.series(), *process_series()])
            case "/healthz":
                return 200, _TEXT, "ok"
            case "/proxyMode":
                return 200, _TEXT, self._mode
        return 404, _TEXT, "404 page not found\n"
