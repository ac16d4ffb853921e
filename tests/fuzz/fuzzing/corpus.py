"""Inputs worth keeping: each target's seeds, and what a fuzzer found, a line of hex each."""

from __future__ import annotations

import random
from pathlib import Path

from fuzzing.target import Target

FOLDER = Path(__file__).parents[1] / "corpus"
_MUTATIONS_MAX = 6
_OCTETS_MAX = 2000
#: What breaks parsers: ends of ranges, signs, lengths that lie.
_INTERESTING = (0, 1, 2, 7, 8, 16, 32, 63, 64, 127, 128, 192, 254, 255)


def load(name: str) -> list[bytes]:
    """Return what was found for target *name*."""
    file = FOLDER / f"{name}.hex"
    if not file.exists():
        return []
    lines = file.read_text().splitlines()
    return [bytes.fromhex(line) for line in lines if not line.startswith("#")]


def save(name: str, inputs: list[bytes]) -> None:
    """Write what was found for target *name*, the shortest first."""
    unique = sorted(dict.fromkeys(inputs), key=lambda octets: (len(octets), octets))
    (FOLDER / f"{name}.hex").write_text("".join(f"{octets.hex()}\n" for octets in unique))


def batch(name: str, target: Target, rng: random.Random, count: int) -> list[bytes]:
    """Return *count* inputs: known ones changed a little, joined, cut, and plain noise."""
    known = [*target.seeds, *load(name)]
    inputs = []
    for _ in range(count):
        octets = bytearray(rng.choice(known) if known and rng.random() < 0.9 else b"")
        if rng.random() < 0.2:
            octets += rng.choice(known) if known else rng.randbytes(8)
        for _ in range(rng.randrange(_MUTATIONS_MAX)):
            _mutate(octets, rng)
        inputs.append(bytes(octets[:_OCTETS_MAX]))
    return inputs


def _mutate(octets: bytearray, rng: random.Random) -> None:
    at = rng.randrange(len(octets) + 1)
    match rng.randrange(6):
        case 0 if at < len(octets):
            octets[at] ^= 1 << rng.randrange(8)
        case 1 if at < len(octets):
            octets[at] = rng.choice(_INTERESTING)
        case 2:
            octets[at:at] = rng.randbytes(rng.randrange(1, 9))
        case 3:
            del octets[at : at + rng.randrange(1, 9)]
        case 4:
            part = octets[at : at + rng.randrange(1, 40)]
            octets[at:at] = part * rng.randrange(1, 4)
        case _:
            octets[at : at + 4] = rng.randbytes(4)
