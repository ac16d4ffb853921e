"""Put the code that every fork runs side by side: less copy-on-write (see componentbase.memory).

CPython writes to a code object whenever it runs: its reference count, and the counters of inline
caches (PEP 659). The code of what a process really calls is 0.2 MB, but it lies between all the
code that nobody calls, on 1.2 MB of pages, and each fork pays for all of them. A life is watched
for what it calls, then these functions get copies of their code, made one after the other and
so one behind the other in memory. What they do is the same; the originals stay for whoever holds
them (frames of generators that are alive).

Functions are found by their names, and not by a walk over all objects: that would write to each
of them. So closures stay where they are, and so do function objects, which others may hold by
identity.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from types import CodeType, FrameType, FunctionType
from typing import Final

import msgpack

#: More than any life calls: what is called beyond stays where it is.
_NAMES_MAX: Final = 4096

#: Functions as (module, qualified name), in the order of their first calls.
Names = dict[tuple[str, str], None]


def called(life: Callable[[], None]) -> Names:
    """Run *life*, which starts no thread, and return what it called."""
    names: Names = {}

    def note(frame: FrameType, event: str, _argument: object) -> None:
        if event == "call" and len(names) < _NAMES_MAX:
            names.setdefault((frame.f_globals.get("__name__", ""), frame.f_code.co_qualname))

    sys.setprofile(note)
    try:
        life()
    finally:
        sys.setprofile(None)
    return names


def called_in_fork(life: Callable[[], None]) -> Names:
    """Return what *life* calls; it is lived in a fork, and nothing of it stays here."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            with os.fdopen(write, "wb") as pipe:
                pipe.write(msgpack.packb(list(called(life))))
            status = 0
        finally:
            os._exit(status)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        octets = pipe.read()
    os.waitpid(pid, 0)
    names = msgpack.unpackb(octets) if octets else []
    return {(module, qualified): None for module, qualified in names}


def gather(names: Iterable[tuple[str, str]]) -> int:
    """Give the functions called *names* copies of their code; return how many there are."""
    functions = [function for name in names for function in _functions(*name)]
    # All copies before the first original is freed: else the next copy would take its gap.
    copies = [_copy(function.__code__) for function in functions]
    for function, copied in zip(functions, copies, strict=True):
        function.__code__ = copied
    return len(functions)


def _copy(code: CodeType) -> CodeType:
    """Return a copy of *code* and of the code in it (closures, comprehensions)."""
    constants = (_copy(each) if isinstance(each, CodeType) else each for each in code.co_consts)
    return code.replace(co_consts=tuple(constants))


def _functions(module: str, qualified: str) -> Iterator[FunctionType]:
    """Yield what *module* calls *qualified* ("Class.method"), as far as that is functions."""
    thing: object = sys.modules.get(module)
    for name in qualified.split("."):
        thing = getattr(thing, "__dict__", {}).get(name)
    if isinstance(thing, classmethod | staticmethod):
        thing = thing.__func__
    both = (thing.fget, thing.fset) if isinstance(thing, property) else (thing,)
    yield from (each for each in both if isinstance(each, FunctionType))
