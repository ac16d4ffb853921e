"""Packets of several nodes in one order, and what is lost when nobody takes them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from podwire.cli.capture_files import Item
from podwire.cli.capture_merge import SETTLE_NS, WAITING_OCTETS_MAX, Merge


def item(at_ns, interface="node-1/eth0", octets=b"x"):
    return Item(at_ns, interface, "in", octets, len(octets), "")


def test_one_source_need_not_wait():
    merge = Merge(sources=1)
    merge.add([item(5)], 0)
    assert [each.at_ns for each in merge.due(5)] == [5]


def test_words_that_overtake_each_other_are_put_in_order():
    merge = Merge(sources=2)
    merge.add([item(30), item(40)], 0)
    assert merge.due(SETTLE_NS + 29) == []
    merge.add([item(20, "node-2/eth0")], 0)
    assert [each.at_ns for each in merge.due(SETTLE_NS + 30)] == [20, 30]
    assert [each.at_ns for each in merge.rest()] == [40]
    assert merge.packets == {"node-1/eth0": 2, "node-2/eth0": 1}


def test_a_count_is_kept_exactly():
    merge = Merge(sources=2, count=3)
    merge.add([item(at) for at in (4, 3)], 0)
    assert not merge.is_complete
    merge.add([item(at) for at in (2, 1)], 0)
    assert merge.is_complete
    assert [each.at_ns for each in merge.rest()] == [1, 2, 3]
    assert merge.written == 3
    assert merge.rest() == []


def test_what_nobody_takes_is_bounded_and_counted():
    merge = Merge(sources=1)
    octets = bytes(1_000_000)
    merge.add([item(at, octets=octets) for at in range(100)], 0)
    lost = merge.dropped["node-1/eth0"]
    assert len(merge.due(0)) == 100 - lost == WAITING_OCTETS_MAX // (len(octets) + 200) + 1
    merge.add([item(1)], WAITING_OCTETS_MAX)  # It all lies behind us, in the pipe.
    assert merge.dropped["node-1/eth0"] == lost + 1
    merge.add([item(2)], 0)
    assert len(merge.rest()) == 1


@given(st.lists(st.lists(st.integers(0, 10**9), max_size=5), max_size=8))
def test_nothing_is_lost_or_doubled(told):
    merge = Merge(sources=2)
    taken = []
    for now_ns, stamps in enumerate(told):
        merge.add([item(at) for at in stamps], 0)
        taken += merge.due(now_ns * 10**8)
    taken += merge.rest()
    assert sorted(each.at_ns for each in taken) == sorted(at for stamps in told for at in stamps)
