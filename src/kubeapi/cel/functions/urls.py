"""`url('https://…')` (Kubernetes' URL library, over Go's net/url)."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import SplitResult, parse_qs, quote, unquote, urlsplit

from kubeapi.cel.errors import EvaluationError, no_such_overload
from kubeapi.cel.functions.function import Table, function, tenth
from kubeapi.cel.values import Opaque, Value

_BAD_ESCAPE: Final = re.compile(r"%(?![0-9a-fA-F]{2})")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_HOST: Final = re.compile(r"(?:\[[^\[\]\s]+\]|[^\[\]:\s<>\"]*)(?::\d*)?")
_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
#: What Go leaves as it is in a path.
_PATH_SAFE: Final = "/$&+,;=:@!'()*~-_."


class Url(Opaque):
    __slots__ = ("parts", "text")
    TYPE = "kubernetes.URL"

    def __init__(self, text: str, parts: SplitResult) -> None:
        self.text, self.parts = text, parts

    def identity(self) -> object:
        return self.text


def _split(text: str) -> SplitResult | None:
    """Return the parts, or None (url.ParseRequestURI)."""
    if not text or _CONTROL.search(text) or not (text[0] == "/" or _SCHEME.match(text)):
        return None
    try:
        parts = urlsplit(text)
        host = parts.netloc.rpartition("@")[2]
        wrong = _BAD_ESCAPE.search(parts.path) or not _HOST.fullmatch(host) or " " in parts.netloc
    except ValueError:
        return None
    relative = parts.scheme and not parts.netloc and not parts.path.startswith("/")
    return None if wrong or (relative and not parts.path) else parts


def _url(text: Value) -> Url:
    if not isinstance(text, str):
        raise no_such_overload()
    parts = _split(text)
    if parts is None:
        why = f'parse "{text}": invalid URI for request'
        raise EvaluationError(f"URL parse error during conversion from string: {why}")
    return Url(text, parts)


def is_url(text: Value) -> bool:
    if not isinstance(text, str):
        raise no_such_overload()
    return _split(text) is not None


def _parts(value: Value) -> SplitResult:
    if not isinstance(value, Url):
        raise no_such_overload()
    return value.parts


def _host(value: Value) -> str:
    return _parts(value).netloc.rpartition("@")[2]


def _hostname(value: Value) -> str:
    host = _host(value)
    return host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]


def _port(value: Value) -> str:
    host = _host(value)
    return host.rpartition("]")[2].rpartition(":")[2] if ":" in host.rpartition("]")[2] else ""


def _scheme(value: Value) -> str:
    return _parts(value).scheme


def _escaped_path(value: Value) -> str:
    return quote(unquote(_parts(value).path), safe=_PATH_SAFE)


def _query(value: Value) -> dict[str, list[str]]:
    return parse_qs(_parts(value).query, keep_blank_values=True)


_U: Final = Url.TYPE
GLOBAL: Final[Table] = {
    "url": function(_url, f"string -> {_U}", cost=tenth),
    "isURL": function(is_url, "string -> bool", cost=tenth),
}
MEMBER: Final[Table] = {
    "getScheme": function(_scheme, f"{_U} -> string"),
    "getHost": function(_host, f"{_U} -> string"),
    "getHostname": function(_hostname, f"{_U} -> string"),
    "getPort": function(_port, f"{_U} -> string"),
    "getEscapedPath": function(_escaped_path, f"{_U} -> string"),
    "getQuery": function(_query, f"{_U} -> map"),
}
