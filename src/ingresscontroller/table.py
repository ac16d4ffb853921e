"""The routing table: which location of which host a path belongs to.

Hosts as the API has them: an exact name before a wildcard, which stands for one label, before the
rules without a host. Paths: the longest match, Exact before Prefix of the same length; Prefix
compares whole elements, ImplementationSpecific characters, as ingress-nginx does. One Ingress with
`use-regex` or `rewrite-target` makes all paths of its host regular expressions without case, the
longest first (ingress-nginx again).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from ingresscontroller.pattern import BadPattern, Pattern
from ingresscontroller.policy import Policy

PathType = Literal["Exact", "Prefix", "ImplementationSpecific"]
Endpoint = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Backend:
    """A port of a Service; `straight` goes to its endpoints, else to its cluster address."""

    namespace: str
    service: str
    port: int | str
    straight: bool = True

    def __str__(self) -> str:
        return f"{self.namespace}/{self.service}:{self.port}"


@dataclass(frozen=True, slots=True)
class Alternative:
    """What a canary Ingress has for a location."""

    policy: Policy
    backend: Backend


@dataclass(frozen=True, slots=True)
class Location:
    """A path of a host, and what is to be done with its requests."""

    path: str
    kind: PathType
    backend: Backend | None
    policy: Policy
    ingress: str
    has_tls: bool = False
    pattern: Pattern | None = None
    alternatives: tuple[Alternative, ...] = ()


@dataclass(frozen=True, slots=True)
class Server:
    """The locations of one host."""

    exact: Mapping[str, Location] = field(default_factory=dict)
    prefixes: Mapping[str, Location] = field(default_factory=dict)  # Without slash at the end.
    loose: Sequence[Location] = ()  # By characters, the longest first.
    patterns: Sequence[Location] = ()  # If there are any, nothing else counts.
    default: Location | None = None

    @classmethod
    def of(cls, locations: Sequence[Location], default: Location | None) -> Server:
        """Arrange *locations*; of two for the same path the first counts."""
        if any(each.policy.is_regex for each in locations):
            longest_first = sorted(locations, key=lambda each: -len(each.path))
            return cls(patterns=list(_usable(longest_first)), default=default)
        exact: dict[str, Location] = {}
        prefixes: dict[str, Location] = {}
        loose: dict[str, Location] = {}
        for each in locations:
            if each.kind == "Exact":
                exact.setdefault(each.path, each)
            elif each.kind == "Prefix":
                prefixes.setdefault(each.path.rstrip("/"), each)
            else:
                loose.setdefault(each.path, each)
        ordered = sorted(loose.values(), key=lambda each: -len(each.path))
        return cls(exact, prefixes, ordered, (), default)

    def match(self, path: str) -> Location | None:
        """Return the location of *path*, which is normalized; the host's default in the end."""
        if self.patterns:
            found = next((each for each in self.patterns if _fits(each, path)), None)
            return found or self.default
        if path in self.exact:
            return self.exact[path]
        prefix = self._longest_prefix(path)
        loose = next((each for each in self.loose if path.startswith(each.path)), None)
        if prefix is None or (loose is not None and len(loose.path) > len(prefix.path)):
            return loose or self.default
        return prefix

    def _longest_prefix(self, path: str) -> Location | None:
        at = path.rstrip("/")
        while True:
            found = self.prefixes.get(at)
            if found is not None or not at:
                return found
            at = at[: at.rfind("/")] if "/" in at else ""


def compiled(location: Location) -> Location:
    """Return *location* with its path as a regular expression; raises BadPattern."""
    return replace(location, pattern=Pattern(location.path))


def _usable(locations: Iterable[Location]) -> Iterator[Location]:
    """Leave out plain paths that are no regular expressions, though others made them be one."""
    for each in locations:
        with contextlib.suppress(BadPattern):
            yield each if each.pattern is not None else compiled(each)


def _fits(location: Location, path: str) -> bool:
    return location.pattern is not None and location.pattern.fits(path)


@dataclass(frozen=True, slots=True)
class Table:
    """All hosts, and whose certificate each shows."""

    hosts: Mapping[str, Server] = field(default_factory=dict)
    wildcards: Mapping[str, Server] = field(default_factory=dict)  # By what follows `*`.
    anywhere: Server = field(default_factory=Server)
    fallback: Location | None = None  # The default backend of an Ingress without rules.
    certificates: Mapping[str, str] = field(default_factory=dict)  # Host or `*.…` → Secret.

    def match(self, host: str, path: str) -> Location | None:
        """Return the location of a request; *host* in lower case, without port."""
        found = self.server(host).match(path)
        return found or self.fallback

    def server(self, host: str) -> Server:
        """Return the server of *host*."""
        exact = self.hosts.get(host)
        if exact is not None:
            return exact
        _, dot, rest = host.partition(".")
        return self.wildcards.get(dot + rest, self.anywhere) if dot else self.anywhere

    def secret(self, name: str) -> str:
        """Return which Secret has the certificate for *name*, "" for none."""
        exact = self.certificates.get(name)
        if exact is not None:
            return exact
        _, dot, rest = name.partition(".")
        return self.certificates.get(f"*.{rest}", "") if dot else ""
