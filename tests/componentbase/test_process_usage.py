from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

from componentbase.process_usage import Usage, children, cpu_ns, memory_of, usage

ROLLUP = """\
55d0c0000000-7fff00000000 ---p 00000000 00:00 0                          [rollup]
Rss:               20480 kB
Pss:                6000 kB
Shared_Clean:       4096 kB
Private_Clean:       100 kB
Private_Dirty:      3900 kB
"""


def test_what_is_private_is_the_working_set():
    assert memory_of(ROLLUP) == (4000 * 1024, 20480 * 1024)


def test_own_cpu_and_memory():
    before = cpu_ns(os.getpid())
    spent = time.process_time_ns()
    while time.process_time_ns() < spent + 20_000_000:
        pass
    assert cpu_ns(os.getpid()) - before >= 20_000_000
    used = usage(os.getpid())
    assert 0 < used.working_set <= used.rss


def test_who_is_gone_uses_nothing_and_has_no_children():
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    assert usage(gone.pid) == Usage()
    assert children(gone.pid) == []
    with pytest.raises(OSError, match=r".+"):
        cpu_ns(gone.pid)


def test_children():
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        assert child.pid in children(os.getpid())


def test_usages_add_up():
    assert Usage(1, 2, 3) + Usage(10, 20, 30) == Usage(11, 22, 33)
