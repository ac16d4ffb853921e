"""Advice about memory: it changes what a fork costs, never what a value is."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from componentbase import memory

_PAGE = 4096


def test_zero_pages_go_back_and_every_octet_stays_what_it_was() -> None:
    thing = bytes(64 * _PAGE) + b"end"
    memory.return_zero_pages(thing)
    assert not any(thing[:-3])
    assert thing.endswith(b"end")


def test_returned_zero_pages_are_no_longer_resident() -> None:
    thing = bytearray(512 * _PAGE)  # Too large for the heap: a mapping of its own.
    inside = b"\0" * (256 * _PAGE)
    before = _resident_kib()
    memory.return_zero_pages(inside)
    assert _resident_kib() <= before - 900
    assert not any(thing)


#: Makes gaps on many pages, forks, allocates in the child, prints how much the child wrote to.
_PROGRAM = """
import os, sys
from componentbase import memory
rows = [[bytes(100), bytes(200), bytes(300)] for _ in range(20_000)]
del rows[::7]
if sys.argv[1] == "filled":
    memory.fill_gaps()
memory.freeze()
def dirty():
    descriptor = os.open("/proc/self/smaps_rollup", os.O_RDONLY)
    text = os.read(descriptor, 4096)
    return int(text.split(b"Private_Dirty:")[1].split()[0])
if os.fork() == 0:
    before = dirty()
    kept = [[bytes(100), bytes(200), bytes(300)] for _ in range(300)]
    print(dirty() - before, flush=True)
    os._exit(0)
os.wait()
"""


def test_a_fork_writes_to_fewer_pages_when_gaps_are_filled() -> None:
    assert _growth_kib("filled") < _growth_kib("gaps")


#: The same of blocks that C code takes from malloc.
_C_PROGRAM = _PROGRAM.replace(
    "rows = [[bytes(100), bytes(200), bytes(300)] for _ in range(20_000)]\ndel rows[::7]",
    """import ctypes
c = ctypes.CDLL(None)
c.malloc.restype, c.free.argtypes = ctypes.c_void_p, (ctypes.c_void_p,)
import random
rows = [c.malloc(size) for size in (100, 200, 300) * 20_000]
for block in random.Random(1).sample(rows, 8_000):
    c.free(block)
c.malloc(5000)  # malloc sorts what was freed, which writes to it, when it is next asked.""",
).replace(
    "kept = [[bytes(100), bytes(200), bytes(300)] for _ in range(300)]",
    "kept = [ctypes.memset(c.malloc(size), 1, size) for size in (100, 200, 300) * 300]",
)


def test_c_codes_blocks_lie_side_by_side_too() -> None:
    assert _growth_kib("filled", _C_PROGRAM) < _growth_kib("gaps", _C_PROGRAM) / 2


def _growth_kib(mode: str, program: str = _PROGRAM) -> int:
    done = subprocess.run(
        [sys.executable, "-c", program, mode],
        capture_output=True, text=True, check=True, timeout=60, env=dict(os.environ),
    )  # fmt: skip
    return int(done.stdout)


def _resident_kib() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * _PAGE // 1024


#: Forks; the child logs from a thread and says how much it wrote to, and a number from `random`.
_FORKING = """
import logging, os, random, sys, threading
from componentbase import memory
logging.basicConfig(format="%(message)s", stream=sys.stdout)
if sys.argv[1] == "forgotten":
    memory.forget_fork_hooks()
memory.freeze()
if os.fork() == 0:
    descriptor = os.open("/proc/self/smaps_rollup", os.O_RDONLY)
    print(os.read(descriptor, 4096).split(b"Private_Dirty:")[1].split()[0].decode())
    print(random.random(), random.getrandbits(64))
    thread = threading.Thread(target=logging.warning, args=("logged by a thread",), daemon=True)
    thread.start()
    thread.join(20)
    print("ended" if not thread.is_alive() else "locked", flush=True)
    os._exit(0)
os.wait()
print(random.random(), random.getrandbits(64))
"""


def test_a_fork_without_hooks_logs_from_threads_and_has_numbers_of_its_own() -> None:
    dirty_kib, childs, logged, end, parents = _fork("forgotten")
    assert (logged, end) == ("logged by a thread", "ended")
    assert childs != parents
    assert int(dirty_kib) < int(_fork("kept")[0]) - 100


def _fork(mode: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", _FORKING, mode],
        capture_output=True, text=True, check=True, timeout=60, env=dict(os.environ),
    )  # fmt: skip
    return done.stdout.splitlines()
