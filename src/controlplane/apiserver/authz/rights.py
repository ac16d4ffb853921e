"""What rules allow together, laid out so that a question costs a look-up or two.

Rules that name their groups and resources plainly become one dictionary; the few with stars or with
names of objects are looked through one by one.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable

from controlplane.apiserver.authz.rule import ALL, Rule
from controlplane.apiserver.request_info import RequestInfo


class Rights:
    """Rules of one subject in one scope."""

    __slots__ = ("_others", "_urls", "_verbs")

    def __init__(self, rules: Iterable[Rule]) -> None:
        verbs: dict[tuple[str, str], dict[str, None]] = {}
        self._others: list[Rule] = []  # With stars, or with names.
        self._urls: list[Rule] = []
        for rule in rules:
            if rule.urls:
                self._urls.append(rule)
            elif rule.names or ALL in rule.groups or any(ALL in each for each in rule.resources):
                self._others.append(rule)
            else:
                for key in itertools.product(rule.groups, rule.resources):
                    verbs.setdefault(key, {}).update(dict.fromkeys(rule.verbs))
        self._verbs = {key: frozenset(found) for key, found in verbs.items()}

    def allow(self, info: RequestInfo, what: str) -> bool:
        """Tell whether *info* is allowed; *what* is its resource with the subresource."""
        if not what:
            return any(rule.allows(info) for rule in self._urls)
        verbs = self._verbs.get((info.group, what))
        if verbs is not None and (info.verb in verbs or ALL in verbs):
            return True
        return any(rule.allows(info) for rule in self._others)
