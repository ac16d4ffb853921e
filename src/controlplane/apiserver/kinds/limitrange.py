"""LimitRanges: what one pod, container or claim of a namespace may ask for (core/v1).

Upstream: ValidateLimitRange. What they do to pods, the LimitRanger does.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Final

from controlplane.apiserver.kinds import cells, metadata, quantities
from controlplane.apiserver.kinds.kind import Cell, Kind
from kubeapi import field, validation
from kubeapi.objects import Object, name_of
from kubeapi.quantity import QuantityError, parse_quantity
from kubeapi.resources import LIMITRANGES
from kubeapi.status import Cause

_POD, _CONTAINER, _CLAIM = "Pod", "Container", "PersistentVolumeClaim"
_TYPES: Final = (_POD, _CONTAINER, _CLAIM)
_MIN, _MAX, _DEFAULT, _REQUEST = "min", "max", "default", "defaultRequest"
_RATIO: Final = "maxLimitRequestRatio"
_LISTS: Final = (_MAX, _MIN, _DEFAULT, _REQUEST, _RATIO)
_NO_POD: Final = "may not be specified when `type` is 'Pod'"
_SIZE: Final = "storage"
#: Resources without a domain that a limit may be set for, besides those of containers.
_STANDARD: Final = (*quantities.STANDARD, *quantities.OF_QUOTAS, _SIZE)
#: Which of two lists must not be above the other for one resource: of which the message
#: complains, the smaller and the larger list, and what it calls them.
_ORDER: Final = (
    (_MIN, _MIN, _MAX, "min value {} is greater than max value {}"),
    (_REQUEST, _MIN, _REQUEST, "min value {} is greater than default request value {}"),
    (_REQUEST, _REQUEST, _MAX, "default request value {} is greater than max value {}"),
    (
        _REQUEST,
        _REQUEST,
        _DEFAULT,
        "default request value {} is greater than default limit value {}",
    ),
    (_DEFAULT, _MIN, _DEFAULT, "min value {} is greater than default value {}"),
    (_DEFAULT, _DEFAULT, _MAX, "default value {} is greater than max value {}"),
)

_Numbers = Mapping[str, Mapping[str, Fraction]]


def default(limit_range: Object) -> None:
    """Let a container that says nothing ask for what it may have at most, or must at least."""
    spec = limit_range["spec"] = limit_range.get("spec") or {}
    spec["limits"] = spec.get("limits") or []
    for item in spec["limits"]:
        given = {key: quantities.canonicalized(item[key]) for key in _LISTS if item.get(key)}
        if item.get("type") == _CONTAINER:
            limits = {**given.get(_MAX, {}), **given.get(_DEFAULT, {})}
            requests = {**given.get(_MIN, {}), **limits, **given.get(_REQUEST, {})}
            filled = ((_DEFAULT, limits), (_REQUEST, requests))
            given |= {key: values for key, values in filled if values}
        item.update(given)


def validate(limit_range: Object) -> list[Cause]:
    causes = metadata.validate(limit_range, validation.dns1123_subdomain)
    kinds: list[str] = []
    for index, item in enumerate(limit_range["spec"]["limits"]):
        path, kind = f"spec.limits[{index}]", item.get("type") or ""
        causes += _validate_type(kind, f"{path}.type")
        if kind in kinds:
            causes.append(field.duplicate(f"{path}.type", kind))
        kinds.append(kind)
        wrong = list(_validate_lists(item, kind, path))
        causes += wrong
        if not wrong:
            causes += _validate_order(item, path)
    return causes


def _validate_type(kind: str, path: str) -> Iterator[Cause]:
    wrong = validation.qualified_name(kind)
    for message in wrong:
        yield field.invalid(path, kind, message)
    if not wrong and "/" not in kind and kind not in _TYPES:
        yield field.invalid(path, kind, "must be a standard limit type or fully qualified")


def _validate_lists(item: Object, kind: str, path: str) -> Iterator[Cause]:
    for key in _LISTS:
        at, given = f"{path}.{key}", item.get(key) or {}
        if kind == _POD and key in (_DEFAULT, _REQUEST):
            if given:
                yield field.forbidden(at, _NO_POD)
            continue
        for name, text in given.items():
            yield from _validate_name(name, kind, f"{at}[{name}]")
            yield from _validate_number(text, f"{at}[{name}]")
    if kind == _CLAIM and not any(_SIZE in (item.get(key) or {}) for key in (_MIN, _MAX)):
        detail = "either minimum or maximum storage value is required, but neither was provided"
        yield field.required(f"{path}.limits", detail)


def _validate_name(name: str, kind: str, path: str) -> Iterator[Cause]:
    wrong = validation.qualified_name(name)
    for message in wrong:
        yield field.invalid(path, name, message)
    if wrong or quantities.is_known(name):
        return
    if kind in (_POD, _CONTAINER):
        yield field.invalid(path, name, "must be a standard resource for containers")
    elif name not in _STANDARD:
        yield field.invalid(path, name, "must be a standard resource type or fully qualified")


def _validate_number(text: str | int | float, path: str) -> Iterator[Cause]:
    try:
        parse_quantity(text)
    except QuantityError as error:
        yield field.invalid(path, text, str(error))


def _validate_order(item: Object, path: str) -> Iterator[Cause]:
    """Judge the lists against one another, resource by resource."""
    given: dict[str, Mapping[str, str]] = {key: item.get(key) or {} for key in _LISTS}
    numbers = {
        key: {name: parse_quantity(text) for name, text in texts.items()}
        for key, texts in given.items()
    }
    for name in dict.fromkeys(name for key in _LISTS for name in given[key]):
        for about, small, large, detail in _ORDER:
            if name not in given[small] or name not in given[large]:
                continue
            if numbers[small][name] > numbers[large][name]:
                text = detail.format(given[small][name], given[large][name])
                at = f"{path}.{about}[{name}]"
                yield field.invalid(at, str(given[about][name]), text)
        yield from _validate_ratio(given[_RATIO], numbers, name, path)
        yield from _validate_equal(given, numbers, name, path)


def _validate_ratio(
    texts: Mapping[str, str], numbers: _Numbers, name: str, path: str
) -> Iterator[Cause]:
    if name not in texts:
        return
    at, text, ratio = f"{path}.{_RATIO}[{name}]", str(texts[name]), numbers[_RATIO][name]
    if ratio < 1:
        yield field.invalid(at, text, f"ratio {text} is less than 1")
    least, most = numbers[_MIN].get(name), numbers[_MAX].get(name)
    if least and most is not None and ratio > most / least:
        detail = f"ratio {text} is greater than max/min = {float(most / least):f}"
        yield field.invalid(at, text, detail)


def _validate_equal(
    given: Mapping[str, Mapping[str, str]], numbers: _Numbers, name: str, path: str
) -> Iterator[Cause]:
    """Find a default of devices or huge pages that asks for less than it may have."""
    if quantities.is_overcommittable(name):
        return
    limit, request = numbers[_DEFAULT].get(name), numbers[_REQUEST].get(name)
    if limit is not None and request is not None and limit != request:
        texts = given[_DEFAULT][name], given[_REQUEST][name]
        detail = f"default value {texts[0]} must equal to defaultRequest value {texts[1]} in {name}"
        yield field.invalid(f"{path}.{_REQUEST}[{name}]", texts[1], detail)


def row(limit_range: Object, _now: float) -> Sequence[Cell]:
    return name_of(limit_range), cells.created_at(limit_range)


LIMITRANGE: Final = Kind(
    resource=LIMITRANGES,
    singular="limitrange",
    short_names=("limits",),
    default=default,
    validate=validate,
    validate_update=metadata.validate_update,
    columns=(cells.NAME, cells.CREATED_AT),
    cells=row,
)
