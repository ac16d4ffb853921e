"""iperf3's command line."""

from __future__ import annotations

import re
import socket
from typing import Final

from podruntime.images.busybox.arguments import Arguments, BadUsage, parse
from podruntime.images.iperf3 import client
from podruntime.images.iperf3.protocol import PORT, BadPeer
from podruntime.images.iperf3.server import Server
from podruntime.images.process import Process

_LONG: Final = {
    "server": "s", "client=": "c", "port=": "p", "time=": "t", "bytes=": "n", "parallel=": "P",
    "reverse": "R", "interval=": "i", "length=": "l", "one-off": "1", "version": "v", "help": "h",
    "udp": "u", "format=": "f", "version4": "4", "version6": "6", "forceflush": "F",
}  # fmt: skip
_LENGTH: Final = 128 * 1024
_LENGTH_MAX: Final = 1 << 20
_STREAMS_MAX: Final = 128
_SUFFIXES: Final = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}


def _size(text: str) -> int:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([kmgtKMGT]?)", text)
    if match is None:
        raise BadUsage(f"invalid number '{text}'")
    return int(float(match[1]) * _SUFFIXES[match[2].lower()])


async def iperf3(process: Process) -> int:
    """`iperf3 -s`, or `iperf3 -c HOST`."""
    try:
        arguments = parse(process.arguments, "sc:p:t:n:P:Ri:l:1vhuf:46F", _LONG)
        return await _run(process, arguments)
    except BadUsage as error:
        process.complain(f"iperf3: parameter error - {error}")
    except BadPeer as error:
        process.complain(f"iperf3: error - {error}")
    except socket.gaierror as error:
        process.complain(f"iperf3: error - unable to connect to server: {error.strerror}")
    except OSError as error:
        process.complain(f"iperf3: error - {_reason(error, 's' in arguments)}")
    return 1


def _reason(error: OSError, listens: bool) -> str:
    if listens:
        return f"unable to start listener for connections: {error.strerror}"
    refused = isinstance(error, ConnectionRefusedError)
    why = "Connection refused" if refused else error.strerror or str(error)
    return f"unable to connect to server: {why}"


async def _run(process: Process, arguments: Arguments) -> int:
    port = int(arguments.number("p", PORT))
    interval_s = arguments.number("i", 1)
    if "v" in arguments:
        process.print("iperf 3.12 (emulated)")
        return 0
    if "u" in arguments:
        raise BadUsage("this iperf3 has no UDP")
    if not 0 < port < 65536 or not 0 <= interval_s <= 60:
        raise BadUsage("a port or an interval that cannot be")
    if "s" in arguments and "c" not in arguments:
        process.exit_on_terminate(1)
        return await Server(process, port, interval_s).run(one_off="1" in arguments)
    if "c" not in arguments or "s" in arguments:
        raise BadUsage("must either be a client (-c) or server (-s)")
    process.exit_on_terminate(1)
    wishes = client.Wishes(
        host=arguments.value("c"),
        port=port,
        time_s=int(arguments.number("t", 10)),
        octets=_size(arguments.value("n", "0")),
        parallel=int(arguments.number("P", 1)),
        length=_size(arguments.value("l", str(_LENGTH))),
        reverse="R" in arguments,
        interval_s=interval_s,
    )
    if not (1 <= wishes.parallel <= _STREAMS_MAX and 1 <= wishes.length <= _LENGTH_MAX):
        raise BadUsage(f"at most {_STREAMS_MAX} streams, and blocks of {_LENGTH_MAX} octets")
    if not 1 <= wishes.time_s <= 86_400:
        raise BadUsage("test duration valid values are 1 to 86400 seconds")
    return await client.run(process, wishes)
