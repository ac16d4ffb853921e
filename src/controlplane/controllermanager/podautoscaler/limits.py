"""How fast the number of replicas may change (upstream: horizontal.go's normalization).

Without `behavior` fewer replicas are taken only when none of the last five minutes' recommendations
asked for more, and there are at most twice as many (or 4) at once. With it both directions have a
window and policies of their own. What was recommended and done is remembered here, and a controller
that begins anew begins with what it finds.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from kubeapi.objects import Object

_FACTOR, _LEAST = 2, 4
_UP, _DOWN = "scaleUp", "scaleDown"

WITHIN: Final = ("DesiredWithinRange", "the desired count is within the acceptable range")
_UP_RATE: Final = (
    "ScaleUpLimit",
    "the desired replica count is increasing faster than the maximum scale rate",
)
_DOWN_RATE: Final = (
    "ScaleDownLimit",
    "the desired replica count is decreasing faster than the maximum scale rate",
)
_TOO_MANY: Final = (
    "TooManyReplicas",
    "the desired replica count is more than the maximum replica count",
)
_TOO_FEW: Final = (
    "TooFewReplicas",
    "the desired replica count is less than the minimum replica count",
)
_STABLE_UP: Final = (
    "ScaleUpStabilized",
    "recent recommendations were lower than current one, applying the lowest recent recommendation",
)
_STABLE_DOWN: Final = (
    "ScaleDownStabilized",
    "recent recommendations were higher than current one,"
    " applying the highest recent recommendation",
)
_READY: Final = ("ReadyForNewScale", "recommended size matches current size")

#: A condition's reason and message.
Reason = tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """How many replicas there are, may be, and should be."""

    current: int
    desired: int
    least: int
    most: int


@dataclass(frozen=True, slots=True)
class Limited:
    """What was made of a wish."""

    replicas: int
    stabilized: Reason
    limited: Reason

    @property
    def is_limited(self) -> bool:
        return self.limited is not WITHIN


@dataclass(slots=True)
class Memory:
    """What was recommended and done for one autoscaler: (time, number)."""

    recommendations: list[tuple[float, int]] = field(default_factory=list)
    added: list[tuple[float, int]] = field(default_factory=list)
    removed: list[tuple[float, int]] = field(default_factory=list)

    def begin(self, replicas: int, now: float) -> None:
        """Take the number of replicas that was found as the first recommendation."""
        if not self.recommendations:
            self.recommendations.append((now, replicas))

    def scaled(self, behavior: Object | None, before: int, after: int, now: float) -> None:
        """Note a change, for the policies (storeScaleEvent)."""
        if behavior is None:
            return
        if after > before:
            kept = _within(self.added, _period_s(behavior[_UP]), now)
            self.added = [*kept, (now, after - before)]
        elif after < before:
            kept = _within(self.removed, _period_s(behavior[_DOWN]), now)
            self.removed = [*kept, (now, before - after)]


def limit(
    wish: Wish, behavior: Object | None, memory: Memory, down_window_s: float, now: float
) -> Limited:
    """Return what *wish* may become now, and remember it."""
    if behavior is None:
        return _by_default(wish, memory, down_window_s, now)
    return _by_behavior(wish, behavior, memory, down_window_s, now)


def _by_default(wish: Wish, memory: Memory, down_window_s: float, now: float) -> Limited:
    recent = _within(memory.recommendations, down_window_s, now)
    stable = max((wish.desired, *(each for _, each in recent)))
    memory.recommendations = [*recent, (now, wish.desired)]
    stabilized = _READY if stable == wish.desired else _STABLE_DOWN
    rate = max(_FACTOR * wish.current, _LEAST)
    most, why = (rate, _UP_RATE) if wish.most > rate else (wish.most, _TOO_MANY)
    if stable < wish.least:
        return Limited(wish.least, stabilized, _TOO_FEW)
    if stable > most:
        return Limited(most, stabilized, why)
    return Limited(stable, stabilized, WITHIN)


def _by_behavior(
    wish: Wish, behavior: Object, memory: Memory, down_window_s: float, now: float
) -> Limited:
    up, down = behavior[_UP], behavior[_DOWN]
    up_s = up.get("stabilizationWindowSeconds") or 0
    own_s = down.get("stabilizationWindowSeconds")
    down_s = down_window_s if own_s is None else own_s
    lowest = min((wish.desired, *_numbers(_within(memory.recommendations, up_s, now))))
    highest = max((wish.desired, *_numbers(_within(memory.recommendations, down_s, now))))
    stable = min(max(wish.current, lowest), highest)
    kept = _within(memory.recommendations, max(up_s, down_s), now)
    memory.recommendations = [*kept, (now, wish.desired)]
    stabilized = _READY
    if stable != wish.desired:
        stabilized = _STABLE_UP if wish.desired >= wish.current else _STABLE_DOWN
    if stable > wish.current:
        rate = max(wish.current, _up_limit(wish.current, up, memory, now))
        most, why = (rate, _UP_RATE) if wish.most > rate else (wish.most, _TOO_MANY)
        if stable > most:
            return Limited(most, stabilized, why)
    elif stable < wish.current:
        rate = min(wish.current, _down_limit(wish.current, down, memory, now))
        least, why = (rate, _DOWN_RATE) if wish.least < rate else (wish.least, _TOO_FEW)
        if stable < least:
            return Limited(least, stabilized, why)
    return Limited(stable, stabilized, WITHIN)


def _up_limit(current: int, rules: Object, memory: Memory, now: float) -> int:
    """Return how many there may be now (calculateScaleUpLimitWithScalingRules)."""
    if rules.get("selectPolicy") == "Disabled":
        return current
    limits = []
    for policy in rules.get("policies") or ():
        began = _began(current, policy, memory, now)
        if policy["type"] == "Pods":
            limits.append(began + policy["value"])
        else:
            limits.append(math.ceil(began * (1 + policy["value"] / 100)))
    choose = min if rules.get("selectPolicy") == "Min" else max
    return choose(limits, default=current)


def _down_limit(current: int, rules: Object, memory: Memory, now: float) -> int:
    """Return how few there may be now (calculateScaleDownLimitWithBehaviors)."""
    if rules.get("selectPolicy") == "Disabled":
        return current
    limits = []
    for policy in rules.get("policies") or ():
        began = _began(current, policy, memory, now)
        if policy["type"] == "Pods":
            limits.append(began - policy["value"])
        else:
            limits.append(int(began * (1 - policy["value"] / 100)))
    # The smallest change leaves the most.
    choose = max if rules.get("selectPolicy") == "Min" else min
    return choose(limits, default=current)


def _began(current: int, policy: Object, memory: Memory, now: float) -> int:
    """Return how many replicas there were when the policy's period began."""
    period_s = policy["periodSeconds"]
    added = sum(_numbers(_within(memory.added, period_s, now)))
    removed = sum(_numbers(_within(memory.removed, period_s, now)))
    return current - added + removed


def _period_s(rules: Object) -> float:
    return max((policy["periodSeconds"] for policy in rules.get("policies") or ()), default=0)


def _within(
    events: Iterable[tuple[float, int]], window_s: float, now: float
) -> list[tuple[float, int]]:
    return [(at, number) for at, number in events if at > now - window_s]


def _numbers(events: Iterable[tuple[float, int]]) -> list[int]:
    return [number for _, number in events]
