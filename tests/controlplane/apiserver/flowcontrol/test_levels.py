"""Seats are lent, queues take turns, and nobody takes what others have not lent."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controlplane.apiserver.flowcontrol.levels import (
    CONCURRENCY_LIMIT,
    QUEUE_FULL,
    SEATS,
    Level,
    Levels,
    nominal_seats,
    seated_schemas,
    waiting_schemas,
)
from controlplane.apiserver.flowcontrol.schemas import FlowSchema
from controlplane.apiserver.kinds.flowcontrol import mandatory


def level(name, shares, *, lendable=0, borrowing=None, queues=0, hand=1, length=2):
    queuing = {"queues": queues, "handSize": hand, "queueLengthLimit": length}
    response = {"type": "Queue", "queuing": queuing} if queues else {"type": "Reject"}
    limited = {
        "nominalConcurrencyShares": shares,
        "lendablePercent": lendable,
        "borrowingLimitPercent": borrowing,
        "limitResponse": response,
    }
    return {"metadata": {"name": name}, "spec": {"type": "Limited", "limited": limited}}


EXEMPT = {"metadata": {"name": "exempt"}, "spec": {"type": "Exempt", "exempt": {}}}


def levels(*objects):
    made = Levels()
    made.replace(objects)
    return made


def arrive(made, name, user="", number=1):
    spec = {"priorityLevelConfiguration": {"name": name}}
    schema = FlowSchema({"metadata": {"name": f"of-{name}"}, "spec": spec})
    return [made.arrive(schema, (schema.name, user)) for _ in range(number)]


def seated(tickets):
    return sum(ticket.seated for ticket in tickets)


def test_the_seats_of_a_new_cluster():
    found = nominal_seats(mandatory.objects("PriorityLevelConfiguration"))
    assert found == {
        "exempt": 0, "catch-all": 13, "system": 74, "node-high": 98, "leader-election": 25,
        "workload-high": 98, "workload-low": 245, "global-default": 49,
    }  # fmt: skip


def test_a_level_borrows_what_others_lend_and_no_more():
    made = levels(level("a", 1, lendable=50), level("b", 1))  # 300 each; a lends 150.
    b = arrive(made, "b", number=SEATS)
    assert seated(b) == 450
    assert {ticket.refusal for ticket in b if not ticket.seated} == {CONCURRENCY_LIMIT}
    a = arrive(made, "a", number=SEATS)
    assert seated(a) == 150  # What it has not lent is there, all the time.
    for ticket in b[:100]:
        made.leave(ticket)
    assert seated(arrive(made, "a", number=SEATS)) == 100


def test_a_level_borrows_no_more_than_it_may():
    made = levels(level("a", 1, lendable=100), level("b", 1, borrowing=10))
    assert seated(arrive(made, "b", number=SEATS)) == 330


def test_the_exempt_take_from_nobody():
    made = levels(EXEMPT, level("a", 1))
    assert seated(arrive(made, "exempt", number=SEATS + 1)) == SEATS
    assert seated(arrive(made, "a", number=SEATS)) == SEATS


def test_who_finds_no_seat_waits_and_queues_take_turns():
    made = levels(level("a", 1, queues=64, hand=1, length=50), level("b", 599, lendable=0))
    turns = arrive(made, "a", "first")
    assert turns[0].seated
    for user in ("x", "x", "x", "y", "z"):
        (ticket,) = arrive(made, "a", user)
        assert (ticket.seated, ticket.refusal) == (False, "")
        ticket.on_seat = lambda ticket=ticket: turns.append(ticket)
    for _ in range(6):
        made.leave(turns[-1])
    assert [ticket.flow[1] for ticket in turns] == ["first", "x", "y", "z", "x", "x"]


def test_a_queue_has_its_length():
    made = levels(level("a", 1, queues=1, hand=1, length=2), level("b", 599))
    tickets = arrive(made, "a", "x", number=4)
    assert [ticket.seated for ticket in tickets] == [True, False, False, False]
    assert [ticket.refusal for ticket in tickets] == ["", "", "", QUEUE_FULL]
    (found,) = (each for each in made if each.name == "a")
    assert (list(seated_schemas(found)), list(waiting_schemas(found))) == (
        ["of-a"], ["of-a"] * 2,
    )  # fmt: skip
    made.leave(tickets[1])  # Who goes away makes room.
    assert not arrive(made, "a", "x")[0].refusal


def test_no_flow_takes_all_the_seats():
    made = levels(level("a", 1, queues=64, hand=6, length=50))
    flood = arrive(made, "a", "x", number=SEATS)
    assert seated(flood) == SEATS * 3 // 4
    assert seated(arrive(made, "a", "y", number=50)) == 0  # Behind those who wait …
    for ticket in flood[:1]:
        made.leave(ticket)  # … until there is a turn.
    (found,) = made
    assert found.held["of-a", "y"] == 50


def test_levels_come_and_go_under_those_who_sit():
    made = levels(level("a", 1, queues=1, hand=1, length=9), level("b", 599))
    first, second = arrive(made, "a", "x", number=2)
    assert (first.seated, second.seated) == (True, False)
    made.replace([level("b", 1)])
    assert second.seated  # Nobody else would call it.
    assert seated(arrive(made, "b", number=SEATS)) == SEATS
    made.leave(first)
    made.leave(second)
    assert not arrive(made, "b")[0].seated
    made.replace([level("b", 1), level("a", 1)])
    assert arrive(made, "a")[0].seated


@pytest.mark.parametrize("hand", [1, 4, 8])
def test_a_hand_is_dealt_without_repeats_and_always_the_same(hand):
    one = Level("a")
    one.queues, one.hand = 16, hand
    for user in range(200):
        cards = one.hand_of(("s", str(user)))
        assert cards == one.hand_of(("s", str(user)))
        assert len(set(cards)) == hand
        assert set(cards) <= set(range(16))
    assert len({card for user in range(200) for card in one.hand_of(("s", str(user)))}) == 16


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 1 << 30))
def test_what_is_reserved_never_exceeds_the_seats(seed):
    """Requests come and go at random; nothing is lost, and every level finds what it keeps."""
    rng = random.Random(seed)
    made = levels(
        level("a", 1, lendable=90, queues=8, hand=2, length=500),
        level("b", 2, lendable=30, borrowing=20),
        level("c", 3, queues=4, hand=1, length=500),
    )
    here = []
    for _ in range(3000):
        if here and rng.random() < 0.4:
            made.leave(here.pop(rng.randrange(len(here))))
        else:
            (ticket,) = arrive(made, rng.choice("abc"), rng.choice("xyz"))
            if not ticket.refusal:
                here.append(ticket)
        assert sum(each.reserved for each in made) <= SEATS
    for each in made:
        assert each.seated == sum(t.seated for t in here if t.level is each)
        is_free = each.seated < each.minimum
        assert not (is_free and any(queue for queue in each.waiting.values()))
    for ticket in here:
        made.leave(ticket)
    assert all(not each.seated and not each.waiting and not each.held for each in made)
