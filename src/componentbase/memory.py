"""Keep what many forks of one warm process share shared: less copy-on-write.

A fork pays for every page that it writes to. Four things make CPython write to more pages than
it needs to, and each has its cure here (a fifth is code, see `hot_code`):

* New objects go into whatever gaps the warm process left behind, one gap per page. `fill_gaps`
  stops them before the forks begin, so that a fork's objects lie side by side in fresh pages;
  those of C code too, which malloc puts elsewhere.
* The collector writes to every object that it looks at: `freeze` keeps it off what is warm.
* `threading` and `logging` make their locks anew in every fork, for the sake of threads that held
  them. What forks here has one thread: `forget_fork_hooks` saves each fork 0.35 MB.
* A page of zeros costs as much as any other. `return_zero_pages` hands such pages back to the
  kernel, which gives a new one when somebody writes there.

It all is advice: without glibc or on a system without `madvise` nothing happens.
"""

from __future__ import annotations

import ctypes
import gc
import logging
import mmap
import sys
import threading
from typing import Final

#: obmalloc.c: what pymalloc serves (up to 512 octets in steps of 16), and how a pool looks.
_ALIGNMENT, _SMALL_MAX, _POOL_OCTETS, _POOL_HEAD_OCTETS = 16, 512, 16 * 1024, 48
#: A bytes object of length n takes n + 33 octets; of the sizes below that nothing is filled.
_BYTES_HEAD_OCTETS, _SMALL_MIN = 33, 48
_FRESH_RUN: Final = 8
_PLUGS_PER_SIZE_MAX: Final = 50_000
#: What glibc's malloc serves: gaps of these sizes, the larger ones first.
_LARGE_SIZES: Final = (65536, 32768, 16384, 8192, 4096, 2048, 1024, 768, 600)
_PLUGS_LARGE_MAX: Final = 4096
#: What C code asks malloc for itself, OpenSSL above all: up to so many octets, in glibc's steps.
_C_MAX, _C_MIN, _C_STEP, _PLUGS_C_MAX = 1016, 24, 16, 20_000

#: When the collector looks. Python's own 700 are an event loop's work of a millisecond; but what is
#: held by garbage is not counted, so that with 50,000 a process whose peer refused one TLS
#: connection after another held 60 MB of them.
COLLECTOR_THRESHOLDS: Final = (10_000, 100, 20)

_LIBC: Final = ctypes.CDLL(None)
_MADVISE: Final = getattr(_LIBC, "madvise", None) if hasattr(mmap, "MADV_DONTNEED") else None
if _MADVISE is not None:
    _MADVISE.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)

#: What the standard library has run before and after a fork, as these modules call it: up to
#: Python 3.12, and since.
_FORK_HOOKS: Final = (
    (threading, "_after_fork"),
    (logging, "_acquireLock" if sys.version_info < (3, 13) else "_prepareFork"),
    (logging, "_releaseLock" if sys.version_info < (3, 13) else "_afterFork"),
    (logging, "_after_at_fork_child_reinit_locks"),
)

#: What fills the gaps. It is never used and never freed.
_plugs: list[list[bytes]] = []


_MALLOC_FIELDS: Final = (
    "arena", "ordblks", "smblks", "hblks", "hblkhd",
    "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost",
)  # fmt: skip


class _MallocInfo(ctypes.Structure):
    """struct mallinfo2 of glibc 2.33."""

    _fields_ = tuple((name, ctypes.c_size_t) for name in _MALLOC_FIELDS)


def freeze() -> None:
    """Collect what is garbage, then keep the collector off all that is left."""
    gc.collect()
    gc.freeze()


def forget_fork_hooks() -> None:
    """Have forks of this process, which has one thread, run no hooks that locks need for threads.

    The interpreter keeps the hooks in lists of its own, which the collector finds before `freeze`.
    """
    hooks = [vars(module)[name] for module, name in _FORK_HOOKS if name in vars(module)]
    if len(hooks) < len(_FORK_HOOKS):
        return  # Another Python; half of logging's hooks would leave its lock locked.
    for keeper in gc.get_referrers(*hooks):
        if type(keeper) is list and keeper is not hooks:
            keeper[:] = [hook for hook in keeper if hook not in hooks]


def fill_gaps() -> None:
    """Fill the gaps between this process's objects: about 3 ms and 0.5 MB, once."""
    gc.collect()  # What is garbage is a gap that is not yet seen.
    _plugs.extend(_fill_small(size) for size in range(_SMALL_MIN, _SMALL_MAX + 1, _ALIGNMENT))
    if hasattr(_LIBC, "mallinfo2"):
        _LIBC.malloc_trim(0)
        _LIBC.mallinfo2.restype = _MallocInfo
        _plugs.append(_fill_large())
        _fill_c()


def _fill_small(size: int) -> list[bytes]:
    """Allocate blocks of *size* until they come one behind another from the start of a pool."""
    plugs: list[bytes] = []
    run = before = 0
    while run < _FRESH_RUN and len(plugs) < _PLUGS_PER_SIZE_MAX:
        plug = bytes(size - _BYTES_HEAD_OCTETS)
        plugs.append(plug)
        address = id(plug)
        if address % _POOL_OCTETS == _POOL_HEAD_OCTETS:
            run = 1
        else:
            run = run + 1 if run and address == before + size else 0
        before = address
    return plugs


def _fill_large() -> list[bytes]:
    """Allocate blocks of each size until they come from the end of the heap, not from a gap."""
    plugs: list[bytes] = []
    for size in _LARGE_SIZES:
        free_at_end = _LIBC.mallinfo2().keepcost
        while len(plugs) < _PLUGS_LARGE_MAX:
            plugs.append(bytes(size))
            if _LIBC.mallinfo2().keepcost != free_at_end:
                plugs.pop()
                break
    for plug in plugs:
        return_zero_pages(plug)
    return plugs


def _fill_c() -> None:
    """Allocate blocks of each size, for good, until they come from the end of the heap.

    They are what C code would be given: a fork's first TLS connection wrote to 1.5 MB of gaps.
    """
    _LIBC.malloc.argtypes, _LIBC.malloc.restype = (ctypes.c_size_t,), ctypes.c_void_p
    _LIBC.free.argtypes, _LIBC.free.restype = (ctypes.c_void_p,), None
    _LIBC.sbrk.argtypes, _LIBC.sbrk.restype = (ctypes.c_ssize_t,), ctypes.c_void_p
    plugs = 0
    for size in range(_C_MAX, _C_MIN - 1, -_C_STEP):  # What is cut off a block fits a later size.
        end = _LIBC.sbrk(0) - _LIBC.mallinfo2().keepcost
        while plugs < _PLUGS_C_MAX and (block := _LIBC.malloc(size)) is not None:
            if block >= end:
                _LIBC.free(block)
                break
            plugs += 1


def return_zero_pages(thing: object) -> None:
    """Give back the whole pages of zeros inside *thing*, a large object without references there.

    Only for memory that CPython's or C's allocator made: private, anonymous, so that the next
    reader finds zeros again.
    """
    if _MADVISE is None:
        return
    page = mmap.PAGESIZE
    zeros = bytes(page)
    begin, end = id(thing), id(thing) + thing.__sizeof__()
    for address in range(begin + -begin % page, end - page + 1, page):
        if ctypes.string_at(address, page) == zeros:
            _MADVISE(address, page, mmap.MADV_DONTNEED)
