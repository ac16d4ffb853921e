"""Applets that talk to the network, or look at sockets: ping, netstat, nc, telnet.

They print as their originals do, as far as people and scripts read it.
"""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from ipaddress import ip_address
from typing import Final

from componentbase.tasks import Tasks
from netstack.addresses import IpAddress
from podruntime.images.addresses import join_host_port
from podruntime.images.busybox import datagrams
from podruntime.images.busybox.applet import applet
from podruntime.images.busybox.arguments import Arguments, BadUsage, parse
from podruntime.images.busybox.interfaces import route
from podruntime.images.process import Echoed, Process, Program

_PAYLOAD_MAX: Final = 65_507
_READ_OCTETS: Final = 64 * 1024


async def resolve(process: Process, name: str, family: int = socket.AF_UNSPEC) -> IpAddress | None:
    """Return the first address of *name*, or None after a complaint."""
    try:
        infos = await asyncio.get_running_loop().getaddrinfo(
            name, None, family=family, type=socket.SOCK_STREAM
        )
    except socket.gaierror:
        process.complain(f"{process.argv[0]}: bad address '{name}'")
        return None
    return ip_address(infos[0][4][0])


@applet
async def ping(process: Process) -> int:
    """Send echo requests."""
    arguments = parse(process.arguments, "c:W:i:s:w:q46n")
    if not arguments.operands:
        raise BadUsage("usage: ping [-46] [-c COUNT] [-W SEC] [-i SEC] [-s SIZE] HOST")
    name = arguments.operands[0]
    address = await resolve(process, name, family(process, arguments))
    if address is None:
        return 1
    size = int(arguments.number("s", 56))
    if not 0 <= size <= _PAYLOAD_MAX:
        raise BadUsage(f"invalid size '{size}'")
    count = int(arguments.number("c", 0))
    process.print(f"PING {name} ({address}): {size} data bytes")
    times: list[float] = []
    sent = 0
    interval_s, wait_s = arguments.number("i", 1), arguments.number("W", 10)
    try:
        with process.network.ping_socket(address) as echoes, suppress(TimeoutError):
            async with asyncio.timeout(arguments.number("w", 0) or None):  # Of all of it.
                while count == 0 or sent < count:
                    await asyncio.sleep(interval_s if sent else 0)
                    sent += 1
                    echoed = await echoes.ping(sent - 1, bytes(size), wait_s)
                    if echoed is not None:
                        times.append(echoed.rtt_s * 1000)
                        process.print(_ping_reply(address, sent - 1, size, echoed))
    finally:
        _ping_summary(process, name, sent, times)  # After ^C, too.
    return 0 if times else 1


def family(process: Process, arguments: Arguments) -> int:
    """Return the family that the command line asks for: -4, -6, or ping6."""
    if "6" in arguments or process.argv[0].endswith("6"):
        return socket.AF_INET6
    return socket.AF_INET if "4" in arguments else socket.AF_UNSPEC


def _ping_reply(address: IpAddress, sequence: int, size: int, echoed: Echoed) -> str:
    said = f"{size + 8} bytes from {address}: seq={sequence} ttl={echoed.ttl}"
    return f"{said} time={echoed.rtt_s * 1000:.3f} ms"


def _ping_summary(process: Process, name: str, sent: int, times: list[float]) -> None:
    lost = 100 * (sent - len(times)) // sent if sent else 0
    process.print(f"\n--- {name} ping statistics ---")
    process.print(f"{sent} packets transmitted, {len(times)} packets received, {lost}% packet loss")
    if times:
        average = sum(times) / len(times)
        process.print(
            f"round-trip min/avg/max = {min(times):.3f}/{average:.3f}/{max(times):.3f} ms"
        )


async def netstat(process: Process) -> int:
    """Show what listens; with -r the routes."""
    if any(word.startswith("-") and "r" in word for word in process.arguments):
        return await route(process.child(["route", "-n"]))
    process.print("Active Internet connections (only servers)")
    process.print(
        "Proto Recv-Q Send-Q Local Address           Foreign Address         State       "
    )
    for protocol, address, port in process.network.listening():
        state = "LISTEN" if protocol == "tcp" else ""
        far = ":::*" if ":" in address else "0.0.0.0:*"
        process.print(f"{protocol:<5}      0      0 {f'{address}:{port}':<23} {far:<9}{state:>21}")
    return 0


