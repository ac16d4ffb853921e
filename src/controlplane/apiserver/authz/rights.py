"""What rules allow together, laid out so that a question costs a look-up or two.

Rules that name their groups and resources plainly become one dictionary, those about paths two
collections for each verb; the few with stars or with names of objects are looked through.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable

from controlplane.apiserver.authz.rule import ALL, Rule
from controlplane.apiserver.request_info import RequestInfo


class Rights:
    """Rules of one subject in one scope."""

    __slots__ = ("_everything", "_others", "_paths", "_verbs")

    def __init__(self, rules: Iterable[Rule]) -> None:
        verbs: dict[tuple[str, str], dict[str, None]] = {}
        paths: dict[str, list[str]] = {}
        self._others: list[Rule] = []  # With stars, or with names.
        for rule in rules:
            if rule.urls:
                for verb in rule.verbs:
                    paths.setdefault(verb, []).extend(rule.urls)
            elif rule.names or ALL in rule.groups or any(ALL in each for each in rule.resources):
                self._others.append(rule)
            else:
                for key in itertools.product(rule.groups, rule.resources):
                    verbs.setdefault(key, {}).update(dict.fromkeys(rule.verbs))
        self._everything = any(_is_everything(rule) for rule in self._others)
        self._verbs = {key: frozenset(found) for key, found in verbs.items()}
        self._paths = {verb: _laid_out(found) for verb, found in paths.items()}

    @property
    def are_of_resources(self) -> bool:
        """Tell whether any rule is about resources."""
        return bool(self._verbs or self._others)

    def allow(self, info: RequestInfo, what: str) -> bool:
        """Tell whether a request for *what*, a resource with its subresource, is allowed."""
        verbs = self._verbs.get((info.group, what))
        if verbs is not None and (info.verb in verbs or ALL in verbs):
            return True
        if self._everything:
            return True
        return any(rule.allows(info) for rule in self._others)

    def allow_path(self, info: RequestInfo) -> bool:
        """Tell whether a request for a path is allowed."""
        for verb in (info.verb, ALL):
            found = self._paths.get(verb)
            if found is not None and (info.path in found[0] or info.path.startswith(found[1])):
                return True
        return False


def _is_everything(rule: Rule) -> bool:
    return ALL in rule.verbs and ALL in rule.groups and ALL in rule.resources and not rule.names


def _laid_out(urls: list[str]) -> tuple[frozenset[str], tuple[str, ...]]:
    """Return *urls* as those that are meant exactly and the beginnings of others."""
    beginnings = dict.fromkeys(url.rstrip(ALL) for url in urls if url.endswith(ALL))
    return frozenset(urls), tuple(beginnings)
