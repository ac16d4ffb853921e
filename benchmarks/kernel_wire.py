"""The kernel's own TCP over a wire in user space: what pods' TCP over podwire's is held against.

Two network namespaces, each with a TAP device whose frames a C program carries one by one over UDP
on loopback, in the manner of flannel's udp backend; in them the same Python programs as in pods.
Besides, what a round trip over UDP on plain loopback takes in C, and what the kernel reaches over
its own VXLAN (`kernel_vxlan`). Run as a module it measures in the
namespace that it was started in and prints JSON.
"""

from __future__ import annotations

import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from benchmarks import kernel_vxlan
from benchmarks.datapath import namespace
from benchmarks.kernel_vxlan import VxlanReference

_ROOT: Final = Path(__file__).resolve().parents[1]
_MTU: Final = 1450
_ROUNDS: Final = 3000
_PORTS: Final = ("39001", "39002")
_SERVER, _CLIENT = "10.78.0.1", "10.78.0.2"


@dataclass(frozen=True, slots=True)
class Reference:
    """What the kernel reached."""

    gbit_s: float
    udp_round_trip_us: float
    vxlan: VxlanReference | None


def measure() -> Reference | None:
    """Return what the kernel reaches, None where no namespace or no compiler is to be had."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    way = next((words for words in namespace.WAYS if namespace.allowed(words)), None)
    if compiler is None or way is None:
        return None
    done = subprocess.run(
        [*way, sys.executable, "-m", "benchmarks.kernel_wire", compiler],
        cwd=_ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(f"measuring the kernel failed: {done.stderr}")
    found = json.loads(done.stdout)
    vxlan = found.pop("vxlan")
    return Reference(**found, vxlan=None if vxlan is None else VxlanReference(**vxlan))


def _measure_here(compiler: str) -> Reference:
    namespace.loopback_up()
    with tempfile.TemporaryDirectory(prefix="podwire-bench-") as name:
        forwarder = str(Path(name) / "tap_forwarder")
        source = Path(__file__).with_name("tap_forwarder.c")
        subprocess.run([compiler, "-O2", "-o", forwarder, source], check=True)
        rounds = subprocess.run(
            [forwarder, "ping-pong", str(_ROUNDS)], capture_output=True, text=True, check=True
        )
        round_trip_us = statistics.median(map(float, rounds.stdout.split()))
        return Reference(_goodput(forwarder), round_trip_us, kernel_vxlan.measure())


def _goodput(forwarder: str) -> float:
    programs = [sys.executable, "-m", "benchmarks.wire_programs"]
    first, second = _PORTS
    serve = [forwarder, first, second, _SERVER, str(_MTU), *programs, "serve", _SERVER]
    ask = [forwarder, second, first, _CLIENT, str(_MTU), *programs, "measure", _SERVER]
    with subprocess.Popen(serve, cwd=_ROOT) as server:
        try:
            time.sleep(1.0)
            done = subprocess.run(ask, cwd=_ROOT, capture_output=True, text=True, check=True)
        finally:
            server.terminate()  # Its program goes with it.
    gbit_s: float = json.loads(done.stdout)["gbit_s"]
    return gbit_s


if __name__ == "__main__":
    print(json.dumps(asdict(_measure_here(sys.argv[1]))))
