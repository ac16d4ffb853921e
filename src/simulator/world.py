"""Virtual time: who has something to do next, and nothing between.

Actors (hosts, nodes, links, alarms) have deadlines; the world moves its clock from one deadline to
the next. Whoever was given something is *touched* and, before time moves on, *pumped*: it hands on
what it has to say. Order is that of touching, so one seed has one history.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from typing import Final, Protocol

from netstack.timers import Timed, TimerHeap

#: When the world begins. Not zero, so that a moment that somebody forgot to set is noticed.
EPOCH_S: Final = 1000.0
#: Rounds of handing on without time moving; a packet that goes in circles would never end.
_ROUNDS_MAX: Final = 10_000


class Stalled(AssertionError):
    """The world is busy without getting anywhere."""


class Actor(Timed, Protocol):
    """Somebody with deadlines, and with something to hand on."""

    def pump(self, now: float) -> None:
        """Hand on what is ready to leave."""
        ...


class _Alarm:
    """Something that happens once."""

    __slots__ = ("_action", "_at", "timer_at")

    def __init__(self, at: float, action: Callable[[], None]) -> None:
        self._at, self._action = at, action
        self.timer_at = math.inf

    def deadline(self) -> float:
        return self._at

    def handle_deadline(self, now: float) -> None:
        self._at = math.inf
        self._action()


class World:
    """The clock, chance, and everybody's deadlines."""

    def __init__(self, seed: int) -> None:
        self.now = EPOCH_S
        self.rng = random.Random(seed)
        self.timers = TimerHeap()
        self._touched: dict[Actor, None] = {}

    def touch(self, actor: Actor) -> None:
        """Let *actor* be pumped before time moves on."""
        self._touched[actor] = None

    def at(self, when: float, action: Callable[[], None]) -> None:
        """Do *action* at *when*."""
        self.timers.schedule(_Alarm(when, action), when)

    def after(self, delay_s: float, action: Callable[[], None]) -> None:
        """Do *action* in *delay_s* from now."""
        self.at(self.now + delay_s, action)

    def run(self, *, limit_s: float, until: Callable[[], bool] | None = None) -> None:
        """Let time pass until *until* holds (asked when everybody is silent) or it is over."""
        end, rounds = self.now + limit_s, 0
        while True:
            self._settle()
            if until is not None and until():
                return
            due = self.timers.deadline()
            if due > end:
                self.now = end
                return
            rounds = 0 if due > self.now else rounds + 1
            if rounds > _ROUNDS_MAX:
                raise Stalled(f"{rounds} rounds at {self.now - EPOCH_S:.6f} s")
            self.now = max(self.now, due)
            self.timers.run(self.now)

    def skip(self, seconds: float) -> None:
        """Let a long time pass at once: what came due meanwhile is done late, and once."""
        self._settle()
        self.now += seconds
        self.timers.run(self.now)
        self._settle()

    def _settle(self) -> None:
        rounds = 0
        while self._touched:
            rounds += 1
            if rounds > _ROUNDS_MAX:
                raise Stalled(f"words without end at {self.now - EPOCH_S:.6f} s")
            touched, self._touched = self._touched, {}
            for actor in touched:
                actor.pump(self.now)
                self.timers.schedule(actor, actor.deadline())
