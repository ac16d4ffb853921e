"""Events: what happened to an object, counted (core/v1; events.k8s.io shares the same fields)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from controlplane.apiserver.kinds import cells, metadata
from controlplane.apiserver.kinds.kind import Cell, Column, Kind
from kubeapi import field, validation
from kubeapi.objects import Object, name_of, namespace_of
from kubeapi.resources import EVENTS
from kubeapi.status import Cause

_INVOLVED: Final = (
    "kind",
    "namespace",
    "name",
    "uid",
    "apiVersion",
    "resourceVersion",
    "fieldPath",
)


def default(event: Object) -> None:
    """Write down who reports, as upstream's conversion does; events live in `default` at least."""
    for key in ("source", "involvedObject"):
        if event.get(key) is None:
            event[key] = {}
    event.setdefault("reportingComponent", "")
    event.setdefault("reportingInstance", "")


def validate(event: Object) -> list[Cause]:
    causes = metadata.validate(event, validation.dns1123_subdomain)
    about = (event.get("involvedObject") or {}).get("namespace") or ""
    # What is in no namespace, a node for example, has its events in `default`.
    if namespace_of(event) != (about or "default"):
        detail = "does not match event.namespace"
        causes.append(field.invalid("involvedObject.namespace", about, detail))
    return causes


def fields(event: Object) -> Mapping[str, str]:
    about, source = event.get("involvedObject") or {}, event.get("source") or {}
    reporter = event.get("reportingComponent") or ""
    return {
        **{f"involvedObject.{key}": about.get(key) or "" for key in _INVOLVED},
        "reason": event.get("reason") or "",
        "reportingComponent": reporter,
        "source": source.get("component") or reporter,
        "type": event.get("type") or "",
    }


COLUMNS: Final = (
    Column("Last Seen", description="Time since it last happened."),
    Column("Type", description="Normal or Warning."),
    Column("Reason", description="Why, in one word for machines."),
    Column("Object", description="What it happened to."),
    Column("Subobject", priority=1, description="The part of the object."),
    Column("Source", priority=1, description="Who reports it."),
    Column("Message", description="What happened, for people."),
    Column("First Seen", priority=1, description="Time since it first happened."),
    Column("Count", priority=1, description="How often it happened."),
    Column("Name", format="name", priority=1, description="Name of the event."),
)


def row(event: Object, now: float) -> Sequence[Cell]:
    about = event.get("involvedObject") or {}
    kind = str(about.get("kind") or "").lower()
    first = cells.since(event.get("firstTimestamp") or event.get("eventTime"), now)
    last = cells.since(event["lastTimestamp"], now) if event.get("lastTimestamp") else first
    count = event.get("count") or 1
    if series := event.get("series"):
        last, count = cells.since(series.get("lastObservedTime"), now), series.get("count", 0)
    return (
        last,
        event.get("type") or "",
        event.get("reason") or "",
        f"{kind}/{about['name']}" if about.get("name") else kind,
        about.get("fieldPath") or "",
        _source(event),
        str(event.get("message") or "").strip(),
        first,
        count,
        name_of(event),
    )


def _source(event: Object) -> str:
    source = event.get("source") or {}
    component = source.get("component") or event.get("reportingComponent") or ""
    host = source.get("host") or event.get("reportingInstance") or ""
    return f"{component}, {host}" if host else component


EVENT: Final = Kind(
    resource=EVENTS,
    singular="event",
    short_names=("ev",),
    default=default,
    validate=validate,
    validate_update=metadata.validate_update,
    fields=fields,
    columns=COLUMNS,
    cells=row,
)
