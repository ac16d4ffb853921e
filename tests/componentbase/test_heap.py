"""Freed memory stays: blocks of packets that come and go cost no page faults."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

CHURN = """
import resource
from componentbase import heap
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(200):
        window = [bytearray(b"x" * 60_000) for _ in range(8)]
        del window
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
first = faults()
heap.keep_freed()
print(first, faults())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc's heap is meant")
def test_memory_that_comes_and_goes_is_kept():
    done = subprocess.run([sys.executable, "-c", CHURN], capture_output=True, text=True, check=True)
    before, after = map(int, done.stdout.split())
    assert after < before / 4, (before, after)
