"""Which links are impaired, and how: the table that `impairments_replace` fills."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from typing import Final

import msgspec

from netdev.impaired_link import ImpairedLink
from netstack.wire import ethernet
from podwire.fabric.config import Rule

RULES_MAX: Final = 4096

#: From one host to another, by name.
Way = tuple[str, str]


class Rules:
    """The directed links that have a fault; all others are whole."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._rules: dict[Way, Rule] = {}
        self._links: dict[Way, ImpairedLink] = {}
        self._silent_since: dict[Way, float] = {}

    def replace(self, rules: Sequence[Rule], now: float) -> dict[Way, ImpairedLink]:
        """Let exactly *rules* hold; return the links that are whole now.

        Raises ValueError, and changes nothing, when there are too many or two for one way.
        """
        wanted = {(rule.from_, rule.to): rule for rule in rules}
        if len(wanted) > RULES_MAX:
            raise ValueError(f"there may be {RULES_MAX} rules, not {len(wanted)}")
        if len(wanted) < len(rules):
            raise ValueError("two rules are for the same way; give one of each direction")
        healed = {way: link for way, link in self._links.items() if way not in wanted}
        for way in healed:
            del self._links[way]
        for way, rule in wanted.items():
            link = self._links.get(way)
            if link is None:
                name, overhead = " to ".join(way), ethernet.HEADER_OCTETS
                self._links[way] = ImpairedLink(rule, self._rng, way=name, overhead_octets=overhead)
            else:
                link.change(rule, now)
        self._rules = wanted
        self._silent_since = {
            way: self._silent_since.get(way, now) for way, rule in wanted.items() if rule.silent
        }
        return healed

    def link(self, way: Way) -> ImpairedLink | None:
        """Return what packets of *way* must cross, None when nothing is wrong with it."""
        return self._links.get(way)

    def impaired(self, one: str, other: str) -> bool:
        """Tell whether either direction between two hosts has a fault."""
        return (one, other) in self._links or (other, one) in self._links

    def silent(self, one: str, other: str) -> bool:
        """Tell whether no handshake between two hosts can succeed."""
        return (one, other) in self._silent_since or (other, one) in self._silent_since

    def silent_since(self, one: str, other: str) -> float:
        """Return since when no handshake can succeed, `math.inf` when one can."""
        since = self._silent_since
        return min(since.get((one, other), math.inf), since.get((other, one), math.inf))

    def rows(self) -> list[dict[str, object]]:
        """Return every rule with its counters."""
        return [
            msgspec.to_builtins(rule) | self._links[way].rows() for way, rule in self._rules.items()
        ]
