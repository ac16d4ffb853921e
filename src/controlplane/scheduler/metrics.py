"""Numbers about scheduling, under upstream's names, with its labels and buckets (metrics.go).

Not here: goroutines, what each plugin took (plugin_execution_duration_seconds: a clock read around
each of them would cost more than most of them do), and Go's own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from componentbase.clock import Clock
from componentbase.series import Counter, Gauge, Histogram, Labels, Series, exponential

_ATTEMPTS_SHOWN: Final = 15
SCHEDULED, UNSCHEDULABLE, ERROR = "scheduled", "unschedulable", "error"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """How much there is, read when somebody asks."""

    pending: Callable[[], Mapping[str, int]]  # by queue
    cached: Callable[[], Mapping[str, int]]  # by type
    refused: Callable[[], Mapping[Labels, float]]  # by plugin and profile


class Laps:
    """Times extension points, one after the other, and counts whom they asked."""

    def __init__(
        self,
        ran: Callable[[str, str, float], None],
        evaluated: Callable[[str, str, int], None],
        monotonic: Clock,
    ) -> None:
        self._ran, self._monotonic = ran, monotonic
        #: Is told a plugin, its extension point, and how often it was asked there.
        self.evaluated = evaluated
        self._began_at = 0.0

    def begin(self) -> None:
        self._began_at = self._monotonic()

    def end(self, point: str, *, fits: bool = True) -> None:
        """Count what has passed since `begin`, or since the last end, for *point*."""
        now = self._monotonic()
        self._ran(point, "Success" if fits else "Unschedulable", now - self._began_at)
        self._began_at = now


def _by_name(read: Callable[[], Mapping[str, int]]) -> Callable[[], Mapping[Labels, float]]:
    return lambda: {(name,): count for name, count in read().items()}


class SchedulerMetrics:
    """Counts what the scheduler does."""

    def __init__(self) -> None:
        by_result = ("result", "profile")
        attempt = exponential(0.001, 2, 15)
        self._attempts = Counter(
            "scheduler_schedule_attempts", "Attempts to schedule pods, by result.", by_result
        )
        self._attempt_seconds = Histogram(
            "scheduler_scheduling_attempt_duration_seconds",
            "Scheduling attempt latency: algorithm and binding.",
            by_result,
            attempt,
        )
        self._algorithm_seconds = Histogram(
            "scheduler_scheduling_algorithm_duration_seconds",
            "Scheduling algorithm latency.",
            (),
            attempt,
        )
        self._victims = Histogram(
            "scheduler_preemption_victims", "Selected victims.", (), exponential(1, 2, 7)
        )
        self._preemptions = Counter("scheduler_preemption_attempts", "Preemption attempts.", ())
        self._sli_seconds = Histogram(
            "scheduler_pod_scheduling_sli_duration_seconds",
            "From the first attempt until a pod is scheduled.",
            ("attempts",),
            exponential(0.01, 2, 20),
        )
        self._needed = Histogram(
            "scheduler_pod_scheduling_attempts",
            "Attempts that it took to schedule a pod.",
            (),
            exponential(1, 2, 5),
        )
        self._points = Histogram(
            "scheduler_framework_extension_point_duration_seconds",
            "How long all plugins of an extension point take.",
            ("extension_point", "status", "profile"),
            exponential(0.0001, 2, 12),
        )
        self._permit_seconds = Histogram(
            "scheduler_permit_wait_duration_seconds",
            "How long pods wait for the word of Permit plugins.",
            ("result",),
            attempt,
        )
        self._evaluations = Counter(
            "scheduler_plugin_evaluation",
            "How often a plugin was asked at an extension point.",
            ("plugin", "extension_point", "profile"),
        )
        self._incoming = Counter(
            "scheduler_queue_incoming_pods", "Pods added to queues.", ("queue", "event")
        )

    def attempted(self, profile: str, result: str, seconds: float) -> None:
        """One attempt has ended."""
        self._attempts.add((result, profile))
        self._attempt_seconds.observe((result, profile), seconds)

    def decided(self, seconds: float) -> None:
        """A node was searched for, found or not."""
        self._algorithm_seconds.observe((), seconds)

    def scheduled(self, attempts: int, since_first_s: float) -> None:
        """A pod has got its node."""
        label = str(attempts) if attempts < _ATTEMPTS_SHOWN else f"{_ATTEMPTS_SHOWN}+"
        self._sli_seconds.observe((label,), since_first_s)
        self._needed.observe((), attempts)

    def preempted(self, victims: int) -> None:
        """Room was looked for among pods that matter less; *victims* have to go."""
        self._preemptions.add(())
        if victims:
            self._victims.observe((), victims)

    def ran(self, point: str, status: str, profile: str, seconds: float) -> None:
        """The plugins of an extension point were asked."""
        self._points.observe((point, status, profile), seconds)

    def waited(self, result: str, seconds: float) -> None:
        """A pod has waited for a Permit plugin."""
        self._permit_seconds.observe((result,), seconds)

    def laps(self, profile: str, monotonic: Clock) -> Laps:
        """Return the stopwatch of a profile's extension points."""
        return Laps(
            lambda point, status, s: self.ran(point, status, profile, s),
            lambda plugin, point, n: self._evaluations.add((plugin, point, profile), n),
            monotonic,
        )

    def came(self, queue: str, event: str) -> None:
        """A pod went into a queue because of an event."""
        self._incoming.add((queue, event))

    def series(self, sizes: Sizes) -> Sequence[Series]:
        """Return everything."""
        return (
            self._attempts,
            self._attempt_seconds,
            self._algorithm_seconds,
            self._victims,
            self._preemptions,
            self._sli_seconds,
            self._needed,
            self._points,
            self._permit_seconds,
            self._evaluations,
            self._incoming,
            Gauge("scheduler_pending_pods", "Pending pods.", ("queue",), _by_name(sizes.pending)),
            Gauge(
                "scheduler_unschedulable_pods",
                "Pods that wait because a plugin refused them.",
                ("plugin", "profile"),
                sizes.refused,
            ),
            Gauge(
                "scheduler_cache_size",
                "Nodes, pods and assumed pods in the cache.",
                ("type",),
                _by_name(sizes.cached),
            ),
        )
