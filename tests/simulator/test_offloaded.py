"""Super-frames and partial frames on the simulator's wires: who has them, and what watchers see."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from netdev.framing import PARTIAL, SEGMENT_OCTETS_MAX
from netstack.offload import SuperFrame
from simulator import offloaded
from simulator.link import Link
from simulator.plan import Converse, Plan
from simulator.simulation import Simulation

TALK = Converse(at=0.0, client="pod-0", server="pod-1", up=100_000, down=100_000)
PLAN = Plan(nodes=3, pods=3, offload=True, events=(TALK,))


@pytest.mark.parametrize("version", [4, 6])
def test_pods_and_nodes_put_off_what_they_agreed_to(
    monkeypatch: pytest.MonkeyPatch, version: int
) -> None:
    offered: Counter[str] = Counter()
    offer = Link.offer

    def count(link: Link, octets: bytes, now: float, *, channel: int = 0) -> None:
        between = link.name.startswith("node-")
        if channel & PARTIAL:
            offered["super" if channel & SEGMENT_OCTETS_MAX else "partial"] += 1
        elif between:
            offered[f"{link.name} {octets[0]:02x}"] += 1
        offer(link, octets, now, channel=channel)

    monkeypatch.setattr(Link, "offer", count)
    events = (TALK, replace(TALK, server="pod-2"))
    talks = tuple(replace(each, version=version) for each in events)
    outcome = Simulation(replace(PLAN, versions=(version,), events=talks), 1).run()
    assert not outcome.violations
    assert outcome.succeeded == outcome.conversations
    assert offered["super"] > 20
    assert offered["partial"] > 20
    assert offered["node-1 → node-3 08"] > 50
    assert not offered["node-1 → node-3 0c"]  # It does not take them.
    assert offered["node-1 → node-2 0c"] > 50


def test_watchers_see_ordinary_frames_with_their_sums() -> None:
    """`Simulation` asks for every checksum on every wire, of what is shown."""
    seen: list[int] = []
    outcome = Simulation(PLAN, 1, watch=lambda *packet: seen.append(len(packet[2]))).run()
    assert not outcome.violations
    assert max(seen) == 8 + 14 + 1450


def test_frames_go_in_runs_of_one_kind_and_super_frames_alone() -> None:
    word = PARTIAL | 1400
    packets = [(0, b"a"), (0, b"b"), (PARTIAL, b"c"), (word, b"d"), (word, b"e"), (0, b"f")]
    assert list(offloaded.runs(packets)) == [
        (0, [b"a", b"b"]), (PARTIAL, [b"c"]), (word, [b"d"]), (word, [b"e"]), (0, [b"f"]),
    ]  # fmt: skip
    frame = SuperFrame(b"frame")
    frame.segment = 1400
    assert offloaded.channel_of(frame) == word
    assert offloaded.channel_of(b"frame") == PARTIAL
