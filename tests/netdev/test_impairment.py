"""The wire with faults: what must hold for any, and what shares and times come to."""

from __future__ import annotations

import math
import random
import statistics

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from netdev.impaired_link import ImpairedLink
from netdev.impairment import DELAY_MAX_S, LIMIT_MAX, Impairment

shares = st.floats(0, 1)
impairments = st.builds(
    Impairment,
    delay_s=st.floats(0.001, 2),
    jitter_s=st.floats(0, 2),
    loss=shares,
    corrupt=shares,
    duplicate=shares,
    reorder=shares,
    rate_bit_s=st.one_of(st.just(0), st.floats(1000, 1e9)),
    limit=st.integers(1, 50),
)
packets = st.lists(st.tuples(st.binary(max_size=60), st.floats(0, 0.5)), max_size=80)


def link(seed: int = 1, **wanted) -> ImpairedLink:
    return ImpairedLink(Impairment(**wanted), random.Random(seed))


def send(wire: ImpairedLink, number: int, every_s: float = 0.0) -> list[tuple[float, bytes]]:
    """Offer numbered packets and return when each comes out."""
    for index in range(number):
        wire.offer(index.to_bytes(4, "big") + bytes(96), index * every_s)
    out = []
    while (now := wire.deadline()) < math.inf:
        out += [(now, packet) for _, packet in wire.due(now)]
    return out


def order(out: list[tuple[float, bytes]]) -> list[int]:
    return [int.from_bytes(packet[:4], "big") for _, packet in out]


@given(impairments, packets, st.integers(0, 3))
def test_every_packet_is_accounted_for_and_leaves_in_order_of_time(wanted, sent, seed):
    wire, now, out = ImpairedLink(wanted, random.Random(seed)), 0.0, []
    for octets, pause_s in sent:
        now += pause_s
        through = wire.due(now)
        out += through
        assert len(wire) <= wanted.limit
        wire.offer(octets, now, channel=7)
    leave = [wire.deadline()]
    while wire:
        out += wire.due(leave[-1])
        leave.append(wire.deadline())
    assert leave == sorted(leave)
    assert wire.deadline() == math.inf
    assert wire.due(math.inf) == []
    counters = wire.counters
    assert counters.packets == len(sent)
    expected = counters.packets + counters.duplicated - counters.lost - counters.overlimit
    assert len(out) == expected
    assert {channel for channel, _ in out} <= {7}


@given(packets)
def test_a_wire_without_a_fault_gives_back_what_it_got_at_once(sent):
    wire, now = link(limit=LIMIT_MAX), 0.0
    for octets, pause_s in sent:
        now += pause_s
        wire.offer(octets, now)
        assert wire.due(now) == [(0, octets)]


@given(packets, st.integers(0, 9))
def test_one_seed_has_one_history(sent, seed):
    def history():
        wire = link(seed, delay_s=0.1, jitter_s=0.1, loss=0.3, corrupt=0.3, duplicate=0.3)
        for octets, _ in sent:
            wire.offer(octets, 1.0)
        return wire.release()

    assert history() == history()


def test_what_is_offered_may_lie_in_a_buffer_that_is_used_again():
    wire, buffer = link(delay_s=1), bytearray(b"first")
    wire.offer(memoryview(buffer), 0.0)
    buffer[:] = b"other"
    assert wire.due(1.0) == [(0, b"first")]


def test_delay_without_jitter_keeps_the_order():
    out = send(link(delay_s=0.1), 50, every_s=0.001)
    assert order(out) == list(range(50))
    assert all(at == pytest.approx(0.1 + n * 0.001) for n, (at, _) in enumerate(out))


def test_jitter_is_uniform_around_the_delay_and_reorders():
    out = send(link(delay_s=0.1, jitter_s=0.05), 1000)
    times = [at for at, _ in out]
    assert 0.05 <= min(times) < 0.055
    assert 0.145 < max(times) <= 0.15
    assert statistics.mean(times) == pytest.approx(0.1, abs=0.003)
    assert order(out) != sorted(order(out))


