"""Probes as a state machine without I/O (upstream: pkg/kubelet/prober/worker.go).

A `ProbeWorker` belongs to one probe of one running container: it says when to probe next and
turns single outcomes into a verdict by the thresholds. The terminationGracePeriodSeconds of a probe
is `pod_spec`'s.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from kubeapi.objects import Object


class ProbeType(Enum):
    """Which of the three probes; the value is the field of the container's spec."""

    STARTUP = "startupProbe"
    LIVENESS = "livenessProbe"
    READINESS = "readinessProbe"

    @property
    def title(self) -> str:
        """Return the word that events begin with."""
        return self.name.capitalize()


class Verdict(Enum):
    """What the outcomes so far mean."""

    UNKNOWN = "unknown"
    SUCCESS = "success"
    FAILURE = "failure"


#: Before the first outcome: alive, not ready, not known to have started.
_INITIAL = {
    ProbeType.STARTUP: Verdict.UNKNOWN,
    ProbeType.LIVENESS: Verdict.SUCCESS,
    ProbeType.READINESS: Verdict.FAILURE,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeSpec:
    """v1.Probe's numbers with the API's defaults."""

    initial_delay_s: float = 0
    period_s: float = 10
    timeout_s: float = 1
    success_threshold: int = 1
    failure_threshold: int = 3

    @classmethod
    def of(cls, probe: Object) -> ProbeSpec:
        """Read v1.Probe; absent and zero both mean the default."""
        return cls(
            initial_delay_s=probe.get("initialDelaySeconds") or 0,
            period_s=probe.get("periodSeconds") or 10,
            timeout_s=probe.get("timeoutSeconds") or 1,
            success_threshold=probe.get("successThreshold") or 1,
            failure_threshold=probe.get("failureThreshold") or 3,
        )


class ProbeWorker:
    """One probe of one container, from its start to its end."""

    def __init__(self, kind: ProbeType, spec: ProbeSpec, started_at: float) -> None:
        self.kind, self.spec = kind, spec
        self.verdict = _INITIAL[kind]
        self._next_at = started_at + spec.initial_delay_s
        self._last: bool | None = None
        self._in_a_row = 0
        #: A container that failed liveness or startup is about to be killed: probing it
        #: further would only repeat the verdict (upstream: onHold).
        self.finished = False

    def deadline(self) -> float:
        """Return when to probe next."""
        return self._next_at

    def begun(self, now: float) -> None:
        """Note that a probe starts now."""
        self._next_at = now + self.spec.period_s

    def hurry(self, now: float) -> None:
        """Probe as soon as possible: a startup probe has just succeeded."""
        self._next_at = min(self._next_at, now)

    def observe(self, success: bool) -> bool:
        """Take one outcome; return whether the verdict changed."""
        self._in_a_row = self._in_a_row + 1 if success is self._last else 1
        self._last = success
        threshold = self.spec.success_threshold if success else self.spec.failure_threshold
        if self._in_a_row < threshold:
            return False
        verdict = Verdict.SUCCESS if success else Verdict.FAILURE
        changed = verdict is not self.verdict
        self.verdict = verdict
        done_on = {
            ProbeType.STARTUP: (Verdict.SUCCESS, Verdict.FAILURE),
            ProbeType.LIVENESS: (Verdict.FAILURE,),
            ProbeType.READINESS: (),
        }
        self.finished = verdict in done_on[self.kind]
        return changed


def resume(worker: ProbeWorker, *, was_good: bool) -> None:
    """Take over a container of which a former kubelet already knew the verdict.

    Upstream starts from nothing after a restart and lets the pod turn unready for a moment; here
    the API's last word stands until the first probe says otherwise.
    """
    if was_good:
        worker.verdict = Verdict.SUCCESS
        worker.finished = worker.kind is ProbeType.STARTUP
