"""The wire with faults: what must hold for any, and what shares and times come to."""

from __future__ import annotations

import math
import random
import statistics
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import ARP, Ether

from netdev.distribution import DISTRIBUTIONS
from netdev.impaired_link import COUNTERS, ImpairedLink
from netdev.impairment import LIMIT_MAX, LIMIT_OCTETS_MIN, Impairment
from netstack.wire import checksum

shares = st.floats(0, 1)
losses = st.one_of(
    st.fixed_dictionaries({"loss": st.floats(0.01, 1), "loss_correlation": shares}),
    st.fixed_dictionaries({"loss_gemodel": st.lists(shares, max_size=4).map(tuple)}),
    st.fixed_dictionaries({"loss_state": st.lists(st.floats(0, 0.5), max_size=5).map(tuple)}),
)
others = st.fixed_dictionaries(
    {
        "delay_s": st.floats(0.001, 2),
        "jitter_s": st.floats(0.001, 2),
        "delay_correlation": shares,
        "distribution": st.sampled_from(DISTRIBUTIONS),
        "corrupt": st.floats(0.01, 1),
        "corrupt_correlation": shares,
        "duplicate": shares,
        "reorder": st.floats(0.01, 1),
        "gap": st.integers(0, 5),
        "rate_bit_s": st.one_of(st.just(0), st.floats(1000, 1e9)),
        "rate_overhead": st.integers(-100, 100),
        "rate_cell": st.integers(0, 60),
        "rate_cell_overhead": st.integers(0, 10),
        "limit": st.integers(1, 50),
        "limit_octets": st.integers(LIMIT_OCTETS_MIN, 2 * LIMIT_OCTETS_MIN),
        "ecn": st.booleans(),
        "slot_min_s": st.sampled_from([0.0, 0.05]),
        "slot_delay_s": st.sampled_from([0.0, 0.0, 0.05]),
    }
)


def build(loss, rest, slots):
    loses = any(loss[name] for name in ("loss", "loss_gemodel", "loss_state") if name in loss)
    rest = {**rest, "ecn": rest["ecn"] and loses}
    if not rest["rate_bit_s"]:
        rest |= {"rate_overhead": 0, "rate_cell": 0}
    if not rest["rate_cell"]:
        rest |= {"rate_cell_overhead": 0}
    if rest["slot_delay_s"]:
        jitter = {"slot_jitter_s": 0.01, "slot_distribution": rest["distribution"]}
        return Impairment(**loss, **{**rest, "slot_min_s": 0}, **jitter)
    return Impairment(**loss, **rest, **(slots if rest["slot_min_s"] else {}))


slots = st.fixed_dictionaries(
    {
        "slot_max_s": st.sampled_from([0.0, 0.05, 0.2]),
        "slot_packets": st.integers(0, 3),
        "slot_octets": st.integers(0, 500),
    }
)
impairments = st.builds(build, losses, others, slots)
in_order = st.builds(
    Impairment,
    delay_s=st.floats(0, 2),
    loss=st.floats(0, 0.5),
    corrupt=shares,
    duplicate=shares,
    rate_bit_s=st.one_of(st.just(0), st.floats(1000, 1e9)),
    slot_min_s=st.sampled_from([0.0, 0.01, 0.3]),
)
packets = st.lists(st.tuples(st.binary(max_size=200), st.floats(0, 0.5)), max_size=80)


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
    felt = wire.rows()
    assert tuple(felt) == COUNTERS
    assert felt["packets"] == len(sent)
    assert felt["octets"] == sum(len(octets) for octets, _ in sent)
    expected = felt["packets"] + felt["duplicated"] - felt["lost"] - felt["overlimit"]
    assert len(out) == expected == felt["delivered"]
    assert felt["queued"] == 0
    assert {channel for channel, _ in out} <= {7}


@given(in_order, in_order, packets, st.integers(0, 80))
def test_without_jitter_and_reordering_the_order_is_kept_also_by_a_change(
    first, then, sent, change_at
):
    wire, now, out = ImpairedLink(first, random.Random(1)), 0.0, []
    for number, (octets, pause_s) in enumerate(sent):
        now += pause_s
        if number == change_at:
            before = len(wire)
            wire.change(then, now)
            assert len(wire) == before
        wire.offer(octets, now, header=bytes((number,)))
        out += wire.due(now)
    while wire:
        out += wire.due(wire.deadline())
    felt = wire.rows()
    assert felt["reordered"] == 0
    if not felt["corrupted"]:
        numbers = [octets[0] for _, octets in out]
        assert numbers == sorted(numbers)


