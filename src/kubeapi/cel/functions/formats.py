"""`format.dns1123Label().validate('…')` (Kubernetes' format library)."""

from __future__ import annotations

import base64
import binascii
import datetime
import re
from collections.abc import Callable, Mapping
from typing import Final

from kubeapi import validation
from kubeapi.cel.errors import EvaluationError, no_such_overload
from kubeapi.cel.functions.function import Function, Table, function, tenth
from kubeapi.cel.functions.urls import is_url
from kubeapi.cel.values import NONE, Opaque, OptionalValue, Value, parse_timestamp

_UUID: Final = re.compile(r"[0-9a-fA-F]{8}-?(?:[0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}", re.ASCII)
_Rule = Callable[[str], list[str]]


class NamedFormat(Opaque):
    __slots__ = ("name",)
    TYPE = "kubernetes.NamedFormat"

    def __init__(self, name: str) -> None:
        self.name = name

    def identity(self) -> object:
        return self.name


def _prefix(rule: _Rule) -> _Rule:
    """Judge what a name generated from it would begin with: a dash may end it."""

    def judge(text: str) -> list[str]:
        return rule(text[:-1] + "a" if text.endswith("-") and len(text) > 1 else text)

    return judge


def _uri(text: str) -> list[str]:
    return [] if is_url(text) else [f'parse "{text}": invalid URI for request']


def _uuid(text: str) -> list[str]:
    return [] if _UUID.fullmatch(text) else ["does not match the UUID format"]


def _byte(text: str) -> list[str]:
    try:
        base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return ["invalid base64"]
    return [] if text else ["invalid base64"]


def _date(text: str) -> list[str]:
    try:
        whole = len(text) == len("2021-01-01") and bool(datetime.date.fromisoformat(text))
    except ValueError:
        whole = False
    return [] if whole else ["invalid date"]


def _datetime(text: str) -> list[str]:
    try:
        parse_timestamp(text)
    except EvaluationError:
        return ["invalid datetime"]
    return []


_FORMATS: Final[Mapping[str, _Rule]] = {
    "dns1123Label": validation.dns1123_label,
    "dns1123Subdomain": validation.dns1123_subdomain,
    "dns1035Label": validation.dns1035_label,
    "qualifiedName": validation.qualified_name,
    "dns1123LabelPrefix": _prefix(validation.dns1123_label),
    "dns1123SubdomainPrefix": _prefix(validation.dns1123_subdomain),
    "dns1035LabelPrefix": _prefix(validation.dns1035_label),
    "labelValue": validation.label_value,
    "uri": _uri,
    "uuid": _uuid,
    "byte": _byte,
    "date": _date,
    "datetime": _datetime,
}


def _named(name: Value) -> OptionalValue:
    if not isinstance(name, str):
        raise no_such_overload()
    return OptionalValue(True, NamedFormat(name)) if name in _FORMATS else NONE


def _validate(value: Value, text: Value) -> OptionalValue:
    if not isinstance(value, NamedFormat) or not isinstance(text, str):
        raise no_such_overload()
    wrong = _FORMATS[value.name](text)
    return OptionalValue(True, wrong) if wrong else NONE


def _constant(name: str) -> Function:
    def call() -> NamedFormat:
        return NamedFormat(name)

    return function(call, f"-> {NamedFormat.TYPE}")


GLOBAL: Final[Table] = {
    "format.named": function(_named, f"string -> optional({NamedFormat.TYPE})"),
    **{f"format.{name}": _constant(name) for name in _FORMATS},
}
MEMBER: Final[Table] = {
    "validate": function(
        _validate, f"{NamedFormat.TYPE}, string -> optional(list(string))", cost=tenth
    ),
}
