"""busybox, alpine and curl: a shell and small programs (applets)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from podruntime.images.busybox import (
    awk,
    compare,
    curl,
    dig,
    files,
    grep,
    interfaces,
    machine,
    network,
    nslookup,
    octets,
    processes,
    sed,
    session,
    signals,
    system,
    tar,
    text,
    traceroute,
    trees,
    web,
)
from podruntime.images.image import Image
from podruntime.images.process import Process, Program, find_program
from podruntime.images.shell.builtins import sh


async def _busybox(process: Process) -> int:
    """`busybox APPLET ARGUMENT…`."""
    if not process.arguments:
        process.print("BusyBox (emulated) multi-call binary.\n\nCurrently defined functions:")
        process.print("\t" + ", ".join(sorted(APPLETS)))
        return 0
    if process.arguments == ["--list"]:
        process.print("\n".join(sorted(APPLETS)))
        return 0
    program = find_program(APPLETS, process.arguments[0])
    if program is None:
        process.complain(f"{process.arguments[0]}: applet not found")
        return 127
    return await program(process.child(process.arguments))


APPLETS: Final[Mapping[str, Program]] = {
    **awk.APPLETS,
    **compare.APPLETS,
    **dig.APPLETS,
    **files.APPLETS,
    **grep.APPLETS,
    **interfaces.APPLETS,
    **machine.APPLETS,
    **network.APPLETS,
    **nslookup.APPLETS,
    **octets.APPLETS,
    **processes.APPLETS,
    **sed.APPLETS,
    **session.APPLETS,
    **signals.APPLETS,
    **system.APPLETS,
    **tar.APPLETS,
    **text.APPLETS,
    **traceroute.APPLETS,
    **trees.APPLETS,
    **web.APPLETS,
    "ash": sh,
    "busybox": _busybox,
    "sh": sh,
}

IMAGE: Final = Image(programs=APPLETS, cmd=("sh",), size=4_300_000)
ALPINE: Final = replace(IMAGE, cmd=("/bin/sh",), size=7_800_000)
#: Distributions, as far as busybox' tools go.
_WITH_BASH: Final = {**APPLETS, "bash": sh, "curl": curl.curl}
DEBIAN: Final = Image(programs=_WITH_BASH, cmd=("bash",), size=124_000_000)
BASH: Final = Image(programs=_WITH_BASH, cmd=("bash",), size=14_000_000)
CURL_SHELL: Final = Image(programs=_WITH_BASH, cmd=("/bin/sh",), size=4_900_000)
DNSUTILS: Final = Image(programs=_WITH_BASH, cmd=("sleep", "3600"), size=100_000_000)
CURL: Final = Image(
    programs={**APPLETS, "curl": curl.curl, "entrypoint.sh": curl.entrypoint},
    entrypoint=("/entrypoint.sh",),
    cmd=("curl",),
    size=22_000_000,
)
