"""How long a change of endpoints takes until packets follow it (SLI: network programming latency).

Upstream: pkg/proxy/endpointschangetracker.go and the metric network_programming_duration_seconds.
It begins when a pod's readiness changed, which the slice's annotation tells, and ends when the
datapath has acknowledged. Upstream's buckets begin at 250 ms; ours have finer ones below, since
most changes here take a few milliseconds.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Final

from componentbase.clock import parse_rfc3339
from kubeapi.objects import Object, annotations_of, name_of, resource_version_of
from nodeagent.proxy.endpointslice_cache import service_of

TRIGGER_TIME: Final = "endpoints.kubernetes.io/last-change-trigger-time"

_METRIC: Final = "kubeproxy_network_programming_duration_seconds"
_HELP: Final = "In Cluster Network Programming Latency in seconds"

#: Changes that wait for the datapath; with more, the oldest are never measured.
PENDING_MAX: Final = 10_000

#: Upper bounds in seconds: ours below 250 ms, then upstream's.
BUCKETS: Final = (
    *(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1),
    *(0.25, 0.5),
    *(float(second) for second in range(1, 60)),
    *(float(second) for second in range(60, 120, 5)),
    *(float(second) for second in range(120, 301, 30)),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SliceChange:
    """One version of an EndpointSlice on its way into the datapath."""

    service: str  # NAMESPACE/NAME
    slice: str
    resource_version: str
    endpoints: int  # that are ready
    trigger_at: float | None  # Unix seconds of the change behind it


class Histogram:
    """Counts by bucket; the last one holds what exceeds every bound."""

    def __init__(self) -> None:
        self.counts = [0] * (len(BUCKETS) + 1)
        self.sum_s = 0.0

    def observe(self, seconds: float) -> None:
        self.counts[bisect_left(BUCKETS, seconds)] += 1
        self.sum_s += seconds

    def exposition(self) -> str:
        """Return the histogram in Prometheus' text format, under upstream's name."""
        lines = [f"# HELP {_METRIC} {_HELP}", f"# TYPE {_METRIC} histogram"]
        bounds = [*map(str, BUCKETS), "+Inf"]
        for bound, count in zip(bounds, accumulate(self.counts), strict=True):
            lines.append(f'{_METRIC}_bucket{{le="{bound}"}} {count}')
        lines.append(f"{_METRIC}_sum {self.sum_s}")
        lines.append(f"{_METRIC}_count {sum(self.counts)}")
        return "\n".join(lines) + "\n"


class NetworkProgramming:
    """Slices that changed, until their datapath has them."""

    def __init__(self) -> None:
        self.latency = Histogram()
        self._seen: list[SliceChange] = []
        self._synced: list[SliceChange] = []
        self._began_at: float | None = None

    def slice_changed(self, endpoint_slice: Object, *, deleted: bool = False) -> None:
        """Note a slice's new version; what the first list shows is no change."""
        service = service_of(endpoint_slice)
        if not self.begun or service is None or deleted:
            return
        self._seen.append(
            SliceChange(
                service="/".join(service),
                slice=name_of(endpoint_slice),
                resource_version=resource_version_of(endpoint_slice),
                endpoints=_ready(endpoint_slice),
                trigger_at=trigger_time(endpoint_slice),
            )
        )
        del self._seen[:-PENDING_MAX]

    @property
    def begun(self) -> bool:
        """Tell whether changes are counted: everything that was there has been synced."""
        return self._began_at is not None

    def begin(self, now: float) -> None:
        """Count from here on: triggers before *now* (Unix seconds) are not this process's doing."""
        self._began_at = now

    def synced(self) -> None:
        """What was seen so far is in the wanted tables."""
        self._synced += self._seen
        self._seen.clear()
        del self._synced[:-PENDING_MAX]

    def checkout(self) -> Sequence[SliceChange]:
        """Return what waits for the datapath's word, to be given to `acknowledged`."""
        waiting, self._synced = self._synced, []
        return waiting

    def acknowledged(
        self, changes: Sequence[SliceChange], now: float
    ) -> list[tuple[SliceChange, float | None]]:
        """Return each change with its latency, None where nothing tells when it began."""
        assert self._began_at is not None
        measured: list[tuple[SliceChange, float | None]] = []
        for change in changes:
            latency_s = None
            if change.trigger_at is not None and change.trigger_at >= self._began_at:
                latency_s = max(0.0, now - change.trigger_at)
                self.latency.observe(latency_s)
            measured.append((change, latency_s))
        return measured


def trigger_time(endpoint_slice: Object) -> float | None:
    """Return the slice's last change trigger time; None where it has none, or nonsense."""
    text = annotations_of(endpoint_slice).get(TRIGGER_TIME)
    try:
        return parse_rfc3339(text) if text else None
    except ValueError:
        return None


def _ready(endpoint_slice: Object) -> int:
    return sum(
        (endpoint.get("conditions") or {}).get("ready") is not False
        for endpoint in endpoint_slice.get("endpoints") or ()
    )
