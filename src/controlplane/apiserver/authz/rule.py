"""One PolicyRule of a role, and what it allows (upstream: rbac.RuleAllows, rbac/v1 helpers)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from controlplane.apiserver.request_info import RequestInfo
from kubeapi.objects import Object

ALL: Final = "*"


@dataclass(frozen=True, slots=True)
class Rule:
    """Verbs on resources, or on paths."""

    verbs: tuple[str, ...]
    groups: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    urls: tuple[str, ...] = ()

    @classmethod
    def of(cls, rule: Object) -> Rule:
        """Read a rule as objects have it."""
        return cls(
            tuple(rule.get("verbs") or ()),
            tuple(rule.get("apiGroups") or ()),
            tuple(rule.get("resources") or ()),
            tuple(rule.get("resourceNames") or ()),
            tuple(rule.get("nonResourceURLs") or ()),
        )

    def to_object(self) -> Object:
        """Return the rule as objects have it."""
        found = {
            "verbs": self.verbs,
            "apiGroups": self.groups,
            "resources": self.resources,
            "resourceNames": self.names,
            "nonResourceURLs": self.urls,
        }
        return {key: list(values) for key, values in found.items() if values}

    def __str__(self) -> str:
        """Return the rule as upstream's messages have it."""
        found = {
            "APIGroups": self.groups,
            "Resources": self.resources,
            "NonResourceURLs": self.urls,
            "ResourceNames": self.names,
            "Verbs": self.verbs,
        }
        told = (f"{key}:{quoted(values)}" for key, values in found.items() if values)
        return f"{{{', '.join(told)}}}"

    def allows(self, info: RequestInfo) -> bool:
        """Tell whether the rule allows what is asked."""
        if ALL not in self.verbs and info.verb not in self.verbs:
            return False
        if not info.resource:
            return any(url_covers(url, info.path) for url in self.urls)
        return (
            (ALL in self.groups or info.group in self.groups)
            and matches_resource(self.resources, info.resource, info.subresource)
            and (not self.names or info.object_name in self.names)
        )


def quoted(texts: Iterable[str]) -> str:
    """Return *texts* as Go's %q prints a slice."""
    return f"[{' '.join(quote(text) for text in texts)}]"


def quote(text: str) -> str:
    """Return *text* as Go's %q prints it, near enough for a person."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(c if c.isprintable() else repr(c)[1:-1] for c in escaped) + '"'


def matches_resource(resources: Iterable[str], resource: str, subresource: str) -> bool:
    """Tell whether one of *resources* means this one: `pods/log`, `*/scale`, `*`."""
    if not subresource:
        return any(each in (resource, ALL) for each in resources)
    meant = (f"{resource}/{subresource}", f"*/{subresource}", ALL)
    return any(each in meant for each in resources)


def url_covers(url: str, path: str) -> bool:
    """Tell whether *url* means *path*: itself, or with a star at the end what begins so."""
    if url == path:
        return True
    return url.endswith(ALL) and path.startswith(url.rstrip(ALL))


def breakdown(rule: Rule) -> list[Rule]:
    """Return the rules of one verb on one resource that *rule* is made of."""
    simple = [Rule((verb,), urls=(url,)) for url in rule.urls for verb in rule.verbs]
    names: Sequence[tuple[str, ...]] = [(name,) for name in rule.names] or [()]
    simple += [
        Rule((verb,), (group,), (resource,), name)
        for group in rule.groups
        for resource in rule.resources
        for verb in rule.verbs
        for name in names
    ]
    return simple


def _covers(owned: Rule, simple: Rule) -> bool:
    if ALL not in owned.verbs and simple.verbs[0] not in owned.verbs:
        return False
    if simple.urls:
        return any(url_covers(url, simple.urls[0]) for url in owned.urls)
    if ALL not in owned.groups and simple.groups[0] not in owned.groups:
        return False
    resource, _, subresource = simple.resources[0].partition("/")
    if not matches_resource(owned.resources, resource, subresource):
        return False
    return not owned.names or (bool(simple.names) and simple.names[0] in owned.names)


def missing(owned: Sequence[Rule], wanted: Iterable[Rule]) -> list[Rule]:
    """Return what of *wanted* is not covered by *owned*, compacted (upstream: Covers)."""
    lacking: dict[Rule, dict[str, None]] = {}
    for rule in wanted:
        for simple in breakdown(rule):
            if not any(_covers(each, simple) for each in owned):
                key = Rule((), simple.groups, simple.resources, simple.names, simple.urls)
                lacking.setdefault(key, {})[simple.verbs[0]] = None
    return [
        Rule(tuple(verbs), key.groups, key.resources, key.names, key.urls)
        for key, verbs in lacking.items()
    ]
