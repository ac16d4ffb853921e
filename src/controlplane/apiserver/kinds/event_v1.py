"""Events as events.k8s.io/v1 has them: core/v1's under other names, judged more strictly.

Upstream: pkg/apis/events/v1/conversion.go, and ValidateEventCreate for what is new in this version:
who reports must be said, and what only core/v1 can say must be left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from controlplane.apiserver.kinds import event
from controlplane.apiserver.kinds.kind import Kind
from kubeapi import field, validation
from kubeapi.objects import Object
from kubeapi.resources import EVENTS, EVENTS_V1
from kubeapi.status import Cause

_LENGTH_MAX: Final = 128
_NOTE_MAX: Final = 1024
_SERIES_MIN: Final = 2
_TYPES: Final = ("Normal", "Warning")
#: This version's names → core/v1's.
_NAMES: Final[Mapping[str, str]] = {
    "note": "message",
    "regarding": "involvedObject",
    "reportingController": "reportingComponent",
    "deprecatedSource": "source",
    "deprecatedFirstTimestamp": "firstTimestamp",
    "deprecatedLastTimestamp": "lastTimestamp",
    "deprecatedCount": "count",
}
_CORE_NAMES: Final = {core: name for name, core in _NAMES.items()}
_ABOUT: Final = ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath")


def to_core(obj: Object) -> Object:
    """Return the core/v1 Event."""
    return {_NAMES.get(k, k): v for k, v in obj.items()} | {"apiVersion": EVENTS.api_version}


def from_core(obj: Object) -> Object:
    """Return the events.k8s.io/v1 Event."""
    return {_CORE_NAMES.get(k, k): v for k, v in obj.items()} | {
        "apiVersion": EVENTS_V1.api_version
    }


def validate(obj: Object) -> list[Cause]:
    """Judge what a client creates in this version."""
    return [*_validate_reporter(obj), *_validate_text(obj), *_validate_deprecated(obj)]


def _validate_reporter(obj: Object) -> Iterator[Cause]:
    if not obj.get("eventTime"):
        yield field.required("eventTime")
    controller = str(obj.get("reportingController") or "")
    if not controller:
        yield field.required("reportingController")
    for message in validation.qualified_name(controller) if controller else ():
        yield field.invalid("reportingController", controller, message)
    for name in ("reportingInstance", "action", "reason"):
        value = str(obj.get(name) or "")
        if not value:
            yield field.required(name)
        elif len(value) > _LENGTH_MAX:
            detail = f"can have at most {_LENGTH_MAX} characters"
            yield field.invalid(name, "", detail)


def _validate_text(obj: Object) -> Iterator[Cause]:
    if len(obj.get("note") or "") > _NOTE_MAX:
        yield field.invalid("note", "", f"can have at most {_NOTE_MAX} characters")
    kind = str(obj.get("type") or "")
    if kind not in _TYPES:
        yield field.invalid("type", "", f"has invalid value: {kind}")
    series: Object | None = obj.get("series")
    if series is None:
        return
    if (series.get("count") or 0) < _SERIES_MIN:
        yield field.invalid("series.count", "", f"should be at least {_SERIES_MIN}")
    if not series.get("lastObservedTime"):
        yield field.required("series.lastObservedTime")


def _validate_deprecated(obj: Object) -> Iterator[Cause]:
    for name in _NAMES:
        if name.startswith("deprecated") and obj.get(name):
            yield field.invalid(name, "", "needs to be unset")


EVENT_V1: Final = Kind(
    resource=EVENTS_V1,
    singular="event",
    short_names=("ev",),
    validate=validate,
    columns=event.COLUMNS,
    cells=lambda obj, now: event.row(to_core(obj), now),
    hub=event.EVENT,
    to_hub=to_core,
    from_hub=from_core,
    hub_fields={
        **{f"regarding.{name}": f"involvedObject.{name}" for name in _ABOUT},
        "reason": "reason",
        "reportingController": "reportingComponent",
        "type": "type",
    },
)
