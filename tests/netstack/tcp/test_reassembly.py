"""Held data and the scoreboard against naive models: one octet at a time."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from netstack.tcp import reassembly, scoreboard
from netstack.tcp.reassembly import HeldData
from netstack.tcp.scoreboard import Scoreboard, gaps

STREAM = bytes(range(1, 200))
pieces = st.lists(st.tuples(st.integers(0, 150), st.integers(1, 40)), max_size=15)


@given(pieces, st.integers(0, 150))
def test_held_data_equals_octets_in_a_dict(chosen, sequence):
    held, model = HeldData(), {}
    for start, length in chosen:
        data = STREAM[start : start + length]
        assert held.add(start, data)
        model.update(zip(range(start, start + length), data, strict=True))
        ranges = held.recent(100)
        assert sorted(i for low, high in ranges for i in range(low, high)) == sorted(model)
        assert ranges[0][0] <= start
        assert start + length <= ranges[0][1]
        assert all((high not in model) for _, high in ranges)
    expected = bytearray()
    while sequence + len(expected) in model:
        expected.append(model[sequence + len(expected)])
    below = any(index < sequence for index in model)
    taken = held.take(sequence)
    assert taken == expected or below


@given(pieces)
def test_held_data_is_taken_whole_once_the_gap_is_filled(chosen):
    held = HeldData()
    for start, length in chosen:
        held.add(start + 1, STREAM[start : start + length])
    held.add(0, b"\0" + STREAM[:190])
    assert held.take(0) == b"\0" + STREAM[:190]
    assert not held


def test_too_many_gaps_are_refused():
    held = HeldData()
    assert all(held.add(2 * index, b"x") for index in range(reassembly.BLOCKS_MAX))
    assert not held.add(10_000, b"x")
    assert held.add(1, b"x")


@given(pieces, st.integers(0, 200), st.integers(0, 200))
def test_scoreboard_equals_a_set(chosen, below, limit):
    board, model = Scoreboard(), set()
    for start, length in chosen:
        news = not set(range(start, start + length)) <= model
        assert board.add(start, start + length) is news
        model |= set(range(start, start + length))
    board.forget_below(below)
    model = {each for each in model if each >= below}
    assert board.octets == len(model)
    assert board.missing(below, limit) == len(set(range(below, limit)) - model)
    free = [each for each in range(below, limit) if each not in model]
    found = gaps(board.ranges, below, limit)
    assert [each for low, high in found for each in range(low, high)] == free
    assert all(high < low for (_, high), (low, _) in itertools.pairwise(found))


def test_three_segments_overtook_what_precedes_them():
    board = Scoreboard()
    board.add(2000, 4000)
    assert not board.overtook(1000)
    board.add(4000, 4001)
    assert board.overtook(1000)


def test_three_ranges_overtook_what_precedes_them():
    board = Scoreboard()
    for start in (10, 20):
        board.add(start, start + 5)
        assert not board.overtook(1000)
    board.add(30, 35)
    assert board.overtook(1000)


def test_inventive_peers_are_not_believed_for_ever():
    board = Scoreboard()
    assert all(board.add(2 * index, 2 * index + 1) for index in range(scoreboard.RANGES_MAX))
    assert not board.add(100_000, 100_001)
