"""What a request asks for, read from its method and path (upstream: request.RequestInfo).

The path is split by hand: a few comparisons instead of a table of hundreds of routes. It is
unquoted first, as Go does it, so `%2F` is a slash; and it is not cleaned: `..` is a name like any
other, and as a name refused. (Upstream takes `.` and `..` as namespaces in which nothing is.)
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl, unquote

from kubeapi.status import bad_request

Query = Mapping[str, str]

#: Subresources that are connections (upstream: rest.Connecter).
STREAMS: Final = ("exec", "attach", "portforward", "proxy")

_QUERY_FIELDS_MAX: Final = 1000
_VERBS: Final[Mapping[str, str]] = {
    "GET": "get",
    "HEAD": "get",
    "POST": "create",
    "PUT": "update",
    "PATCH": "patch",
    "DELETE": "delete",
}
#: On a collection these verbs have names of their own.
_COLLECTION_VERBS: Final[Mapping[str, str]] = {"get": "list", "delete": "deletecollection"}
_WATCH: Final = "watch"
#: Verbs that take a field selector.
_SELECTING: Final = ("list", "watch", "deletecollection")
#: Subresources of a namespace; anything else behind a namespace's name is a resource in it.
_NAMESPACE_SUBRESOURCES: Final = ("status", "finalize")
_STEPS: Final = (".", "..")
#: A percent sign that quotes nothing.
_HALF_QUOTED: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
#: A request line may name the server, too (RFC 9112, 3.2.2).
_SERVER: Final = re.compile(r"https?://[^/?]*", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestInfo:
    """A request as authorization and dispatch see it."""

    verb: str
    path: str
    group: str = ""
    version: str = ""
    namespace: str = ""
    resource: str = ""  # Empty: no resource is asked for (discovery, health, …).
    name: str = ""
    subresource: str = ""
    rest: tuple[str, ...] = ()  # What follows the subresource: a proxy's path, else nothing's.
    #: What a list's or watch's field selector pins, by field and value.
    fields: tuple[tuple[str, str], ...] = ()

    @property
    def object_name(self) -> str:
        """Return the one object that is meant: named by the path, or pinned by a selector."""
        return self.name or dict(self.fields).get("metadata.name", "")


def is_stream(info: RequestInfo) -> bool:
    """Tell whether the request's connection is taken over, or its body handed on."""
    return info.subresource in STREAMS and info.resource in ("pods", "services", "nodes")


def parse_query(text: str) -> Query:
    """Return the query's fields, the first of each name; raises ValueError when there are many."""
    if not text:
        return {}
    fields: dict[str, str] = {}
    for name, value in parse_qsl(
        text, keep_blank_values=True, max_num_fields=_QUERY_FIELDS_MAX, errors="strict"
    ):
        fields.setdefault(name, value)
    return fields


def is_true(text: str | None) -> bool:
    """Read a boolean query parameter as upstream does: present and not false or 0."""
    return text is not None and text.lower() not in ("false", "0")


def parse_target(target: str) -> tuple[str, str]:
    """Return path and query, both still quoted, of what a request line asks for."""
    if not target.startswith("/"):
        target = _SERVER.sub("", target, count=1)
    path, _, query = target.partition("?")
    return path, query


def parse_request_info(method: str, path: str, query: Query) -> RequestInfo:
    """Read method, path (still quoted) and query.

    Raises ValueError for bad quoting, StatusError 400 for a name that cannot be one.
    """
    verb = _VERBS.get(method, method.lower())
    plain = _unquoted(path) if "%" in path else path
    if "\0" in plain:
        raise ValueError("the path holds a NUL")
    parts = plain.strip("/").split("/")
    head = 2 if parts[0] == "api" else 3
    if parts[0] not in ("api", "apis") or len(parts) <= head or plain.startswith("//"):
        return RequestInfo(verb=verb, path=path)
    group = parts[1] if head == 3 else ""
    return _resource_info(verb, path, group, parts[head - 1 :], query)


def _unquoted(path: str) -> str:
    if wrong := _HALF_QUOTED.search(path):
        raise ValueError(f"invalid URL escape {path[wrong.start() : wrong.start() + 3]!r}")
    return unquote(path, errors="strict")


def _check_names(namespace: str, name: str) -> None:
    """Raise StatusError 400 for what no path may name (upstream: IsValidPathSegmentName)."""
    if namespace in _STEPS:
        raise bad_request(f"Namespace parameter invalid: \"{namespace}\": may not be '{namespace}'")
    if name in _STEPS:
        raise bad_request(f"Name parameter invalid: \"{name}\": may not be '{name}'")
    if "%" in name:
        raise bad_request(f"Name parameter invalid: \"{name}\": may not contain '%'")


def _resource_info(verb: str, path: str, group: str, parts: list[str], query: Query) -> RequestInfo:
    version, *rest = parts
    if rest[0] == _WATCH and len(rest) > 1:  # Deprecated, and still served.
        if verb != "get":
            return RequestInfo(verb=verb, path=path)
        verb, rest = _WATCH, rest[1:]
    namespace = ""
    if rest[0] == "namespaces" and len(rest) > 1:
        namespace = rest[1]
        if len(rest) > 2 and rest[2] not in _NAMESPACE_SUBRESOURCES:
            rest = rest[2:]
    resource, name, subresource, *more = [*rest, "", ""][: max(3, len(rest))]
    _check_names(namespace, name)
    if not name:
        verb = _COLLECTION_VERBS.get(verb, verb)
    watchable = verb in ("get", "list") and subresource not in STREAMS
    if watchable and is_true(query.get(_WATCH)):
        verb = _WATCH
    return RequestInfo(
        verb=verb,
        path=path,
        group=group,
        version=version,
        namespace=namespace,
        resource=resource,
        name=name,
        subresource=subresource,
        rest=tuple(more),
        fields=_pinned(query.get("fieldSelector", "")) if verb in _SELECTING else (),
    )


def _pinned(selector: str) -> tuple[tuple[str, str], ...]:
    """Return what *selector* pins; what it says wrongly is found by who selects."""
    if not selector:
        return ()
    pairs = (part.split("=", 1) for part in selector.replace("==", "=").split(","))
    return tuple((pair[0], pair[1]) for pair in pairs if len(pair) == 2 and pair[0][-1:] != "!")