@pytest.mark.parametrize("share", [0.01, 0.3, 1.0])
def test_loss_is_the_share_that_was_asked_for(share):
    wire = link(loss=share, limit=LIMIT_MAX)
    out = send(wire, 20_000)
    deviation = math.sqrt(20_000 * share * (1 - share))
    assert wire.counters.lost == pytest.approx(20_000 * share, abs=4 * deviation)
    assert len(out) == 20_000 - wire.counters.lost


def test_corruption_flips_one_bit():
    wire = link(corrupt=0.5, limit=LIMIT_MAX)
    changed = 0
    for _ in range(2000):
        wire.offer(bytes(64), 0.0)
    for _, octets in wire.release():
        bits = int.from_bytes(octets, "big").bit_count()
        assert bits <= 1
        changed += bits
    assert changed == wire.counters.corrupted == pytest.approx(1000, rel=0.1)


def test_duplicates_follow_their_originals():
    wire = link(duplicate=1.0, delay_s=0.1)
    assert order(send(wire, 3)) == [0, 0, 1, 1, 2, 2]
    assert wire.counters.duplicated == 3


def test_the_reordered_share_leaves_at_once():
    wire = link(delay_s=1, reorder=0.25, limit=LIMIT_MAX)
    out = send(wire, 4000)
    early = [at for at, _ in out if at == 0.0]
    assert len(early) == wire.counters.reordered == pytest.approx(1000, rel=0.1)
    assert {at for at, _ in out} == {0.0, 1.0}


def test_a_rate_spaces_packets_by_their_octets_and_those_of_their_headers():
    wire = ImpairedLink(Impairment(rate_bit_s=8000), random.Random(1), overhead_octets=42)
    out = send(wire, 5)
    spacing = [at for at, _ in out]
    assert spacing == pytest.approx([0.142 * n for n in range(1, 6)])


def test_a_rate_behind_a_delay_does_not_pay_the_delay_twice():
    out = send(link(rate_bit_s=8000, delay_s=1.0), 3)
    assert [at for at, _ in out] == pytest.approx([1.1, 1.2, 1.3])


def test_what_finds_the_queue_full_is_dropped():
    wire = link(delay_s=1, limit=3)
    assert order(send(wire, 5)) == [0, 1, 2]
    assert wire.counters.overlimit == 2


def test_a_change_leaves_alone_what_is_under_way_and_healing_releases_it():
    wire = link(delay_s=10)
    wire.offer(b"slow", 0.0)
    wire.change(Impairment(delay_s=1))
    wire.offer(b"quick", 0.0)
    assert wire.due(1.0) == [(0, b"quick")]
    assert wire.release() == [(0, b"slow")]


@pytest.mark.parametrize(
    ("wanted", "says"),
    [
        ({"loss": 1.5}, "loss is a share, 0 to 1"),
        ({"corrupt": -0.1}, "corrupt is a share"),
        ({"duplicate": math.nan}, "duplicate is a share"),
        ({"delay_s": -1}, "delay_s is 0 to 60 seconds"),
        ({"jitter_s": DELAY_MAX_S + 1}, "jitter_s is 0 to 60 seconds"),
        ({"rate_bit_s": -8}, "rate_bit_s is 0"),
        ({"limit": 0}, "limit is 1 to"),
        ({"reorder": 0.1}, "reorder needs a delay_s"),
    ],
)
def test_what_cannot_be_is_refused_with_what_is_allowed(wanted, says):
    with pytest.raises(ValueError, match=says):
        Impairment(**wanted)
    with pytest.raises(msgspec.ValidationError, match=says):
        msgspec.convert(wanted, Impairment)


def test_a_partition_is_silent():
    assert Impairment(loss=1).silent
    assert not Impairment(loss=0.99).silent
