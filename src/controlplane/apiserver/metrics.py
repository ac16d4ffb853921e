"""Numbers about the server, under upstream's names where it has them."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from controlplane.apiserver.cacher import Cacher
from controlplane.apiserver.request_info import RequestInfo

_CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class _CacherCollector(Collector):
    def __init__(self, cacher: Cacher) -> None:
        self._cacher = cacher

    def collect(self) -> list[GaugeMetricFamily]:
        objects = GaugeMetricFamily(
            "apiserver_storage_objects", "Stored objects by resource.", labels=["resource"]
        )
        watches = GaugeMetricFamily(
            "apiserver_longrunning_requests", "Open watches by resource.", labels=["resource"]
        )
        for cache in self._cacher.caches():
            name = cache.kind.resource.qualified
            objects.add_metric([name], len(cache))
            watches.add_metric([name], cache.watches)
        revision = GaugeMetricFamily(
            "apiserver_storage_revision", "The newest revision.", value=self._cacher.revision
        )
        return [objects, watches, revision]


class Metrics:
    """Counts requests; shows what the cacher holds."""

    def __init__(self, cacher: Cacher) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(_CacherCollector(cacher))
        labels = ("verb", "resource", "code")
        self._requests = Counter(
            "apiserver_request", "Requests answered.", labels, registry=self._registry
        )
        self._seconds = Histogram(
            "apiserver_request_duration_seconds",
            "How long answers took, watches and logs left out.",
            ("verb", "resource"),
            buckets=_BUCKETS,
            registry=self._registry,
        )
        self._counters: dict[tuple[str, str, int], Callable[[], None]] = {}
        self._timers: dict[tuple[str, str], Callable[[float], None]] = {}

    def answered(self, info: RequestInfo, code: int, seconds: float | None) -> None:
        """Count one answer; *seconds* is None for what streams."""
        # A made-up resource must not make a new series: what is not served is told as "".
        resource = info.resource if code != 404 else ""
        key = (info.verb, resource, code)
        count = self._counters.get(key)
        if count is None:
            count = self._counters[key] = self._requests.labels(*key[:2], str(code)).inc
        count()
        if seconds is None:
            return
        observe = self._timers.get(key[:2])
        if observe is None:
            observe = self._timers[key[:2]] = self._seconds.labels(*key[:2]).observe
        observe(seconds)

    def text(self) -> tuple[bytes, str]:
        """Return the exposition and its content type."""
        return generate_latest(self._registry), _CONTENT_TYPE
