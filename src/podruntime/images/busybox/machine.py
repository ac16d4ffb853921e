"""Applets about what the container runs on: df, free, uptime, mount, sync, nproc's neighbours.

What they show is the machine's own, as in a container of a real runtime: nothing of it is counted
for a pod by itself.
"""

from __future__ import annotations

import time
from typing import Final

from componentbase.clock import wall
from podruntime.images.busybox.applet import applet
from podruntime.images.busybox.arguments import parse
from podruntime.images.process import Process, Program

_KIB: Final = 1024
_MEMORY_UNITS: Final = {"b": 1, "k": _KIB, "m": _KIB**2, "g": _KIB**3}
_MINUTE_S, _HOUR_S, _DAY_S = 60, 3600, 86_400


def human(octets: float) -> str:
    """Return a size as `-h` shows it: 4.2G."""
    for unit in ("", "K", "M", "G", "T"):
        if octets < _KIB or unit == "T":
            return f"{octets:.1f}{unit}" if unit else str(int(octets))
        octets /= _KIB
    raise AssertionError("the last unit takes everything")


@applet
async def df(process: Process) -> int:
    """Show how full the file systems are."""
    arguments = parse(process.arguments, "hkmPTa")
    points = [process.path(name) for name in arguments.operands]
    unit = _KIB**2 if "m" in arguments else _KIB
    heading = "Size" if "h" in arguments else "1M-blocks" if "m" in arguments else "1K-blocks"
    process.print(
        _row("Filesystem", heading, "Used", "Available", share="Use%", point="Mounted on")
    )
    for point in points or ["/", *(each.point for each in process.files.mounts())]:
        found = process.files.space(point)
        used, free = found.f_blocks - found.f_bfree, found.f_bavail
        sizes = [each * found.f_frsize for each in (found.f_blocks, used, free)]
        shown = [human(each) if "h" in arguments else str(each // unit) for each in sizes]
        share = -(-100 * used // (used + free)) if used + free else 0
        name = "overlay" if point == "/" else "none"
        process.print(_row(name, *shown, share=f"{share}%", point=point))
    return 0


def _row(name: str, *sizes: str, share: str, point: str) -> str:
    return f"{name:<20} {' '.join(f'{size:>9}' for size in sizes)} {share:>4} {point}"


def _facts(process: Process) -> dict[str, int]:
    """Return /proc/meminfo, in octets."""
    lines = [line.split() for line in process.files.text("/proc/meminfo").splitlines()]
    return {words[0].rstrip(":"): int(words[1]) * _KIB for words in lines if len(words) > 1}


@applet
async def free(process: Process) -> int:
    """Show the machine's memory."""
    arguments = parse(process.arguments, "bkmght")
    unit = next((size for flag, size in _MEMORY_UNITS.items() if flag in arguments), _KIB)
    facts = _facts(process)

    def shown(octets: int) -> str:
        return human(octets) if "h" in arguments else str(octets // unit)

    def row(name: str, *octets: int) -> None:
        process.print(f"{name:<7}" + " ".join(f"{shown(each):>11}" for each in octets))

    headings = ("total", "used", "free", "shared", "buff/cache", "available")
    process.print(" " * 7 + " ".join(f"{each:>11}" for each in headings))
    total, unused, shared = (facts.get(key, 0) for key in ("MemTotal", "MemFree", "Shmem"))
    cached = sum(facts.get(key, 0) for key in ("Buffers", "Cached", "SReclaimable"))
    available = facts.get("MemAvailable", unused)
    row("Mem:", total, total - unused - cached, unused, shared, cached, available)
    swap, swap_free = facts.get("SwapTotal", 0), facts.get("SwapFree", 0)
    row("Swap:", swap, swap - swap_free, swap_free)
    return 0


async def uptime(process: Process) -> int:
    """Say how long the machine is up, and its load."""
    up_s = int(float((process.files.text("/proc/uptime").split() or ["0"])[0]))
    days, hours, minutes = up_s // _DAY_S, up_s % _DAY_S // _HOUR_S, up_s % _HOUR_S // _MINUTE_S
    since = f"{days} day{'s' if days > 1 else ''}, " if days else ""
    since += f"{hours:2}:{minutes:02}" if hours else f"{minutes} min"
    now = time.strftime("%H:%M:%S", time.gmtime(wall()))
    load = ", ".join(process.files.text("/proc/loadavg").split()[:3])
    process.print(f" {now} up {since},  0 users,  load average: {load}")
    return 0


async def mount(process: Process) -> int:
    """List what is mounted; nothing can be mounted."""
    if process.arguments:
        process.complain("mount: permission denied (are you root?)")
        return 1
    process.print("overlay on / type overlay (rw,relatime)")
    for each in process.files.mounts():
        process.print(f"none on {each.point} type bind ({'ro' if each.readonly else 'rw'})")
    return 0


async def sync(_process: Process) -> int:
    """Nothing waits to be written."""
    return 0


APPLETS: Final[dict[str, Program]] = {
    "df": df,
    "free": free,
    "mount": mount,
    "sync": sync,
    "uptime": uptime,
}
