"""Whose turn it is, and when a target's connections end."""

from __future__ import annotations

import pytest

from podwire.fabric.balancer import Balancer, Finding, State, Target, must_end
from podwire.fabric.config import Balancer as Entry
from podwire.fabric.config import BalancerTarget

READY = Finding(State.READY)
UNREADY = Finding(State.UNREADY, "/readyz: 500")
SILENT = Finding(State.SILENT, "no answer")
DOWN = Finding(State.DOWN, "Connection refused")


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


def order(balancer: Balancer, reaches=everywhere) -> str:
    return "".join(each.entry.host[-1] for each in balancer.order(reaches))


def find(balancer: Balancer, *findings: Finding) -> list[Target]:
    for target, finding in zip(balancer.targets, findings, strict=True):
        target.heard(finding)
    return balancer.targets


def ended(balancer: Balancer, checked: Target, reaches=everywhere) -> str:
    """Return the targets whose connections end after a check of *checked*."""
    found = (each for each in balancer.targets if must_end(each, checked, reaches))
    return "".join(each.entry.host[-1] for each in found)


def test_turns_go_round_and_the_others_are_next(balancer):
    assert [order(balancer) for _ in range(4)] == ["231", "312", "123", "231"]


def test_a_target_that_is_down_or_cut_off_is_not_tried(balancer):
    find(balancer, DOWN, READY, READY)
    assert order(balancer, lambda host: host != "control-plane-2") == "3"


@pytest.mark.parametrize(
    ("findings", "tried"),
    [
        ((UNREADY, READY, SILENT), "21"),
        ((UNREADY, SILENT, DOWN), "1"),
        ((UNREADY, UNREADY, UNREADY), "231"),
        ((SILENT, DOWN, SILENT), "31"),
        ((DOWN, DOWN, DOWN), ""),
    ],
)
def test_who_is_ready_comes_first_then_who_lives_then_who_was_silent_once(
    balancer, findings, tried
):
    find(balancer, *findings)
    assert order(balancer) == tried


def test_a_target_that_is_ready_and_cut_off_leaves_the_one_that_lives(balancer):
    find(balancer, UNREADY, READY, DOWN)
    assert order(balancer, lambda host: host != "control-plane-2") == "1"


def test_a_refusal_ends_connections_at_once(balancer):
    first, *_ = find(balancer, DOWN, READY, READY)
    assert ended(balancer, first) == "1"
    find(balancer, READY, READY, READY)
    assert ended(balancer, first) == ""


def test_silence_ends_connections_at_the_second_time(balancer):
    first, *_ = find(balancer, SILENT, READY, READY)
    assert not first.live  # For new connections it is over at once.
    assert ended(balancer, first) == ""
    first.heard(SILENT)
    assert ended(balancer, first) == "1"
    first.heard(READY)
    first.heard(SILENT)
    assert ended(balancer, first) == ""


def test_who_is_not_ready_twice_loses_its_connections_to_who_is_found_ready_then(balancer):
    find(balancer, READY, READY, READY)
    first, second, third = find(balancer, UNREADY, READY, READY)
    assert ended(balancer, second) == ""
    first.heard(UNREADY)
    assert ended(balancer, first) == ""
    assert ended(balancer, second) == "1"
    assert ended(balancer, third, lambda host: host != "control-plane-3") == ""


def test_of_several_that_lose_their_store_none_loses_connections(balancer):
    find(balancer, READY, READY, READY)
    first, second, third = find(balancer, UNREADY, READY, READY)
    for finding in (UNREADY, UNREADY):  # They notice in the second after the first did.
        for target in (first, second, third):
            target.heard(finding)
            assert ended(balancer, target) == ""
    first.heard(READY)
    assert ended(balancer, first) == ""  # The others are about to notice, too, that it is back.
    first.heard(READY)
    assert ended(balancer, first) == "23"


def test_the_row_says_why(balancer):
    find(balancer, READY, READY, UNREADY)
    row = balancer.row()
    assert row["listen"] == ["127.0.129.250", 6443]
    assert row["targets"][2] == {"host": "control-plane-3", "live": False, "error": "/readyz: 500"}
