"""Numbers about the server, under upstream's names, with its labels and buckets.

Upstream: endpoints/metrics, storage/etcd3/metrics, storage/cacher/metrics. Not here: what concerns
Go, authentication and audit; `admission.metrics` and `flowcontrol.admission` have their own.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from componentbase.series import Counter, Histogram
from controlplane.apiserver.admission.metrics import AdmissionMetrics
from controlplane.apiserver.cacher import Cacher
from controlplane.apiserver.exchange import Request
from controlplane.apiserver.flowcontrol.admission import FlowControl
from controlplane.apiserver.request_info import RequestInfo

if TYPE_CHECKING:
    from prometheus_client import Metric

_SECONDS: Final = (
    *(0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.25, 1.5, 2, 3, 4, 5, 6, 8, 10),
    *(15, 20, 30, 45, 60),
)
_SIZES: Final = tuple(1000.0 * 10**power for power in range(7))
_ABOUT: Final = ("group", "version", "resource", "subresource", "scope", "component")
#: How upstream calls what is done with a resource (metrics.canonicalVerb).
_VERBS: Final = {"create": "POST", "update": "PUT"}
_READS: Final = ("get", "list")
_COMPONENT: Final = "apiserver"
_RELEASE_LABELS: Final = ("major", "minor", "git_version", "platform")


def _scope(info: RequestInfo) -> str:
    if info.name or (info.resource and info.verb == "create"):
        return "resource"
    if info.namespace:
        return "namespace"
    return "cluster" if info.resource else ""


def _about(info: RequestInfo, *, known: bool = True) -> tuple[str, ...]:
    # A made-up resource or path must not make a new series: what is not served is told as "".
    if not known:
        return "", "", "", "", _scope(info), _COMPONENT
    below = info.subresource if info.resource else info.path
    return info.group, info.version, info.resource, below, _scope(info), _COMPONENT


def _verb(info: RequestInfo, content_type: str) -> str:
    if info.verb == "patch" and content_type.startswith("application/apply-patch"):
        return "APPLY"
    return _VERBS.get(info.verb, info.verb.upper())


class Metrics:
    """Counts requests; shows what the cacher holds."""

    def __init__(
        self,
        cacher: Cacher,
        release: dict[str, str],
        admission: AdmissionMetrics,
        flow_control: FlowControl,
    ) -> None:
        self._cacher, self._release, self._admission = cacher, release, admission
        self._flow_control = flow_control
        self._requests = Counter(
            "apiserver_request",
            "Requests answered, by verb, dry run, resource, scope and code.",
            ("verb", "dry_run", *_ABOUT, "code"),
        )
        self._seconds = Histogram(
            "apiserver_request_duration_seconds",
            "How long answers took, watches, logs and streams left out.",
            ("verb", "dry_run", *_ABOUT),
            _SECONDS,
        )
        self._sizes = Histogram(
            "apiserver_response_sizes",
            "Octets of answers to reads, before compression.",
            ("verb", *_ABOUT),
            _SIZES,
        )
        self._long = Counter(
            "apiserver_longrunning_requests", "Open watches, logs and streams.", ("verb", *_ABOUT)
        )
        self._refused = Counter(
            "apiserver_request_terminations",
            "Requests that were refused because too many were worked on.",
            ("verb", *_ABOUT, "code"),
        )

    def answered(
        self,
        request: Request | RequestInfo,
        code: int,
        seconds: float | None,
        size: int = 0,
    ) -> None:
        """Count one answer; *seconds* is None for what streams."""
        info, content_type, dry_run = _facts(request)
        verb, about = _verb(info, content_type), _about(info, known=code != 404)
        self._requests.add((verb, dry_run, *about, str(code)))
        if code == 429:
            self._refused.add((verb, *about, "429"))
        if seconds is None:
            return
        self._seconds.observe((verb, dry_run, *about), seconds)
        if info.verb in _READS:
            self._sizes.observe((verb, *about), size)

    def streams(self, info: RequestInfo, change: int) -> None:
        """Count a watch or another stream that begins (1) or ends (-1)."""
        self._long.add((_verb(info, ""), *_about(info)), change)

    def text(self, accept: str) -> tuple[bytes, str]:
        """Return the exposition in the format that is accepted, and its content type."""
        from prometheus_client import CollectorRegistry, ProcessCollector
        from prometheus_client.exposition import choose_encoder

        registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        registry.register(self)
        encode, content_type = choose_encoder(accept)
        return encode(registry), content_type

    def collect(self) -> Iterator[Metric]:
        """Return everything, as Prometheus' client wants it."""
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        yield GaugeMetricFamily(
            "apiserver_storage_revision", "The newest revision.", value=self._cacher.revision
        )
        build = GaugeMetricFamily(
            "kubernetes_build_info", "Which release this is.", labels=_RELEASE_LABELS
        )
        build.add_metric([self._release[name] for name in _RELEASE_LABELS], 1)
        yield build
        own = (self._requests, self._refused, self._cacher.sent, self._cacher.terminated)
        for counter in (*own, *self._admission.counters()):
            family = CounterMetricFamily(counter.name, counter.help, labels=counter.labels)
            for labels, value in counter.values.items():
                family.add_metric(labels, value)
            yield family
        yield from self._gauges()
        yield from self._flow_control.collect()
        yield from self._histograms()

    def _gauges(self) -> Iterator[Metric]:
        from prometheus_client.core import GaugeMetricFamily

        objects = GaugeMetricFamily(
            "apiserver_storage_objects", "Stored objects by resource.", labels=["resource"]
        )
        for cache in self._cacher.caches():
            objects.add_metric([cache.kind.resource.qualified], len(cache))
        yield objects
        # A counter whose name does not end in `_total` can only be shown as a gauge.
        for plain in (self._long, *self._admission.plain_counters()):
            shown = GaugeMetricFamily(plain.name, plain.help, labels=plain.labels)
            for labels, value in plain.values.items():
                shown.add_metric(labels, value)
            yield shown
        in_flight = GaugeMetricFamily(
            "apiserver_current_inflight_requests",
            "Requests that are worked on now, by kind.",
            labels=["request_kind"],
        )
        in_flight.add_metric(["readOnly"], self._flow_control.reads)
        in_flight.add_metric(["mutating"], self._flow_control.writes)
        yield in_flight

    def _histograms(self) -> Iterator[Metric]:
        from prometheus_client.core import HistogramMetricFamily

        own = (self._seconds, self._sizes, self._cacher.store_seconds)
        for histogram in (*own, *self._admission.histograms()):
            family = HistogramMetricFamily(histogram.name, histogram.help, labels=histogram.labels)
            for labels, buckets, total in histogram.cumulative():
                family.add_metric(labels, buckets, total)
            yield family


def _facts(request: Request | RequestInfo) -> tuple[RequestInfo, str, str]:
    """Return what is asked, the body's type, and whether nothing is to be written."""
    if isinstance(request, RequestInfo):
        return request, "", ""
    dry_run = "All" if request.query.get("dryRun") == "All" else ""
    return request.info, request.content_type, dry_run
