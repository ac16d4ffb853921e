"""How much of a link one TCP connection of ours fills: over loss, round-trip time and buffer.

A sender that never runs out of data, a receiver that always reads, and between them a link with a
rate, a delay each way, a queue of some packets in front of it, and losses at random. Data is lost,
acknowledgments are not. What counts is what the receiver's user has read after `DURATION_S`, slow
start included. Everything is virtual: the figures are the same on every machine.

The bound that figures are compared with is the least of the link's rate, as payload, and of what
Reno can reach at that loss (Mathis et al. 1997): MSS / RTT · √(3 / 2p). CUBIC may go beyond it.
"""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface
from multiprocessing import get_context
from typing import Final

from netdev.impairment import Impairment
from netstack.tcp.connection import TcpConnection
from netstack.tcp.settings import TcpSettings
from simulator.link import Link
from simulator.pod import Pod
from simulator.world import World

RATE_BIT_S: Final = 20_000_000
DURATION_S: Final = 15.0
LOSSES: Final = (0.0, 0.0001, 0.001, 0.01, 0.05)
RTTS_S: Final = (0.001, 0.01, 0.05, 0.2)
#: Packets that wait in front of the link.
BUFFERS: Final = (10, 50, 250)
SEEDS: Final = (1, 2, 3)
#: Of a full frame at an MTU of 1450: Ethernet, IPv4, TCP with timestamps; and the rest.
_HEADERS_OCTETS: Final = 14 + 20 + 32
MSS: Final = 1450 - 20 - 32
_CHUNK_OCTETS: Final = 65536
_PORT: Final = 80


@dataclass(frozen=True, slots=True)
class Cell:
    """One combination."""

    loss: float
    rtt_s: float
    buffer: int


CELLS: Final = tuple(
    Cell(loss, rtt_s, buffer) for loss in LOSSES for rtt_s in RTTS_S for buffer in BUFFERS
)


def bound_bit_s(loss: float, rtt_s: float) -> float:
    """Return what the link and the loss allow."""
    link = RATE_BIT_S * MSS / (MSS + _HEADERS_OCTETS)
    mathis = math.inf if not loss else 8 * MSS / rtt_s * math.sqrt(1.5 / loss)
    return min(link, mathis)


class _Path:
    """Two hosts and the link between."""

    def __init__(self, cell: Cell, seed: int) -> None:
        self.world = World(seed)
        # What is under way is in the queue, too: netem's limit counts it.
        flying = math.ceil(RATE_BIT_S * cell.rtt_s / 2 / 8 / (MSS + _HEADERS_OCTETS))
        there = Impairment(
            delay_s=cell.rtt_s / 2,
            loss=cell.loss,
            rate_bit_s=RATE_BIT_S,
            limit=cell.buffer + flying,
        )
        back = Impairment(delay_s=cell.rtt_s / 2)
        self.sender = self._pod(1, there)
        self.receiver = self._pod(2, back)

    def _pod(self, number: int, impairment: Impairment) -> Pod:
        link = Link(
            f"from {number}",
            impairment,
            random.Random(self.world.rng.getrandbits(64)),
            timers=self.world.timers,
            deliver=lambda packets, now: self._other(number).receive(packets, now),
            watches=[],
        )
        address = IPv4Interface(f"10.0.0.{number}/24")
        return Pod(self.world, f"host-{number}", address, gateway=None, tcp=TcpSettings(), up=link)

    def _other(self, number: int) -> Pod:
        return self.receiver if number == 1 else self.sender


def measure(cell: Cell, seed: int) -> float:
    """Return the goodput of one run in bit/s."""
    path = _Path(cell, seed)
    world, received = path.world, 0
    listener = path.receiver.host.tcp_listen(None, _PORT)
    chunk = bytes(_CHUNK_OCTETS)

    def accept() -> None:
        connection = listener.accept()
        assert connection is not None
        connection.on_change = lambda: read(connection)
        read(connection)

    def read(connection: TcpConnection) -> None:
        nonlocal received
        received += len(connection.read(1 << 30, world.now))

    def write() -> None:
        while connection.writable_octets >= _CHUNK_OCTETS:
            connection.write(chunk, world.now)

    listener.on_ready = accept
    connection = path.sender.host.tcp_connect((IPv4Address("10.0.0.2"), _PORT), world.now)
    connection.on_change = write
    path.sender.wake()
    world.run(limit_s=DURATION_S)
    return 8 * received / DURATION_S


def median(cell: Cell) -> float:
    """Return the median goodput of a cell; without loss one seed is like the other."""
    return statistics.median(measure(cell, seed) for seed in (SEEDS if cell.loss else SEEDS[:1]))


def measure_all(processes: int) -> Iterator[tuple[Cell, float]]:
    """Measure every cell, in any order."""
    with get_context("fork").Pool(processes) as pool:
        yield from pool.imap_unordered(_named, sorted(CELLS, key=lambda cell: cell.loss))


def _named(cell: Cell) -> tuple[Cell, float]:
    return cell, median(cell)


# The page.


def percent(loss: float) -> str:
    """Return a share as people write it."""
    return f"{100 * loss:g} %"


def milliseconds(rtt_s: float) -> str:
    """Return a time as people write it."""
    return f"{1000 * rtt_s:g} ms"


def page(results: dict[Cell, float]) -> str:
    """Return the page of the figures."""
    heads = " | ".join(f"{buffer} packets | of the bound" for buffer in BUFFERS)
    lines = [
        "# Goodput of our TCP",
        "",
        f"One connection for {DURATION_S:g} s over a link of {RATE_BIT_S / 1e6:g} Mbit/s, in"
        " virtual time: the same on every machine. Loss is of",
        "data, at random; the buffer is what waits in front of the link, behind what flies. Median"
        f" of {len(SEEDS)} seeds, in Mbit/s of payload. The bound is the",
        "lesser of the link's payload rate and of what Reno can reach at that loss"
        " (MSS / RTT · √(3 / 2p)); CUBIC may go beyond it.",
        "Made by `python -m simulator goodput`; a test measures some of the cells again.",
        "",
        "![Goodput over loss, a panel for each round-trip time](goodput.svg)",
        "",
        f"| loss | RTT | bound | {heads} |",
        "|---|---:|---:|" + "---:|---:|" * len(BUFFERS),
    ]
    rows = [_row(results, loss, rtt_s) for loss in LOSSES for rtt_s in RTTS_S]
    return "\n".join([*lines, *rows]) + "\n"


def _row(results: dict[Cell, float], loss: float, rtt_s: float) -> str:
    bound = bound_bit_s(loss, rtt_s)
    cells = [percent(loss), milliseconds(rtt_s), f"{bound / 1e6:.2f}"]
    for buffer in BUFFERS:
        goodput = results[Cell(loss, rtt_s, buffer)]
        cells += [f"{goodput / 1e6:.2f}", f"{100 * goodput / bound:.0f} %"]
    return f"| {' | '.join(cells)} |"


def read_page(text: str) -> dict[Cell, float]:
    """Return the figures of a page, in bit/s."""
    results = {}
    rows = [_cells(line) for line in text.splitlines() if line.startswith("| ")][1:]
    for loss, rtt, _, *figures in rows:
        for buffer, goodput in zip(BUFFERS, figures[::2], strict=True):
            key = Cell(_number(loss) / 100, _number(rtt) / 1000, buffer)
            results[key] = _number(goodput) * 1e6
    return results


def _cells(line: str) -> Sequence[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


def _number(text: str) -> float:
    return float(text.split()[0])