@given(impairments, packets, st.lists(st.floats(0, 3), min_size=80, max_size=80))
def test_the_clock_has_no_say_in_a_packets_fate(wanted, sent, pauses_s):
    """Of two wires of one seed one is fed at once, the other slowly: all but the queue's."""
    wanted = msgspec.structs.replace(wanted, seed=4, limit=LIMIT_MAX, limit_octets=1 << 20)
    quick, slow = (ImpairedLink(wanted, random.Random(n)) for n in (1, 2))
    now = 0.0
    for (octets, _), pause_s in zip(sent, pauses_s, strict=False):
        now += pause_s
        quick.offer(octets, 0.0)
        slow.offer(octets, now)
    fates = ("lost", "corrupted", "duplicated", "delivered")
    through = [sorted(octets for _, octets in wire.release()) for wire in (quick, slow)]
    assert through[0] == through[1]
    assert [quick.rows()[name] for name in fates] == [slow.rows()[name] for name in fates]


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


def test_bursts_are_lost_whole():
    wire = link(loss_gemodel=(0.02, 0.25), limit=LIMIT_MAX)
    came = order(send(wire, 5000))
    bursts = [b - a - 1 for a, b in pairwise(came) if b > a + 1]
    assert statistics.mean(bursts) == pytest.approx(4, rel=0.3)
    assert sum(bursts) == pytest.approx(wire.counters.lost, abs=20)


def test_every_fourth_packet_leaves_at_once_with_a_gap():
    wire = link(delay_s=1, reorder=1, gap=4)
    assert order(send(wire, 8)) == [3, 7, 0, 1, 2, 4, 5, 6]
    assert wire.counters.reordered == 2
    assert wire.counters.delayed == 6


def test_jitter_that_reorders_is_counted():
    wire = link(delay_s=0.1, jitter_s=0.05)
    out = order(send(wire, 200))
    late = sum(number < max(out[: at + 1]) for at, number in enumerate(out))
    assert late
    assert wire.counters.reordered
    assert wire.counters.delayed == 200


def test_two_ways_with_one_seed_do_not_lose_the_same_packets():
    wanted = Impairment(loss=0.5, seed=3)
    there, back = (ImpairedLink(wanted, random.Random(1), way=way) for way in ("a b", "b a"))
    again = ImpairedLink(wanted, random.Random(2), way="a b")
    assert order(send(there, 40)) == order(send(again, 40)) != order(send(back, 40))


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


def test_octets_that_find_the_queue_full_are_dropped():
    wire = link(delay_s=1, limit_octets=LIMIT_OCTETS_MIN)
    for size in (1000, 600, 514, 1):
        wire.offer(bytes(size), 0.0)
    assert [len(octets) for _, octets in wire.release()] == [1000, 514]
    assert wire.counters.overlimit == 2
    wire.offer(bytes(1000), 2.0)
    assert len(wire) == 1, "what has left makes room"


def test_what_is_under_way_is_not_overtaken_when_the_wire_becomes_fast():
    wire = link(delay_s=10)
    wire.offer(b"before", 0.0)
    wire.change(Impairment(delay_s=1), 2.0)
    wire.offer(b"after", 2.0)
    assert wire.due(2.9) == []
    assert wire.due(3.0) == [(0, b"before"), (0, b"after")]


def test_what_is_under_way_arrives_as_it_would_have_when_the_wire_becomes_slow():
    wire = link(delay_s=1)
    wire.offer(b"before", 0.0)
    wire.change(Impairment(delay_s=10, loss=1), 0.5)
    assert wire.due(1.0) == [(0, b"before")]


def test_a_backlog_leaves_at_the_new_rate():
    wire = link(rate_bit_s=800)
    for _ in range(5):
        wire.offer(bytes(100), 0.0)
    wire.change(Impairment(rate_bit_s=8000), 0.0)
    leave = []
    while wire:
        leave.append(wire.deadline())
        wire.due(leave[-1])
    assert leave == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.5])


def test_faults_that_a_change_leaves_alone_go_on_where_they_were():
    changed, left = (link(7, loss=0.5) for _ in range(2))
    for wire in (changed, left):
        send(wire, 50)
    changed.change(Impairment(loss=0.5, delay_s=1, duplicate=0.5), 0.0)
    felt = [{*order(send(wire, 50))} for wire in (changed, left)]
    assert felt[1] <= felt[0], "a packet that comes twice may lose one of the two"


def test_healing_releases_what_is_under_way_and_the_wire_is_as_new():
    wire = link(delay_s=10)
    wire.offer(b"slow", 0.0)
    assert wire.rows()["queued"] == 1
    assert wire.release() == [(0, b"slow")]
    wire.change(Impairment(), 1.0)
    wire.offer(b"next", 1.0)
    assert wire.due(1.0) == [(0, b"next")]
    assert wire.counters.reordered == 0


