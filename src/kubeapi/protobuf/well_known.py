"""Messages that JSON has another form for (upstream: the types' MarshalJSON).

Each function gets the message's own fields and returns the value; None stands for what JSON would
leave out.
"""

from __future__ import annotations

import base64
import datetime
import json
from collections.abc import Callable, Mapping
from typing import Final

from kubeapi.objects import Object

_META: Final = "k8s.io.apimachinery.pkg.apis.meta.v1"
_EPOCH: Final = datetime.datetime(1970, 1, 1)
_STRING: Final = 1  # intstr.String


class Unfit(ValueError):
    """A message holds what its JSON form cannot say."""


def _moment(fields: Object) -> datetime.datetime | None:
    if not fields.get("seconds") and not fields.get("nanos"):
        return None
    microseconds = fields.get("nanos", 0) // 1000
    try:
        passed = datetime.timedelta(seconds=fields.get("seconds", 0), microseconds=microseconds)
        return _EPOCH + passed
    except OverflowError:
        raise Unfit("a time lies before the year 1 or after 9999") from None


def _time(fields: Object) -> str | None:
    moment = _moment(fields)
    return None if moment is None else f"{moment.isoformat(timespec='seconds')}Z"


def _micro_time(fields: Object) -> str | None:
    moment = _moment(fields)
    return None if moment is None else f"{moment.isoformat(timespec='microseconds')}Z"


def _quantity(fields: Object) -> object:
    return fields.get("string") or "0"


def _int_or_string(fields: Object) -> object:
    if fields.get("type") == _STRING:
        return fields.get("strVal", "")
    return fields.get("intVal", 0)


def _embedded_json(fields: Object) -> object:
    text = base64.b64decode(fields.get("raw") or fields.get("Raw") or "")
    if not text:
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Unfit(f"an embedded object is no JSON: {error}") from None


def _list(fields: Object) -> object:
    return fields.get("items", [])


CONVERTED: Final[Mapping[str, Callable[[Object], object]]] = {
    f"{_META}.Time": _time,
    f"{_META}.MicroTime": _micro_time,
    f"{_META}.FieldsV1": _embedded_json,
    "k8s.io.apimachinery.pkg.api.resource.Quantity": _quantity,
    "k8s.io.apimachinery.pkg.util.intstr.IntOrString": _int_or_string,
    "k8s.io.apimachinery.pkg.runtime.RawExtension": _embedded_json,
    "k8s.io.api.authentication.v1.ExtraValue": _list,
    "k8s.io.api.authorization.v1.ExtraValue": _list,
    "k8s.io.api.certificates.v1.ExtraValue": _list,
}
