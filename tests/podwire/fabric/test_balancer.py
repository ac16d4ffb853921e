"""Whose turn it is, and when a target's connections end."""

from __future__ import annotations

import pytest

from podwire.fabric.balancer import Balancer, Target
from podwire.fabric.config import Balancer as Entry
from podwire.fabric.config import BalancerTarget


@pytest.fixture
def balancer() -> Balancer:
    targets = [
        BalancerTarget(host=f"control-plane-{k}", address=(f"127.0.1.{250 + k}", 6443))
        for k in (1, 2, 3)
    ]
    entry = Entry(listen=("127.0.129.250", 6443), targets=targets)
    return Balancer(entry, [Target(each) for each in targets])


def everywhere(_host: str) -> bool:
    return True


def firsts(balancer: Balancer, number: int) -> list[str]:
    return [balancer.order(everywhere)[0].entry.host[-1] for _ in range(number)]


def test_turns_go_round_and_the_others_are_next(balancer):
    assert firsts(balancer, 6) == ["2", "3", "1", "2", "3", "1"]
    assert [each.entry.host[-1] for each in balancer.order(everywhere)] == ["2", "3", "1"]


def test_a_target_that_is_down_or_cut_off_is_not_tried(balancer):
    balancer.targets[0].heard("/readyz: 500")
    order = balancer.order(lambda host: host != "control-plane-2")
    assert [each.entry.host for each in order] == ["control-plane-3"]


def test_an_answer_that_is_wrong_ends_connections_at_once_and_only_once(balancer):
    target = balancer.targets[0]
    assert target.heard("Connection refused")
    assert not target.heard("Connection refused")
    assert not target.live
    assert not target.heard("")
    assert target.live
    assert target.heard("Connection refused")


def test_silence_ends_connections_at_the_second_time(balancer):
    target = balancer.targets[0]
    assert not target.heard("no answer", silence=True)
    assert not target.live  # For new connections it is over at once.
    assert target.heard("no answer", silence=True)
    assert not target.heard("no answer", silence=True)
    target.heard("")
    assert not target.heard("no answer", silence=True)


def test_the_row_says_why(balancer):
    balancer.targets[2].heard("/readyz: 500")
    row = balancer.row()
    assert row["listen"] == ["127.0.129.250", 6443]
    assert row["targets"][2] == {"host": "control-plane-3", "live": False, "error": "/readyz: 500"}