def test_slots_let_bursts_through_and_no_more_than_they_take():
    wire = link(slot_min_s=0.02, slot_packets=5)
    out = send(wire, 100, every_s=0.001)
    assert order(out) == list(range(100))
    moments = sorted({at for at, _ in out})
    assert moments[0] == pytest.approx(0.02)
    assert all(later - before >= 0.02 - 1e-9 for before, later in pairwise(moments))
    sizes = [sum(at == moment for at, _ in out) for moment in moments]
    assert sizes == [5] * 20
    by_octets = send(link(slot_min_s=0.02, slot_octets=250), 30, every_s=0.001)
    assert [sum(at == moment for at, _ in by_octets) for moment in {at for at, _ in by_octets}] == (
        [3] * 10  # The third of 100 octets is begun: netem's count may go below zero, too.
    )


@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
def test_slots_come_as_a_distribution_has_it(distribution):
    wanted = {"slot_delay_s": 0.02, "slot_jitter_s": 0.002, "slot_distribution": distribution}
    wire = link(**wanted, slot_packets=1, limit=10_000)
    out = send(wire, 2000, every_s=0.0)
    waits = [later - before for before, later in pairwise(at for at, _ in out)]
    mean_s = sum(waits) / len(waits)
    assert mean_s == pytest.approx(0.02, rel=0.02)
    spread_s = (sum((each - mean_s) ** 2 for each in waits) / len(waits)) ** 0.5
    alone = send(link(delay_s=0.02, jitter_s=0.002, distribution=distribution), 2000, every_s=1.0)
    delays = [at - number for number, (at, _) in enumerate(alone)]
    assert spread_s == pytest.approx(
        (sum((each - 0.02) ** 2 for each in delays) / len(delays)) ** 0.5, rel=0.2
    )
    steady = send(link(slot_delay_s=0.02, slot_packets=1), 3, every_s=0.0)
    assert [at for at, _ in steady] == pytest.approx([0.02, 0.04, 0.06])


@pytest.mark.parametrize(
    ("more", "octets"),
    [
        ({}, 142),
        ({"rate_overhead": 4}, 146),
        ({"rate_overhead": -14}, 128),
        ({"rate_overhead": -200}, 0),
        ({"rate_cell": 48, "rate_cell_overhead": 5}, 3 * 53),
        ({"rate_overhead": 2, "rate_cell": 48}, 3 * 48),
        ({"rate_overhead": 3, "rate_cell": 48}, 4 * 48),
    ],
)
def test_a_rate_counts_what_a_link_puts_around_packets(more, octets):
    wire = ImpairedLink(Impairment(rate_bit_s=8000, **more), random.Random(1), overhead_octets=42)
    wire.offer(bytes(100), 0.0)
    assert wire.deadline() == pytest.approx(octets / 1000)


def test_what_waits_for_cells_hurries_when_they_are_no_more():
    wire = link(rate_bit_s=8000, rate_cell=10_000)
    wire.offer(bytes(100), 0.0)
    wire.change(Impairment(rate_bit_s=8000), 1.0)
    assert wire.deadline() == pytest.approx(1.1)


def test_a_slot_is_opened_by_what_is_due():
    wire = link(slot_min_s=0.02, slot_max_s=0.03)
    for at in (0.0, 0.01, 0.5, 0.5):
        wire.offer(bytes(100), at)
    first = wire.deadline()
    assert 0.02 <= first <= 0.03
    assert len(wire.due(first)) == 2  # Both were due when it came.
    second = wire.deadline()
    assert 0.52 <= second <= 0.53
    assert len(wire.due(second)) == 2
    assert wire.rows()["delayed"] == 4
    wire.offer(bytes(100), 1.0)
    assert len(wire.release()) == 1  # A wire that is healed waits for no slot.


def test_what_may_be_marked_is_marked_instead_of_lost():
    capable = Ether() / IP(src="10.0.0.1", dst="10.0.0.2", tos=2) / UDP() / b"x"
    capable6 = Ether() / IPv6(src="fd00::1", dst="fd00::2", tc=1) / UDP() / b"x"
    deaf = Ether() / IP(src="10.0.0.1", dst="10.0.0.2") / UDP() / b"x"
    wire = link(loss=1.0, ecn=True)
    for frame in (capable, capable6, deaf, Ether() / ARP()):
        wire.offer(bytes(frame), 0.0)
    wire.offer(bytes(capable)[14:], 0.0, ip_at=0)
    wire.offer(bytes(capable), 0.0, header=b"8 octets")
    felt = wire.rows()
    assert (felt["marked"], felt["lost"], felt["queued"]) == (4, 2, 4)
    four, six, bare, behind = (octets for _, octets in wire.due(0.0))
    for octets in (four, b"\0" * 14 + bare, behind[8:]):
        assert IP(octets[14:]).tos == 3
        assert not checksum.finish(checksum.add(octets[14:34]))
    assert IPv6(six[14:]).tc == 3
    assert not Impairment(loss=1.0, ecn=True).silent
