"""Applets of a person at a terminal, and what else is pasted: tty, stty, clear, ss, base64."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable
from typing import Final

from podruntime.images.busybox.applet import applet
from podruntime.images.busybox.arguments import BadUsage, parse
from podruntime.images.process import Process, Program

_LINE: Final = 76


async def tty(process: Process) -> int:
    """Say which terminal stdin is."""
    process.print("/dev/pts/0" if process.terminal is not None else "not a tty")
    return 0 if process.terminal is not None else 1


@applet
async def stty(process: Process) -> int:
    """Show the terminal's size; what else is set stays as it is."""
    if process.terminal is None:
        raise BadUsage("standard input: Not a tty")
    if process.arguments == ["size"]:
        process.print(f"{process.terminal.rows} {process.terminal.columns}")
    elif not process.arguments or process.arguments == ["-a"]:
        rows, columns = process.terminal.rows, process.terminal.columns
        process.print(f"speed 38400 baud; rows {rows}; columns {columns};")
    return 0


async def clear(process: Process) -> int:
    """Clear the screen."""
    process.stdout.write(b"\x1b[H\x1b[J")
    return 0


@applet
async def ss(process: Process) -> int:
    """Show sockets as iproute2 does: -l listening, -a all, -t TCP, -u UDP, -n as ever."""
    arguments = parse(process.arguments, "tulanpeHo46s")
    protocols = [name for name, flag in (("tcp", "t"), ("udp", "u")) if flag in arguments]
    rows = [
        row
        for row in process.network.sockets()
        if not protocols or row["protocol"] in protocols
        if _wanted(row, listening="l" in arguments, everything="a" in arguments)
    ]
    if "H" not in arguments:
        process.print("Netid  State      Recv-Q Send-Q Local Address:Port    Peer Address:Port")
    for row in rows:
        process.print(
            f"{row['protocol']:<6} {row['state']:<10} {row['recv_q']:<6} {row['send_q']:<6} "
            f"{row['local']:<21} {row['remote']}"
        )
    return 0


def _wanted(row: dict[str, object], *, listening: bool, everything: bool) -> bool:
    listens = row["state"] in ("LISTEN", "UNCONN")
    return everything or listens == listening


@applet
async def base64_(process: Process) -> int:
    """Encode, or with -d decode, a file or stdin."""
    arguments = parse(process.arguments, "dw:", {"decode": "d", "wrap=": "w"})
    names = [name for name in arguments.operands if name != "-"]
    octets = process.files.read(process.path(names[0])) if names else await process.stdin.read()
    if "d" in arguments:
        try:
            process.stdout.write(base64.b64decode(b"".join(octets.split()), validate=True))
        except binascii.Error:
            raise BadUsage("truncated input") from None
        return 0
    text = base64.b64encode(octets).decode()
    width = int(arguments.number("w", _LINE)) or len(text) or 1
    for line in _cut(text, width):
        process.print(line)
    return 0


def _cut(text: str, width: int) -> Iterable[str]:
    return (text[at : at + width] for at in range(0, len(text), width))


APPLETS: Final[dict[str, Program]] = {
    "base64": base64_,
    "clear": clear,
    "ss": ss,
    "stty": stty,
    "tty": tty,
}
