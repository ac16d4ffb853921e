"""The wire between two hosts in virtual time: what TCP makes of each fault."""

from __future__ import annotations

import math
import random
from ipaddress import IPv4Address

import pytest

from podwire.fabric.config import Rule
from podwire.fabric.rules import Rules
from podwire.fabric.wire import FABRIC_TCP, Wire

HERE, THERE = "node-1", "control-plane-1"


class World:
    """A wire and a clock that waits for nobody."""

    def __init__(self, **wanted) -> None:
        rng = random.Random(1)
        self.now, self.rules = 100.0, Rules(rng)
        ends = {HERE: IPv4Address("192.168.64.1"), THERE: IPv4Address("192.168.64.251")}
        self.wire = Wire(ends, self.rules, rng)
        self.far = []
        if wanted:
            self.impair(**wanted)

    def impair(self, *ways: tuple[str, str], **wanted) -> None:
        ways = ways or ((HERE, THERE), (THERE, HERE))
        self.rules.replace([Rule(from_=one, to=other, **wanted) for one, other in ways], self.now)

    def connect(self):
        return self.wire.connect(HERE, 6443, self.far.append, self.now)

    def run(self, seconds: float, until=lambda: False) -> float:
        """Let time pass; return how much had passed when *until* came true."""
        begin, end = self.now, self.now + seconds
        self.wire.exchange(self.now)
        while not until() and (due := self.wire.deadline()) <= end:
            self.now = max(self.now, due)
            self.wire.handle_deadline(self.now)
        if not until():
            self.now = end
        return self.now - begin


def test_a_whole_wire_connects_and_carries_in_no_time():
    world = World()
    near = world.connect()
    world.run(0)
    assert near.established
    (far,) = world.far
    assert near.write(b"hello", world.now) == 5
    world.run(0)
    assert far.read(10, world.now) == b"hello"
    assert far.remote[0] == IPv4Address("192.168.64.1")


def test_a_handshake_takes_a_round_trip():
    world = World(delay_s=0.15)
    near = world.connect()
    assert world.run(5, lambda: near.established) == pytest.approx(0.3)


@pytest.mark.parametrize("after_s", [1.5, 20.0, 300.0])
def test_a_partition_of_any_length_is_over_a_second_after_healing(after_s):
    world = World()
    near, far = world.wire.establish(HERE, 6443, world.now)
    world.impair(loss=1)
    near.write(b"x", world.now)
    world.run(after_s)
    assert near.error is None
    assert not far.readable_octets
    world.rules.replace([], world.now)
    assert world.run(5, lambda: far.readable_octets == 1) <= 1.0
    assert far.read(1, world.now) == b"x"


def test_silence_ends_a_connection_as_late_as_on_linux():
    world = World()
    near, _ = world.wire.establish(HERE, 6443, world.now)
    world.impair(loss=1)
    near.write(b"x", world.now)
    took_s = world.run(2000, lambda: near.error is not None)
    assert 900 < took_s < 950
    assert isinstance(near.error, TimeoutError)
    near = world.connect()
    assert 110 < world.run(2000, lambda: near.error is not None) < 135


def test_a_connection_is_established_though_the_wire_is_silent():
    world = World(loss=1)
    near, far = world.wire.establish(HERE, 6443, world.now)
    assert near.established
    assert far.established
    assert world.rules.rows()[0]["packets"] == 0
    near.write(b"later", world.now)
    world.run(3)
    assert not far.readable_octets


def test_a_round_trip_beyond_the_longest_patience_still_gets_through():
    world = World(delay_s=0.8)
    near = world.connect()
    world.run(10, lambda: bool(world.far))
    (far,) = world.far
    near.write(bytes(30_000), world.now)
    received = 0

    def all_there() -> bool:
        nonlocal received
        received += len(far.read(1 << 20, world.now))
        return received == 30_000

    assert world.run(120, all_there) < 60
    assert FABRIC_TCP.rto_max_s < 1.6


@pytest.mark.parametrize(
    "wanted",
    [
        {"loss_gemodel": (0.02, 0.3), "delay_s": 0.005},
        {"loss": 0.05, "loss_correlation": 0.5},
        {"delay_s": 0.02, "jitter_s": 0.01, "distribution": "normal", "duplicate": 0.05},
        {"delay_s": 0.01, "reorder": 0.5, "gap": 5},
        {"corrupt": 0.03},
        {"rate_bit_s": 4e6, "limit": 20, "limit_octets": 20_000, "delay_s": 0.005},
    ],
)
def test_tcp_carries_everything_over_any_wire(wanted):
    world = World(seed=4, **wanted)
    near, far = world.wire.establish(HERE, 6443, world.now)
    octets, received, sent = random.Random(1).randbytes(400_000), bytearray(), 0

    def all_there() -> bool:
        nonlocal sent
        sent += near.write(octets[sent : sent + 65536], world.now)
        received.extend(far.read(1 << 20, world.now))
        return len(received) >= len(octets)

    took_s = world.run(60, all_there)
    assert bytes(received) == octets
    row = world.rules.rows()[0]
    felt = sum(row[name] for name in ("lost", "corrupted", "duplicated", "reordered", "overlimit"))
    assert felt
    assert row["packets"] + row["duplicated"] == (
        row["delivered"] + row["queued"] + row["lost"] + row["overlimit"]
    )
    if "rate_bit_s" in wanted:
        assert took_s > 8 * len(octets) / wanted["rate_bit_s"]
    if "corrupt" in wanted:
        assert caught_by_checksums(world) >= 0.9 * row["corrupted"]


def caught_by_checksums(world: World) -> int:
    """Return how many packets a stack of the wire has found to be wrong."""
    (there,) = [stack for name, stack in world.wire._stacks.items() if name == THERE]
    return sum(there.drops.values())


def test_one_direction_alone_can_be_cut():
    world = World()
    near, far = world.wire.establish(HERE, 6443, world.now)
    world.impair((THERE, HERE), loss=1)
    near.write(b"data", world.now)
    far.write(b"answer", world.now)
    world.run(2)
    assert far.read(9, world.now) == b"data"
    assert near.unacknowledged_octets == 4  # Its acknowledgment is on the cut side.
    assert not near.readable_octets


def test_who_gave_up_is_not_accepted():
    world = World(delay_s=0.5)
    near = world.connect()
    world.run(0.4)
    world.wire.give_up(HERE, near, world.now)
    world.run(5)
    assert world.far == []
    assert near.closed


def test_an_idle_wire_has_no_deadline():
    world = World()
    near, far = world.wire.establish(HERE, 6443, world.now)
    for end in (near, far):
        end.close(world.now)
    world.run(70)
    assert near.closed
    assert far.closed
    assert world.wire.deadline() == math.inf
