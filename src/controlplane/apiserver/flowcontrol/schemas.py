"""Which FlowSchema a request belongs to (upstream: apiserver/pkg/util/flowcontrol/rule.go).

The lowest precedence that matches decides, then the name. What was decided for a user and a sort of
request is remembered, since the same ones come again and again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from controlplane.apiserver.authn import User
from controlplane.apiserver.kinds.flowcontrol import mandatory
from controlplane.apiserver.request_info import RequestInfo
from kubeapi.objects import Object, name_of, uid_of

CATCH_ALL: Final = "catch-all"
_ALL: Final = "*"
_REMEMBERED_MAX: Final = 4096
_ACCOUNT: Final = "system:serviceaccount:"


class FlowSchema:
    """One FlowSchema, and what has become of its requests."""

    def __init__(self, schema: Object) -> None:
        spec = schema["spec"]
        self.name, self.uid = name_of(schema), uid_of(schema)
        self.level: str = spec["priorityLevelConfiguration"]["name"]
        self.precedence: int = spec.get("matchingPrecedence") or 1000
        self._method = (spec.get("distinguisherMethod") or {}).get("type") or ""
        self._rules: Sequence[Object] = spec.get("rules") or ()
        self.dispatched = 0  # Requests that got a seat.

    def matches(self, info: RequestInfo, user: User) -> bool:
        """Tell whether one of its rules is about this request of *user*."""
        return any(
            any(_is_subject(subject, user) for subject in rule.get("subjects") or ())
            and _is_asked(rule, info)
            for rule in self._rules
        )

    def flow(self, info: RequestInfo, user: User) -> tuple[str, str]:
        """Return what the request is one of: the schema's requests, told apart by its method."""
        if self._method == "ByUser":
            return self.name, user.name
        return self.name, info.namespace if self._method == "ByNamespace" else ""


def _is_subject(subject: Object, user: User) -> bool:
    match subject.get("kind"):
        case "User":
            return _has([subject["user"]["name"]], user.name)
        case "Group":
            name: str = subject["group"]["name"]
            return name == _ALL or name in user.groups
        case "ServiceAccount":
            account = subject["serviceAccount"]
            namespace = f"{_ACCOUNT}{account['namespace']}:"
            if account["name"] == _ALL:
                return user.name.startswith(namespace)
            return user.name == f"{namespace}{account['name']}"
    return False


def _is_asked(rule: Object, info: RequestInfo) -> bool:
    if info.resource:
        return any(_is_resource(each, info) for each in rule.get("resourceRules") or ())
    return any(_is_url(each, info) for each in rule.get("nonResourceRules") or ())


def _is_resource(rule: Object, info: RequestInfo) -> bool:
    resource = f"{info.resource}/{info.subresource}" if info.subresource else info.resource
    if not (
        _has(rule["verbs"], info.verb)
        and _has(rule["apiGroups"], info.group)
        and _has(rule["resources"], resource)
    ):
        return False
    if not info.namespace:
        return bool(rule.get("clusterScope"))
    return _has(rule.get("namespaces") or (), info.namespace)


def _is_url(rule: Object, info: RequestInfo) -> bool:
    if not _has(rule["verbs"], info.verb):
        return False
    return any(
        url in (_ALL, info.path) or (url.endswith("/*") and info.path.startswith(url[:-1]))
        for url in rule["nonResourceURLs"]
    )


def _has(values: Sequence[str], value: str) -> bool:
    return value in values or _ALL in values


class Schemas:
    """All FlowSchemas, in their order."""

    def __init__(self) -> None:
        self._ordered: list[FlowSchema] = []
        self._known: dict[tuple[object, ...], FlowSchema] = {}
        self._last = _last_resort()

    def replace(self, schemas: Iterable[Object], levels: Iterable[str]) -> None:
        """Follow *schemas* from now on; those whose level is not among *levels* count nothing."""
        known = set(levels)
        made = [FlowSchema(schema) for schema in schemas]
        counts = {(old.name, old.level): old.dispatched for old in self}
        for each in made:
            each.dispatched = counts.get((each.name, each.level), 0)
        self._ordered = sorted(
            (each for each in made if each.level in known),
            key=lambda each: (each.precedence, each.name),
        )
        self._last = next(
            (each for each in self._ordered if each.name == CATCH_ALL), _last_resort()
        )
        self._known.clear()

    def __iter__(self) -> Iterator[FlowSchema]:
        return iter(self._ordered)

    def of(self, info: RequestInfo, user: User) -> FlowSchema:
        """Return the schema of a request."""
        where = info.namespace if info.resource else info.path
        kind = (info.verb, info.group, info.resource, info.subresource, where)
        key = (user.name, user.groups, kind)
        known = self._known.get(key)
        if known is None:
            found = (each for each in self._ordered if each.matches(info, user))
            known = next(found, self._last)
            if len(self._known) >= _REMEMBERED_MAX:
                self._known.clear()
            self._known[key] = known
        return known


def _last_resort() -> FlowSchema:
    """Return the schema of requests as long as none is there."""
    return next(
        FlowSchema(schema)
        for schema in mandatory.objects("FlowSchema")
        if name_of(schema) == CATCH_ALL
    )
