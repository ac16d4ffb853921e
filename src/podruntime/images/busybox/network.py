"""Applets that look at the network: ping, nslookup, ip, ifconfig, netstat, nc.

They print as their originals do, as far as people and scripts read it.
"""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from ipaddress import IPv4Address
from typing import Final

from podruntime.images.busybox.applet import applet
from podruntime.images.busybox.arguments import BadUsage, parse
from podruntime.images.process import Echoed, Process, Program

_PAYLOAD_MAX: Final = 65_507
_READ_OCTETS: Final = 64 * 1024


async def resolve(process: Process, name: str) -> IPv4Address | None:
    """Return the first address of *name*, or None after a complaint."""
    try:
        infos = await asyncio.get_running_loop().getaddrinfo(
            name, None, family=socket.AF_INET, type=socket.SOCK_STREAM
        )
    except socket.gaierror:
        process.complain(f"{process.argv[0]}: bad address '{name}'")
        return None
    return IPv4Address(infos[0][4][0])


@applet
async def ping(process: Process) -> int:
    """Send echo requests."""
    arguments = parse(process.arguments, "c:W:i:s:w:q4n")
    if not arguments.operands:
        raise BadUsage("usage: ping [-c COUNT] [-W SEC] [-i SEC] [-s SIZE] HOST")
    name = arguments.operands[0]
    address = await resolve(process, name)
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
    with process.network.ping_socket(address) as echoes, suppress(TimeoutError):
        async with asyncio.timeout(arguments.number("w", 0) or None):  # Of the whole command.
            while count == 0 or sent < count:
                if sent:
                    await asyncio.sleep(interval_s)
                sent += 1
                echoed = await echoes.ping(sent - 1, bytes(size), wait_s)
                if echoed is not None:
                    times.append(echoed.rtt_s * 1000)
                    process.print(_ping_reply(address, sent - 1, size, echoed))
    _ping_summary(process, name, sent, times)
    return 0 if times else 1


def _ping_reply(address: IPv4Address, sequence: int, size: int, echoed: Echoed) -> str:
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


@applet
async def nslookup(process: Process) -> int:
    """Resolve a name by the pod's resolver."""
    arguments = parse(process.arguments, "")
    if not arguments.operands:
        raise BadUsage("usage: nslookup HOST")
    name = arguments.operands[0]
    for words in (line.split() for line in process.files.text("/etc/resolv.conf").splitlines()):
        if words[:1] == ["nameserver"] and len(words) > 1:
            process.print(f"Server:\t\t{words[1]}\nAddress:\t{words[1]}:53\n")
            break
    try:
        infos = await asyncio.get_running_loop().getaddrinfo(
            name, None, family=socket.AF_INET, type=socket.SOCK_STREAM
        )
    except socket.gaierror as error:
        known = error.errno == socket.EAI_NONAME
        process.print(f"** server can't find {name}: {'NXDOMAIN' if known else error.strerror}\n")
        return 1
    for info in infos:
        process.print(f"Name:\t{name}\nAddress: {info[4][0]}")
    process.print("")
    return 0


async def ip(process: Process) -> int:
    """`ip addr`, `ip link`, `ip route` as iproute2 prints them."""
    words = [word for word in process.arguments if not word.startswith("-")] or [""]
    network = process.network
    match words[0]:
        case "a" | "addr" | "address":
            _ip_link(process, addresses=True)
        case "l" | "link":
            _ip_link(process, addresses=False)
        case "r" | "route":
            if network.gateway is not None:
                process.print(f"default via {network.gateway} dev {network.name}")
            subnet, own = network.address.network, network.address.ip
            process.print(f"{subnet} dev {network.name} scope link  src {own}")
        case _:
            process.complain("Usage: ip [addr | link | route]")
            return 1
    return 0