@applet
async def nc(process: Process) -> int:
    """`nc HOST PORT`, `nc -z HOST PORT`, `nc -u HOST PORT`, `nc -l -p PORT`, with -w SECONDS."""
    arguments = parse(process.arguments, "lp:w:zvnku")
    wait_s = arguments.number("w", 0) or None
    if "l" in arguments:
        port = arguments.value("p") or (arguments.operands or ("",))[-1]
        if not port.isdigit():
            raise BadUsage("a port is needed")
        return await _nc_listen(process, int(port))
    if len(arguments.operands) != 2 or not arguments.operands[1].isdigit():
        raise BadUsage("usage: nc [-luzv] [-w SEC] [-p PORT] HOST PORT")
    host, port = arguments.operands
    if "u" in arguments:
        return await _nc_datagrams(process, arguments)
    try:
        async with asyncio.timeout(wait_s):
            reader, writer = await asyncio.open_connection(host, int(port))
    except socket.gaierror:
        raise BadUsage(f"bad address '{host}'") from None
    except TimeoutError:
        raise BadUsage("timed out") from None
    except OSError as error:
        if "v" in arguments or "z" not in arguments:
            process.complain(f"nc: {host} ({join_host_port(host, int(port))}): {_reason(error)}")
        return 1
    if "v" in arguments:
        process.complain(f"{host} ({join_host_port(host, int(port))}) open")
    if "z" not in arguments:
        await _nc_exchange(process, reader, writer)
    writer.close()
    return 0


@applet
async def telnet(process: Process) -> int:
    """Connect, send what is typed and show what comes; options are not negotiated."""
    words = process.arguments
    if not 1 <= len(words) <= 2 or not (words[1:] or ["23"])[0].isdigit():
        raise BadUsage("usage: telnet HOST [PORT]")
    host, port = words[0], int((words[1:] or ["23"])[0])
    try:
        reader, writer = await asyncio.open_connection(host, port)
    except socket.gaierror:
        raise BadUsage(f"bad address '{host}'") from None
    except OSError as error:
        raise BadUsage(f"can't connect to remote host ({host}): {_reason(error)}") from None
    process.print(f"Connected to {host}")
    await _nc_exchange(process, reader, writer)
    writer.close()
    process.complain("Connection closed by foreign host")
    return 1


async def _nc_datagrams(process: Process, arguments: Arguments) -> int:
    host, port = arguments.operands
    is_there = await datagrams.exchange(
        process,
        host,
        int(port),
        idle_s=arguments.number("w", 0) or None,
        only_look="z" in arguments,
    )
    if is_there and "v" in arguments:
        process.complain(f"Connection to {host} {port} port [udp/*] succeeded!")
    return 0 if is_there else 1


def _reason(error: OSError) -> str:
    return "Connection refused" if isinstance(error, ConnectionRefusedError) else str(error)


async def _nc_exchange(
    process: Process, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """Send stdin as it comes, and show what comes until the peer's end."""
    tasks = Tasks()
    try:
        tasks.spawn(_nc_send(process, writer), name="nc")
        while data := await reader.read(_READ_OCTETS):
            process.stdout.write(data)
            await process.stdout.drain()
    finally:
        await tasks.close()


async def _nc_send(process: Process, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while piece := await process.stdin.piece():
            writer.write(piece)
            await writer.drain()
        writer.write_eof()


async def _nc_listen(process: Process, port: int) -> int:
    done = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _nc_exchange(process, reader, writer)
        writer.close()
        done.set()

    server = await asyncio.start_server(serve, None, port)
    await done.wait()
    server.close()
    return 0


APPLETS: Final[dict[str, Program]] = {
    "nc": nc,
    "netstat": netstat,
    "ping": ping,
    "ping6": ping,
    "telnet": telnet,
}
