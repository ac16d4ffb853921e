"""What an autoscaler looks at: metrics, each from one source, each with a target."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from controlplane.apiserver.kinds.pod.scheduling import validate_label_selector
from controlplane.apiserver.kinds.rbac.names import path_segment
from kubeapi import field, validation
from kubeapi.objects import Object
from kubeapi.quantity import QuantityError, parse_quantity
from kubeapi.status import Cause

_TARGETS: Final = ("Utilization", "Value", "AverageValue")
_NONE_GIVEN: Final = "must populate information for the given metric source"
_ONE_ONLY: Final = "must populate the given metric source only"
_VALUE, _AVERAGE, _SHARE = "value", "averageValue", "averageUtilization"


def validate_metrics(metrics: Sequence[Object], path: str) -> Iterator[Cause]:
    for index, metric in enumerate(metrics):
        yield from _validate_metric(metric, f"{path}[{index}]")


def _validate_metric(metric: Object, path: str) -> Iterator[Cause]:
    kind = metric.get("type") or ""
    if not kind:
        yield field.required(f"{path}.type", "must specify a metric source type")
    given = [key for key in _SOURCES.values() if metric.get(key) is not None]
    for key in given[:1]:
        yield from _JUDGES[key](metric[key], f"{path}.{key}")
    expected = _SOURCES.get(kind)
    if expected is None:
        yield field.not_supported(f"{path}.type", kind, sorted(_SOURCES))
    elif expected not in given:
        yield field.required(f"{path}.{expected}", _NONE_GIVEN)
    if len(given) != 1:
        for key in given:
            if key != expected:
                yield field.forbidden(f"{path}.{key}", _ONE_ONLY)


def validate_reference(reference: Object, path: str) -> Iterator[Cause]:
    """Judge a CrossVersionObjectReference."""
    for key in ("kind", "name"):
        if not (value := reference.get(key)):
            yield field.required(f"{path}.{key}")
        else:
            yield from validation.validate_name(value, f"{path}.{key}", path_segment)


def _identifier(source: Object, path: str) -> Iterator[Cause]:
    metric, at = source.get("metric") or {}, f"{path}.metric"
    if not (name := metric.get("name")):
        yield field.required(f"{at}.name", "must specify a metric name")
    else:
        yield from validation.validate_name(name, f"{at}.name", path_segment)
    yield from validate_label_selector(metric.get("selector"), f"{at}.selector")


def _target(source: Object, path: str) -> Iterator[Cause]:
    target, at = source.get("target") or {}, f"{path}.target"
    if not (kind := target.get("type") or ""):
        yield field.required(f"{at}.type", "must specify a metric target type")
    if kind not in _TARGETS:
        detail = "must be either Utilization, Value, or AverageValue"
        yield field.invalid(f"{at}.type", kind, detail)
    for key in (_VALUE, _AVERAGE):
        if target.get(key) is not None and not _is_positive(target[key]):
            yield field.invalid(f"{at}.{key}", str(target[key]), "must be positive")
    if target.get(_SHARE) is not None and target[_SHARE] < 1:
        yield field.invalid(f"{at}.{_SHARE}", target[_SHARE], "must be greater than 0")


def _is_positive(text: str | int | float) -> bool:
    try:
        return parse_quantity(text) > 0
    except QuantityError:
        return False


def _given(source: Object, *keys: str) -> list[str]:
    target = source.get("target") or {}
    return [key for key in keys if target.get(key) is not None]


def _object(source: Object, path: str) -> Iterator[Cause]:
    yield from validate_reference(source.get("describedObject") or {}, f"{path}.describedObject")
    yield from _identifier(source, path)
    yield from _target(source, path)
    if not _given(source, _VALUE, _AVERAGE):
        detail = "must set either a target value or averageValue"
        yield field.required(f"{path}.target.{_AVERAGE}", detail)


def _external(source: Object, path: str) -> Iterator[Cause]:
    yield from _identifier(source, path)
    yield from _target(source, path)
    given = _given(source, _VALUE, _AVERAGE)
    if not given:
        detail = "must set either a target value for metric or a per-pod target"
        yield field.required(f"{path}.target.{_AVERAGE}", detail)
    elif len(given) > 1:
        detail = "may not set both a target value for metric and a per-pod target"
        yield field.forbidden(f"{path}.target.{_VALUE}", detail)


def _pods(source: Object, path: str) -> Iterator[Cause]:
    yield from _identifier(source, path)
    yield from _target(source, path)
    if not _given(source, _AVERAGE):
        detail = "must specify a positive target averageValue"
        yield field.required(f"{path}.target.{_AVERAGE}", detail)


def _container_resource(source: Object, path: str) -> Iterator[Cause]:
    if not source.get("container"):
        yield field.required(f"{path}.container", "must specify a container")
    yield from _resource(source, path)


def _resource(source: Object, path: str) -> Iterator[Cause]:
    if not source.get("name"):
        yield field.required(f"{path}.name", "must specify a resource name")
    yield from _target(source, path)
    given = _given(source, _SHARE, _AVERAGE)
    if not given:
        detail = "must set either a target raw value or a target utilization"
        yield field.required(f"{path}.target.{_SHARE}", detail)
    elif len(given) > 1:
        detail = "may not set both a target raw value and a target utilization"
        yield field.forbidden(f"{path}.target.{_AVERAGE}", detail)


#: Types of metrics → where each has its source, in the order they are looked for.
_SOURCES: Final[Mapping[str, str]] = {
    "Object": "object",
    "External": "external",
    "Pods": "pods",
    "Resource": "resource",
    "ContainerResource": "containerResource",
}
_JUDGES: Final[Mapping[str, Callable[[Object, str], Iterator[Cause]]]] = {
    "object": _object,
    "external": _external,
    "pods": _pods,
    "resource": _resource,
    "containerResource": _container_resource,
}
