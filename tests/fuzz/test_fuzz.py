"""Each target over its corpus and over random changes of it: a short look, without a fuzzer."""

from __future__ import annotations

import random
import tracemalloc
from collections.abc import Iterator
from time import perf_counter

import pytest
from fuzzing import corpus
from fuzzing.registry import TARGETS

#: Inputs of one run of the tests for each target, made from a fresh seed.
FRESH = 120
#: Of those that build a whole node for each input.
FRESH_NODES = 25
#: One input of at most 2,000 octets may take this long, and this much memory.
SECONDS_MAX = 2.0
MEMORY_MAX = 48 << 20


@pytest.fixture
def memory() -> Iterator[None]:
    """Watch what is allocated."""
    tracemalloc.start()
    yield
    tracemalloc.stop()


@pytest.mark.parametrize("name", TARGETS)
def test_seeds_and_corpus_hold(name: str) -> None:
    target = TARGETS[name]
    for octets in (*target.seeds, *corpus.load(name), b""):
        target(octets)


@pytest.mark.parametrize("name", TARGETS)
def test_random_octets_hold(name: str) -> None:
    seed = random.SystemRandom().randrange(1 << 32)
    count = FRESH_NODES if name.startswith(("node", "netlink-calls")) else FRESH
    for octets in corpus.batch(name, TARGETS[name], random.Random(seed), count):
        began_at = perf_counter()
        try:
            TARGETS[name](octets)
        except Exception as error:
            error.add_note(f"target {name}, octets {octets.hex()}")
            raise
        assert perf_counter() - began_at < SECONDS_MAX, f"{name}: {octets.hex()}"


@pytest.mark.usefixtures("memory")
@pytest.mark.parametrize("name", TARGETS)
def test_a_long_input_takes_no_more_memory_than_it_should(name: str) -> None:
    target = TARGETS[name]
    octets = max(target.seeds, key=len) * 1000
    target(octets[:60_000])
    assert tracemalloc.get_traced_memory()[1] < MEMORY_MAX
