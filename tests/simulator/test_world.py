"""Virtual time: order, lateness, and a world that does not come to rest."""

from __future__ import annotations

import math

import pytest

from simulator.world import EPOCH_S, Stalled, World


def test_alarms_go_off_in_order_at_their_moments() -> None:
    world, heard = World(1), []
    for delay_s in (3.0, 1.0, 2.0):
        world.after(delay_s, lambda delay_s=delay_s: heard.append((delay_s, world.now)))
    world.run(limit_s=2.5)
    assert heard == [(1.0, EPOCH_S + 1), (2.0, EPOCH_S + 2)]
    assert world.now == EPOCH_S + 2.5


def test_what_is_due_is_done_late_when_time_is_skipped() -> None:
    world, heard = World(1), []
    world.after(5.0, lambda: heard.append(world.now))
    world.skip(100.0)
    assert heard == [EPOCH_S + 100]


class Restless:
    """Says something whenever it is pumped."""

    timer_at = math.inf

    def __init__(self, world: World) -> None:
        self.world = world

    def pump(self, now: float) -> None:
        self.world.touch(self)

    def deadline(self) -> float:
        return math.inf

    def handle_deadline(self, now: float) -> None:
        raise AssertionError


def test_words_without_end_are_noticed() -> None:
    world = World(1)
    world.touch(Restless(world))
    with pytest.raises(Stalled):
        world.run(limit_s=1)
