"""What to make of an autoscaler: its target's size, status, events (reconcileAutoscaler)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from componentbase.clock import rfc3339
from controlplane.controllermanager.podautoscaler import limits
from controlplane.controllermanager.podautoscaler.limits import Memory, Wish
from controlplane.controllermanager.podautoscaler.metric_specs import Measured, MetricError, ask
from kubeapi.objects import Object, deep_copy, set_condition

ABLE, ACTIVE, LIMITED = "AbleToScale", "ScalingActive", "ScalingLimited"
_GOT_SCALE = "the HPA controller was able to get the target's current scale"
EventType = Literal["Normal", "Warning"]
_DISABLED = "scaling is disabled since the replica count of the target is zero"


@dataclass(slots=True)
class Outcome:
    """What is to be done and told: a new size (None: none), conditions, metrics, events."""

    conditions: list[Object]
    replicas: int | None = None
    reason: str = ""
    metrics: list[Object] = field(default_factory=list)
    events: list[tuple[EventType, str, str]] = field(default_factory=list)

    def set(self, kind: str, status: bool, reason: str, message: str, now: float) -> None:
        """Set a condition; its time is that of the last change of its status."""
        told = "True" if status else "False"
        new = {"type": kind, "status": told, "reason": reason, "message": message}
        set_condition(self.conditions, new, rfc3339(now))

    def warn(self, reason: str, text: str) -> None:
        self.events.append(("Warning", reason, text))


def begin(autoscaler: Object) -> Outcome:
    """Return an outcome with the conditions that *autoscaler* has."""
    status = deep_copy(autoscaler.get("status") or {})
    return Outcome(status.get("conditions") or [])


def without_scale(autoscaler: Object, error: str, now: float) -> Outcome:
    """Return what follows when the target's size could not be read."""
    outcome = begin(autoscaler)
    outcome.warn("FailedGetScale", error)
    message = f"the HPA controller was unable to get the target's current scale: {error}"
    outcome.set(ABLE, False, "FailedGetScale", message, now)
    return outcome


def without_selector(outcome: Outcome, reason: str, message: str, error: str, now: float) -> None:
    """Note that it is not known which pods are meant."""
    outcome.warn(reason, error)
    condition = "InvalidSelector" if reason == "SelectorRequired" else reason
    outcome.set(ACTIVE, False, condition, message, now)
    outcome.warn("FailedComputeMetricsReplicas", error)


def got_scale(autoscaler: Object, now: float) -> Outcome:
    """Return an outcome to go on with."""
    outcome = begin(autoscaler)
    outcome.set(ABLE, True, "SucceededGetScale", _GOT_SCALE, now)
    return outcome


def bounds(autoscaler: Object) -> tuple[int, int]:
    """Return how many replicas there are to be, at least and at most."""
    spec = autoscaler["spec"]
    least = spec.get("minReplicas")
    return 1 if least is None else least, spec["maxReplicas"]


def forced(autoscaler: Object, current: int, outcome: Outcome, now: float) -> bool:
    """Decide what needs no metrics; False: they are needed."""
    least, most = bounds(autoscaler)
    if current == 0 and least != 0:
        outcome.set(ACTIVE, False, "ScalingDisabled", _DISABLED, now)
    elif current > most:
        outcome.replicas, outcome.reason = most, _beyond("above", "MaxReplicas")
    elif current < least:
        outcome.replicas, outcome.reason = least, _beyond("below", "MinReplicas")
    else:
        return False
    return True


def _beyond(side: str, bound: str) -> str:
    return f"Current number of replicas {side} Spec.{bound}"


@dataclass(frozen=True, slots=True)
class _Best:
    replicas: int = 0
    name: str = ""


