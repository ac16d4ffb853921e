"""The kernel's TCP over the kernel's VXLAN, between two network namespaces joined by a veth pair.

It is what a cluster of containers has: nothing of the way leaves the kernel. The same Python
programs as in pods run at both ends. Called within a namespace, which is one of the two.
"""

from __future__ import annotations

import json
import re
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_ROOT: Final = Path(__file__).resolve().parents[1]
_TOOLS: Final = ("ip", "nsenter", "unshare", "ping")
_SERVER: Final = "10.80.0.2"
_PINGS: Final = 500
#: One end's devices and addresses, N being 1 or 2; the overlay's MTU is that of pods.
_SET_UP: Final = """
link set under{n} up
addr add 10.79.0.{n}/24 dev under{n}
link add vxlan{n} type vxlan id 1 local 10.79.0.{n} remote 10.79.0.{other} dstport 4789 dev under{n}
link set vxlan{n} mtu 1450 up
addr add 10.80.0.{n}/24 dev vxlan{n}
"""


@dataclass(frozen=True, slots=True)
class VxlanReference:
    """What the kernel reached over its own VXLAN."""

    gbit_s: float
    ping_us: float


def measure() -> VxlanReference | None:
    """Return what it reaches; None where a tool is missing or the kernel has no such devices."""
    if not all(map(shutil.which, _TOOLS)):
        return None
    try:
        with _other_namespace() as enter:
            return _between(enter)
    except subprocess.CalledProcessError:
        return None


@contextmanager
def _other_namespace() -> Iterator[list[str]]:
    """Make a namespace and the way to it; give what runs a command there."""
    with subprocess.Popen(["unshare", "-n", "cat"], stdin=subprocess.PIPE) as holder:
        try:
            time.sleep(0.2)
            pid = str(holder.pid)
            enter = ["nsenter", "-t", pid, "-n"]
            pair = f"ip link add under1 type veth peer name under2 netns {pid}"
            subprocess.run(pair.split(), check=True, capture_output=True)
            for number, other, way in ((1, 2, []), (2, 1, enter)):
                for words in _SET_UP.format(n=number, other=other).strip().splitlines():
                    subprocess.run([*way, "ip", *words.split()], check=True, capture_output=True)
            yield enter
        finally:
            holder.terminate()


def _between(enter: list[str]) -> VxlanReference:
    programs = [sys.executable, "-m", "benchmarks.wire_programs"]
    with subprocess.Popen([*enter, *programs, "serve", _SERVER], cwd=_ROOT) as server:
        try:
            time.sleep(1.5)
            measured = _output([*programs, "measure", _SERVER])
            pings = _output(["ping", "-c", str(_PINGS), "-i", "0.002", _SERVER])
        finally:
            server.terminate()
    times_ms = map(float, re.findall(r"time=([0-9.]+) ms", pings))
    return VxlanReference(json.loads(measured)["gbit_s"], 1000 * statistics.median(times_ms))


def _output(command: list[str]) -> str:
    done = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, check=True)
    return done.stdout
