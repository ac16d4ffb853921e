"""Fixtures of the tests against peers that we did not write.

What the machine does not allow (network namespaces, TAP, VXLAN devices, a program that is not
installed) is tried, and said when a test is skipped for it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import netns
import pytest
import wireshark
from netns import Namespace
from station import Station

#: What our host says of octets that were damaged on the way, or wrong from the beginning.
_BROKEN = re.compile("checksum|malformed")


@pytest.fixture
def needs() -> Callable[..., None]:
    """Skip the test where the machine lacks one of the features or programs named."""

    def check(*features: str) -> None:
        for each in features:
            if why := netns.missing(each):
                pytest.skip(why)

    return check


@pytest.fixture
def new_namespace(needs: Callable[..., None]) -> Iterator[Callable[..., Namespace]]:
    """Make network namespaces that end with the test; skip it where there are none."""
    needs("netns")
    made: list[Namespace] = []

    def new(parent: Namespace | None = None) -> Namespace:
        made.append(Namespace(parent))
        return made[-1]

    yield new
    for each in reversed(made):
        each.close()


@pytest.fixture
def tap_namespace(needs: Callable[..., None], new_namespace: Callable[..., Namespace]) -> Namespace:
    """A namespace in which TAP devices can be made."""
    needs("netns", "tap")
    return new_namespace()


@pytest.fixture
def judge(tmp_path: Path) -> Callable[..., None]:
    """Let Wireshark judge what a station has seen: nothing odd but what is accepted."""

    def check(station: Station, *accepted: Sequence[str]) -> None:
        bad = [reason for reason in station.host.drops if _BROKEN.search(reason.value)]
        assert not bad, station.host.drops
        if why := netns.missing("tshark"):
            pytest.skip(f"{why}; all else held")
        file = station.save(tmp_path / "seen.pcapng")
        found = wireshark.findings(file, [text for texts in accepted for text in texts])
        probes = [each for each in found if station.is_tail_probe(each.frame - 1)]
        told = ["d-sack", "duplicate ack"] if probes else []  # Of what arrived twice.
        told.append("a new tcp session is started with the same ports")  # Ours are random.
        found = [
            each
            for each in found
            if each not in probes and not each.message.lower().startswith(tuple(told))
        ]
        assert not found, f"{found[:10]}\n{_around(file, found[0].frame)}"

    return check


def _around(file: Path, frame: int) -> str:
    return wireshark.tshark(file, "-Y", f"frame.number >= {frame - 5} && frame.number <= {frame}")
