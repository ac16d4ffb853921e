"""A busy Ethernet marks what may be marked, and nothing else; sums stay right."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from netdev.congestion_mark import marked
from netstack.tcp.settings import TcpSettings
from netstack.wire import checksum
from simulator.checkers import wrong_checksum
from simulator.plan import Converse, Plan
from simulator.simulation import Simulation

TALK = Converse(at=0.0, client="pod-0", server="pod-1", up=5000, down=5000)
PLAN = Plan(nodes=0, pods=2, tcp=TcpSettings(ecn=1), marks=1.0, events=(TALK,))


@pytest.mark.parametrize("version", [4, 6])
def test_a_conversation_through_a_busy_switch_is_marked_and_says_so(version: int) -> None:
    arrived: list[bytes] = []
    plan = replace(PLAN, versions=(version,), events=(replace(TALK, version=version),))
    outcome = Simulation(
        plan,
        1,
        watch=lambda link, _channel, octets, _now: arrived.append(
            bytes(octets) if link.name.endswith("down") else b""
        ),
    ).run()
    assert not outcome.violations
    assert outcome.succeeded == outcome.conversations
    kind, shift, flags = (b"\x08\0", 0, 47) if version == 4 else (b"\x86\xdd", 4, 67)
    packets = [frame for frame in arrived if frame[12:14] == kind and len(frame) > flags]
    assert {frame[15] >> shift & 3 for frame in packets} == {0, 3}
    assert any(frame[flags] & 0x40 for frame in packets)
    assert any(frame[flags] & 0x80 for frame in packets)


def test_only_what_may_be_marked_is_and_its_sum_is_right() -> None:
    rng = random.Random(1)
    for _ in range(300):
        packet = bytearray(b"\x45" + rng.randbytes(19))
        packet[3], packet[6:8], packet[9] = 20, b"\x40\0", 99
        packet[2] = packet[10] = packet[11] = 0
        packet[10:12] = checksum.of(packet).to_bytes(2, "big")
        frame = bytes(12) + b"\x08\0" + bytes(packet)
        assert not wrong_checksum(memoryview(packet))
        after = marked(frame)
        assert after[15] == (packet[1] | 3 if packet[1] & 3 else packet[1])
        assert not wrong_checksum(memoryview(after)[14:])


@pytest.mark.parametrize("frame", [b"", bytes(20), b"\xff" * 12 + b"\x08\x06" + b"\xff" * 40])
def test_what_is_no_packet_is_left_alone(frame: bytes) -> None:
    assert marked(frame) == frame
