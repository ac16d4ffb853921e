"""Applets that look at the network: ping, nslookup, ip, ifconfig, netstat, nc.

They print as their originals do, as far as people and scripts read it.
"""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from ipaddress import IPv4Interface, IPv6Interface, ip_address
from typing import Final

from componentbase.tasks import Tasks
from netstack.addresses import IpAddress
from podruntime.images.addresses import join_host_port
from podruntime.images.busybox import datagrams
from podruntime.images.busybox.applet import applet
from podruntime.images.busybox.arguments import Arguments, BadUsage, parse
from podruntime.images.process import Echoed, Process, Program

_PAYLOAD_MAX: Final = 65_507
_READ_OCTETS: Final = 64 * 1024
_FOREVER: Final = "\n       valid_lft forever preferred_lft forever"


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


@applet
async def nslookup(process: Process) -> int:
    """Resolve a name by the pod's resolver."""
    arguments = parse(process.arguments, "")
    if not arguments.operands:
        raise BadUsage("usage: nslookup HOST")
    name = arguments.operands[0]
    for words in (line.split() for line in process.files.text("/etc/resolv.conf").splitlines()):
        if words[:1] == ["nameserver"] and len(words) > 1:
            where = join_host_port(words[1], 53)
            process.print(f"Server:\t\t{words[1]}\nAddress:\t{where}\n")
            break
    try:
        infos = await asyncio.get_running_loop().getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        known = error.errno == socket.EAI_NONAME
        process.print(f"** server can't find {name}: {'NXDOMAIN' if known else error.strerror}\n")
        return 1
    for info in infos:
        process.print(f"Name:\t{name}\nAddress: {info[4][0]}")
    process.print("")
    return 0


async def ip(process: Process) -> int:
    """`ip addr`, `ip link`, `ip route`, `ip neigh` as iproute2 prints them."""
    words = [word for word in process.arguments if not word.startswith("-")] or [""]
    match words[0]:
        case "a" | "addr" | "address":
            _ip_link(process, addresses=True)
        case "l" | "link":
            _ip_link(process, addresses=False)
        case "r" | "route":
            _ip_route(process, 6 if "-6" in process.arguments else 4)
        case "n" | "neigh" | "neighbour":
            for address, mac, state in process.network.neighbours():
                shown = f" lladdr {mac}" if mac else ""
                process.print(f"{address} dev {process.network.name}{shown} {state}")
        case _:
            process.complain("Usage: ip [addr | link | route | neigh]")
            return 1
    return 0


def _ip_route(process: Process, version: int) -> None:
    """Show the routes of one family, as `ip` and `ip -6` do."""
    network = process.network
    gateways = [f"default via {each} dev" for each in network.gateways if each.version == version]
    own = [each for each in network.interfaces if each.version == version]
    if version == 4:
        for line in gateways:
            process.print(f"{line} {network.name}")
        for each in own:
            process.print(f"{each.network} dev {network.name} scope link  src {each.ip}")
    else:
        for each in own:
            process.print(f"{each.network} dev {network.name}  metric 256")
        for line in gateways:
            process.print(f"{line} {network.name}  metric 1024")


def _ip_link(process: Process, *, addresses: bool) -> None:
    network = process.network
    process.print(
        "1: lo: <LOOPBACK,UP,LOWER_UP> mtu 65536 qdisc noqueue qlen 1000\n"
        "    link/loopback 00:00:00:00:00:00 brd 00:00:00:00:00:00"
    )
    if addresses:
        process.print(f"    inet 127.0.0.1/8 scope host lo{_FOREVER}")
        if any(each.version == 6 for each in network.interfaces):
            process.print(f"    inet6 ::1/128 scope host{_FOREVER}")
    process.print(
        f"2: {network.name}@if3: <BROADCAST,MULTICAST,UP,LOWER_UP,M-DOWN> mtu {network.mtu}"
        f" qdisc noqueue\n    link/ether {network.mac} brd ff:ff:ff:ff:ff:ff"
    )
    if addresses:
        for interface in network.interfaces:
            process.print(f"    {_scoped(interface, network.name)}{_FOREVER}")


def _scoped(interface: IPv4Interface | IPv6Interface, name: str) -> str:
    if isinstance(interface, IPv6Interface):
        return f"inet6 {interface} scope global"
    return f"inet {interface} brd {interface.network.broadcast_address} scope global {name}"


async def ifconfig(process: Process) -> int:
    """The old form of `ip addr`."""
    network, counters = process.network, process.network.counters()
    lines = "".join(f"          {_old_form(each)}\n" for each in network.interfaces)
    process.print(
        f"{network.name}      Link encap:Ethernet  HWaddr {network.mac.upper()}\n"
        f"{lines}"
        f"          UP BROADCAST RUNNING MULTICAST  MTU:{network.mtu}  Metric:1\n"
        f"          RX packets:{counters['rx_packets']} errors:0 dropped:0 overruns:0 frame:0\n"
        f"          TX packets:{counters['tx_packets']} errors:0 dropped:0 overruns:0 carrier:0\n"
        "          collisions:0 txqueuelen:0\n"
        f"          RX bytes:{counters['rx_octets']}  TX bytes:{counters['tx_octets']}\n"
    )
    return 0


def _old_form(interface: IPv4Interface | IPv6Interface) -> str:
    if isinstance(interface, IPv6Interface):
        return f"inet6 addr: {interface} Scope:Global"
    subnet = interface.network
    return f"inet addr:{interface.ip}  Bcast:{subnet.broadcast_address}  Mask:{subnet.netmask}"


async def netstat(process: Process) -> int:
    """Show what listens."""
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
    "ifconfig": ifconfig,
    "ip": ip,
    "nc": nc,
    "netstat": netstat,
    "nslookup": nslookup,
    "ping": ping,
    "ping6": ping,
}
