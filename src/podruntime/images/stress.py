"""polinux/stress and vish/stress: programs that take memory and processor time on purpose.

Kubernetes' own pages about requests and limits use them. The memory is really taken. Simplified:
workers are tasks of one process, which give way to others now and then, so several of them take
no more than one processor.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Final

from componentbase.clock import monotonic
from podruntime.images.flags import BadFlags, parse
from podruntime.images.image import Image
from podruntime.images.process import Process

_UNITS: Final = {"b": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}
_SUFFIXES: Final = {"Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30, "k": 10**3, "M": 10**6, "G": 10**9}
#: How long a busy worker keeps the others of its pod waiting.
_SLICE_S: Final = 0.02
_PIECE: Final = 4 << 20
_WORKERS_MAX: Final = 64


async def stress(process: Process) -> int:
    """`stress --cpu N --vm N --vm-bytes B --vm-hang N --timeout N`."""
    defaults = {
        "cpu": "0",
        "vm": "0",
        "vm-bytes": "256M",
        "vm-hang": "",
        "vm-keep": "false",
        "timeout": "0",
        "verbose": "false",
        "quiet": "false",
    }
    short = {"-c": "--cpu", "-m": "--vm", "-t": "--timeout", "-v": "--verbose", "-q": "--quiet"}
    try:
        flags = parse([short.get(word, word) for word in process.arguments], defaults)
        hogs = [flags.number("cpu"), flags.number("vm")]
        octets = _octets(flags.text("vm-bytes").lower(), _UNITS)
        hang = flags.text("vm-hang") != "" or flags.true("vm-keep")
        timeout_s = float(flags.text("timeout").rstrip("s"))
    except (BadFlags, ValueError) as error:
        process.complain(f"FAIL: {error}")
        return 1
    if not any(hogs) or not all(0 <= each <= _WORKERS_MAX for each in hogs):
        process.complain(f"FAIL: write --cpu N or --vm N, up to {_WORKERS_MAX} of each")
        return 1
    process.exit_on_terminate(0)
    cpu, vm = hogs
    process.print(f"stress: info: [1] dispatching hogs: {cpu} cpu, 0 io, {vm} vm, 0 hdd")
    work = [*(_spin() for _ in range(cpu)), *(_take(octets, keep=hang) for _ in range(vm))]
    return await _for(work, timeout_s or None)


async def vish_stress(process: Process) -> int:
    """`stress -cpus N -mem-total Q -mem-alloc-size Q -mem-alloc-sleep D`."""
    defaults = {
        "cpus": "0",
        "mem-total": "0",
        "mem-alloc-size": "4Ki",
        "mem-alloc-sleep": "1ms",
        "logtostderr": "false",
    }
    try:
        flags = parse(process.arguments, defaults)
        cpus, pause_s = flags.number("cpus"), flags.seconds("mem-alloc-sleep")
        total = _octets(flags.text("mem-total"), _SUFFIXES)
        piece = max(1, _octets(flags.text("mem-alloc-size"), _SUFFIXES))
    except (BadFlags, ValueError) as error:
        process.complain(str(error))
        return 2
    process.exit_on_terminate(0)
    process.print(f'Allocating "{flags.text("mem-total")}" memory, in "{piece}" chunks')
    work = [_spin() for _ in range(min(cpus, _WORKERS_MAX))]
    work.append(_take(total, keep=True, piece=piece, pause_s=pause_s))
    return await _for(work, None)


def _octets(text: str, units: dict[str, int]) -> int:
    for suffix, factor in units.items():
        if text.endswith(suffix):
            return int(float(text.removesuffix(suffix)) * factor)
    return int(text)


async def _for(work: Sequence[Coroutine[None, None, None]], timeout_s: float | None) -> int:
    try:
        async with asyncio.timeout(timeout_s):
            await asyncio.gather(*work)
    except TimeoutError:
        pass
    return 0


async def _spin() -> None:
    """Compute for ever, giving way at every slice."""
    while True:
        until = monotonic() + _SLICE_S
        while monotonic() < until:
            sum(range(256))
        await asyncio.sleep(0)


async def _take(octets: int, *, keep: bool, piece: int = _PIECE, pause_s: float = 0.0) -> None:
    """Take memory piece by piece and write to it; keep it, or begin again."""
    while True:
        held: list[bytearray] = []
        taken = 0
        try:
            while taken < octets:
                held.append(bytearray(b"Z" * min(piece, octets - taken)))
                taken += len(held[-1])
                await asyncio.sleep(pause_s)
            if keep:
                await asyncio.Event().wait()
            await asyncio.sleep(_SLICE_S)
        finally:
            held.clear()  # Whoever looks at how the task ended looks at this list, too.


STRESS: Final = Image(programs={"stress": stress}, entrypoint=("stress",), size=4_041_495)
VISH: Final = Image(programs={"stress": vish_stress}, entrypoint=("/stress",), size=1_558_791)
