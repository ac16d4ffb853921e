"""When the change began that a new EndpointSlice shows (upstream: TriggerTimeTracker).

Upstream: staging/src/k8s.io/endpointslice/trigger_time_tracker.go. The earliest transition of a
pod's Ready condition since the last look at the Service, or the creation of a Service that is
new, goes into an annotation from which kube-proxy measures its network programming latency.

metav1.Time has whole seconds only. Upstream takes them as they are; here the moment at which this
process saw the change supplies the digits behind, within the second that was written: an annotation
differs from upstream's by less than a second, and its digits mean something.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from componentbase.clock import parse_rfc3339, rfc3339_micro
from kubeapi.objects import Object, condition, name_of, uid_of

ANNOTATION: Final = "endpoints.kubernetes.io/last-change-trigger-time"


@dataclass(slots=True)
class _ServiceState:
    service_uid: str
    pods: dict[str, str] = field(default_factory=dict)  # name -> Ready's lastTransitionTime


class TriggerTimeTracker:
    """Remembers, by Service, which transitions the slices show already."""

    def __init__(self) -> None:
        self._states: dict[str, _ServiceState] = {}
        self._seen: dict[str, float] = {}

    def change_seen(self, key: str, now: float) -> None:
        """Note that something of Service *key* changed; *now* is Unix seconds, as all here."""
        self._seen.setdefault(key, now)

    def compute(
        self, key: str, service: Object, pods: Iterable[Object], now: float
    ) -> float | None:
        """Return the trigger time of what *service* and *pods* show anew; None when nothing is."""
        seen = self._seen.pop(key, now)
        transitions = {name_of(pod): text for pod in pods if (text := _transition(pod))}
        known = self._states.get(key)
        self._states[key] = _ServiceState(uid_of(service), transitions)
        if known is None or known.service_uid != uid_of(service):
            return _within(service["metadata"].get("creationTimestamp") or "", seen)
        moments = [
            moment
            for name, text in transitions.items()
            if text > known.pods.get(name, "") and (moment := _within(text, seen)) is not None
        ]
        return min(moments, default=None)

    def forget(self, key: str) -> None:
        """The Service is gone."""
        self._states.pop(key, None)
        self._seen.pop(key, None)


def _transition(pod: Object) -> str:
    found = condition(pod, "Ready")
    return "" if found is None else str(found.get("lastTransitionTime") or "")


def _within(text: str, seen: float) -> float | None:
    """Return the moment that *text* tells, with the digits of *seen* where it has none."""
    try:
        second = parse_rfc3339(text)
    except ValueError:
        return None
    if "." in text:
        return second
    return max(second, min(seen, second + 1))


def annotated(one: Object, trigger_at: float | None) -> Object:
    """Return the slice *one* with this trigger time; without one the annotation goes."""
    metadata = dict(one["metadata"])
    annotations = dict(metadata.get("annotations") or {})
    annotations.pop(ANNOTATION, None)
    if trigger_at is not None:
        annotations[ANNOTATION] = rfc3339_micro(trigger_at)
    metadata.pop("annotations", None)
    if annotations:
        metadata["annotations"] = annotations
    return {**one, "metadata": metadata}