def decide(
    autoscaler: Object, measured: Measured, memory: Memory, outcome: Outcome, now: float
) -> None:
    """Decide by the metrics (computeReplicasForMetrics, normalizeDesiredReplicas)."""
    specs: Sequence[Object] = autoscaler["spec"]["metrics"]
    current = measured.replicas
    best, errors = _Best(), list[MetricError]()
    for number, spec in enumerate(specs):
        try:
            asked = ask(number, spec, measured, now)
        except MetricError as error:
            errors.append(error)
            outcome.metrics.append({"type": ""})
            continue
        outcome.metrics.append(asked.status)
        if best.replicas == 0 or asked.replicas > best.replicas:
            best = _Best(asked.replicas, asked.name)
    if errors:
        first = errors[0]
        if len(errors) == len(specs) or best.replicas < current:
            outcome.warn(first.reason, first.why)
            message = f"the HPA was unable to compute the replica count: {first.why}"
            outcome.set(ACTIVE, False, first.reason, message, now)
            outcome.warn("FailedComputeMetricsReplicas", _first_of(errors, len(specs)))
            return
        outcome.warn(first.reason, first.why)
    message = f"the HPA was able to successfully calculate a replica count from {best.name}"
    outcome.set(ACTIVE, True, "ValidMetricFound", message, now)
    _normalize(autoscaler, best, measured, memory, outcome, now=now)


def _first_of(errors: Sequence[MetricError], count: int) -> str:
    return f"invalid metrics ({len(errors)} invalid out of {count}), first error is: {errors[0]}"


def _normalize(
    autoscaler: Object,
    best: _Best,
    measured: Measured,
    memory: Memory,
    outcome: Outcome,
    *,
    now: float,
) -> None:
    current = measured.replicas
    least, most = bounds(autoscaler)
    wish = Wish(current=current, desired=best.replicas, least=least, most=most)
    behavior = autoscaler["spec"].get("behavior")
    window_s = measured.settings.downscale_stabilization_s
    found = limits.limit(wish, behavior, memory, window_s, now)
    outcome.set(ABLE, True, *found.stabilized, now)
    outcome.set(LIMITED, found.is_limited, *found.limited, now)
    if found.replicas == current:
        return
    outcome.replicas = found.replicas
    if best.replicas > current:
        outcome.reason = f"{best.name} above target"
    elif best.replicas < current:
        outcome.reason = "All metrics below target"


def rescaled(outcome: Outcome, error: str, now: float) -> None:
    """Note what became of the new size; *error* "": it is the target's."""
    size = f"New size: {outcome.replicas}; reason: {outcome.reason}"
    if error:
        outcome.warn("FailedRescale", f"{size}; error: {error}")
        message = f"the HPA controller was unable to update the target scale: {error}"
        outcome.set(ABLE, False, "FailedUpdateScale", message, now)
        return
    outcome.events.append(("Normal", "SuccessfulRescale", size))
    message = f"the HPA controller was able to update the target scale to {outcome.replicas}"
    outcome.set(ABLE, True, "SucceededRescale", message, now)


def status(
    autoscaler: Object, outcome: Outcome, current: int | None, *, done: bool, now: float
) -> Object:
    """Return the status to write; *done*: the target has its new size."""
    old: Mapping[str, object] = autoscaler.get("status") or {}
    new: Object = {**old, "conditions": outcome.conditions}
    generation = autoscaler["metadata"].get("generation")
    if generation is not None:
        new["observedGeneration"] = generation
    if current is None:
        return new
    wanted = outcome.replicas if outcome.replicas is not None else current
    new |= {"currentReplicas": current, "desiredReplicas": wanted if done else current}
    new["currentMetrics"] = outcome.metrics
    if outcome.replicas is not None and done:
        new["lastScaleTime"] = rfc3339(now)
    return new


def ambiguous(selector: str, rivals: Iterable[str]) -> str:
    """Return what is said of pods that several autoscalers mean."""
    names = " ".join(rivals)
    return f"pods by selector {selector} are controlled by multiple HPAs: [{names}]"