def _ip_link(process: Process, *, addresses: bool) -> None:
    network = process.network
    process.print(
        "1: lo: <LOOPBACK,UP,LOWER_UP> mtu 65536 qdisc noqueue qlen 1000\n"
        "    link/loopback 00:00:00:00:00:00 brd 00:00:00:00:00:00"
    )
    if addresses:
        process.print(
            "    inet 127.0.0.1/8 scope host lo\n       valid_lft forever preferred_lft forever"
        )
    process.print(
        f"2: {network.name}@if3: <BROADCAST,MULTICAST,UP,LOWER_UP,M-DOWN> mtu {network.mtu}"
        f" qdisc noqueue\n    link/ether {network.mac} brd ff:ff:ff:ff:ff:ff"
    )
    if addresses:
        broadcast = network.address.network.broadcast_address
        process.print(
            f"    inet {network.address} brd {broadcast} scope global {network.name}\n"
            "       valid_lft forever preferred_lft forever"
        )


async def ifconfig(process: Process) -> int:
    """The old form of `ip addr`."""
    network, counters = process.network, process.network.counters()
    subnet = network.address.network
    process.print(
        f"{network.name}      Link encap:Ethernet  HWaddr {network.mac.upper()}\n"
        f"          inet addr:{network.address.ip}  Bcast:{subnet.broadcast_address}"
        f"  Mask:{subnet.netmask}\n"
        f"          UP BROADCAST RUNNING MULTICAST  MTU:{network.mtu}  Metric:1\n"
        f"          RX packets:{counters['rx_packets']} errors:0 dropped:0 overruns:0 frame:0\n"
        f"          TX packets:{counters['tx_packets']} errors:0 dropped:0 overruns:0 carrier:0\n"
        "          collisions:0 txqueuelen:0\n"
        f"          RX bytes:{counters['rx_octets']}  TX bytes:{counters['tx_octets']}\n"
    )
    return 0


async def netstat(process: Process) -> int:
    """Show what listens."""
    process.print("Active Internet connections (only servers)")
    process.print(
        "Proto Recv-Q Send-Q Local Address           Foreign Address         State       "
    )
    for protocol, address, port in process.network.listening():
        state = "LISTEN" if protocol == "tcp" else ""
        process.print(f"{protocol:<5}      0      0 {f'{address}:{port}':<23} 0.0.0.0:*{state:>21}")
    return 0


@applet
async def nc(process: Process) -> int:
    """`nc HOST PORT`, `nc -z HOST PORT`, `nc -l -p PORT`, with -w SECONDS and -u left out."""
    arguments = parse(process.arguments, "lp:w:zvnk")
    wait_s = arguments.number("w", 0) or None
    if "l" in arguments:
        port = arguments.value("p") or (arguments.operands or ("",))[-1]
        if not port.isdigit():
            raise BadUsage("a port is needed")
        return await _nc_listen(process, int(port))
    if len(arguments.operands) != 2 or not arguments.operands[1].isdigit():
        raise BadUsage("usage: nc [-lzv] [-w SEC] [-p PORT] HOST PORT")
    host, port = arguments.operands
    try:
        async with asyncio.timeout(wait_s):
            reader, writer = await asyncio.open_connection(host, int(port))
    except socket.gaierror:
        raise BadUsage(f"bad address '{host}'") from None
    except TimeoutError:
        raise BadUsage("timed out") from None
    except OSError as error:
        if "v" in arguments or "z" not in arguments:
            process.complain(f"nc: {host} ({host}:{port}): {_reason(error)}")
        return 1
    if "v" in arguments:
        process.complain(f"{host} ({host}:{port}) open")
    if "z" not in arguments:
        await _nc_exchange(process, reader, writer)
    writer.close()
    return 0


def _reason(error: OSError) -> str:
    return "Connection refused" if isinstance(error, ConnectionRefusedError) else str(error)


async def _nc_exchange(
    process: Process, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """Send stdin, then show what comes until the peer's end."""
    writer.write(await process.stdin.read())
    await writer.drain()
    writer.write_eof()
    while data := await reader.read(_READ_OCTETS):
        process.stdout.write(data)
        await process.stdout.drain()


async def _nc_listen(process: Process, port: int) -> int:
    done = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _nc_exchange(process, reader, writer)
        writer.close()
        done.set()

    server = await asyncio.start_server(serve, "0.0.0.0", port)
    await done.wait()
    server.close()
    return 0


APPLETS: Final[dict[str, Program]] = {
    "ifconfig": ifconfig,
    "ip": ip,
    "nc": nc,
    "netstat": netstat,
    "nslookup": nslookup,
    "ping": ping,
}
