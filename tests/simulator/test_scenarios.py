"""The scenarios hold for fresh seeds, for seeds that once failed, and repeat themselves exactly."""

from __future__ import annotations

import random
from typing import Final

import pytest

from simulator.campaign import Job, attempt
from simulator.scenarios import SCENARIOS

#: Fresh seeds of every scenario in one run of the tests.
FRESH: Final = 8
#: Of those that send thousands of packets.
FRESH_LARGE: Final = 2

LARGE: Final = ("floods", "floods6", "siege", "dual", "offload", "many")

#: Seeds that have found something: what it was, and where it was mended.
ONCE_FAILED: Final = {
    ("churn", 7): "a refused connection looked like an empty stream to a careless reader",
    ("wire", 22): "three questions of ARP were lost in a row",
    ("floods", 3): "answered questions of strangers kept conntrack full for two minutes",
    ("everything", 30001): "what a reset connection forgets is not acknowledged",
    ("floods", 221): "a question in the name of an echo server's port: two of them talked for ever",
    ("siege", 0): "a SYN that no route leads back to ended its connection while it was being sent",
    ("sips", 344): "one burst outlived nine questions of ARP and with them all tries",
}


@pytest.mark.parametrize("name", SCENARIOS)
def test_fresh_seeds_hold(name: str) -> None:
    first = random.SystemRandom().randrange(1 << 30)
    jobs = [Job(name, first + number) for number in range(FRESH_LARGE if name in LARGE else FRESH)]
    failed = {job.command: found for job in jobs if (found := attempt(job).violations)}
    assert not failed, failed


@pytest.mark.parametrize(("name", "seed"), ONCE_FAILED)
def test_seeds_that_once_failed_hold(name: str, seed: int) -> None:
    assert not attempt(Job(name, seed)).violations


@pytest.mark.parametrize("name", ["everything", "nonsense", "wire"])
def test_one_seed_has_one_history(name: str) -> None:
    def history() -> list[tuple[str, float, bytes]]:
        packets: list[tuple[str, float, bytes]] = []
        attempt(
            Job(name, 5),
            watch=lambda link, _channel, octets, now: packets.append(
                (link.name, now, bytes(octets))
            ),
        )
        return packets

    first = history()
    assert first
    assert first == history()
