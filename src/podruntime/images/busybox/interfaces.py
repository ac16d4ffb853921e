"""Applets that look at the pod's interface and its ways: ip, ifconfig, route, arp.

They print as their originals do, as far as people and scripts read it. Nothing can be changed: the
pod's network is the node's affair, as it is for a container without NET_ADMIN.
"""

from __future__ import annotations

from ipaddress import IPv4Interface, IPv6Interface, ip_address
from typing import Final

from podruntime.images.process import Process, Program

_FOREVER: Final = "\n       valid_lft forever preferred_lft forever"


async def ip(process: Process) -> int:
    """`ip addr`, `ip link`, `ip route`, `ip neigh` as iproute2 prints them."""
    words = [word for word in process.arguments if not word.startswith("-")] or [""]
    flags = [word for word in process.arguments if word.startswith("-")]
    match words[0]:
        case "a" | "ad" | "addr" | "address":
            return _ip_link(process, flags, words[1:], addresses=True)
        case "l" | "link":
            return _ip_link(process, flags, words[1:], addresses=False)
        case "r" | "ro" | "route" if words[1:2] == ["get"]:
            return _ip_route_get(process, words[2:])
        case "r" | "ro" | "route":
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


def _ip_route_get(process: Process, words: list[str]) -> int:
    """Show the way to an address."""
    try:
        address = ip_address((words or [""])[0])
    except ValueError:
        process.complain(f'Error: any valid address is expected rather than "{" ".join(words)}".')
        return 1
    network = process.network
    own = [each for each in network.interfaces if each.version == address.version]
    gateways = [each for each in network.gateways if each.version == address.version]
    if not own:
        process.complain("RTNETLINK answers: Network unreachable")
        return 2
    if any(address == each.ip for each in own):
        process.print(f"local {address} dev lo src {address}")
    elif any(address in each.network for each in own) or not gateways:
        process.print(f"{address} dev {network.name} src {own[0].ip}")
    else:
        process.print(f"{address} via {gateways[0]} dev {network.name} src {own[0].ip}")
    return 0


def _ip_link(process: Process, flags: list[str], words: list[str], *, addresses: bool) -> int:
    network = process.network
    named = [word for word in words if word not in ("show", "sh", "ls", "list", "dev", "up")]
    for name in named:
        if name not in ("lo", network.name):
            process.complain(f'Device "{name}" does not exist.')
            return 1
    brief = any(flag.startswith(("-br", "--br")) for flag in flags)
    versions = [4] if "-4" in flags else [6] if "-6" in flags else [4, 6]
    own = [each for each in network.interfaces if each.version in versions]
    if not named or "lo" in named:
        _loopback(process, versions, brief=brief, addresses=addresses)
    if named and network.name not in named:
        return 0
    if brief:
        shown = " ".join(map(str, own)) if addresses else network.mac
        process.print(f"{network.name + '@if3':<17}UP             {shown}")
        return 0
    process.print(
        f"2: {network.name}@if3: <BROADCAST,MULTICAST,UP,LOWER_UP,M-DOWN> mtu {network.mtu}"
        f" qdisc noqueue\n    link/ether {network.mac} brd ff:ff:ff:ff:ff:ff"
    )
    for interface in own if addresses else ():
        process.print(f"    {_scoped(interface, network.name)}{_FOREVER}")
    if "-s" in flags:
        _counters(process)
    return 0


def _loopback(process: Process, versions: list[int], *, brief: bool, addresses: bool) -> None:
    with_6 = 6 in versions and any(each.version == 6 for each in process.network.interfaces)
    if brief:
        own = " ".join(["127.0.0.1/8"] * (4 in versions) + ["::1/128"] * with_6)
        process.print(f"{'lo':<17}UNKNOWN        {own if addresses else '00:00:00:00:00:00'}")
        return
    process.print(
        "1: lo: <LOOPBACK,UP,LOWER_UP> mtu 65536 qdisc noqueue qlen 1000\n"
        "    link/loopback 00:00:00:00:00:00 brd 00:00:00:00:00:00"
    )
    if addresses and 4 in versions:
        process.print(f"    inet 127.0.0.1/8 scope host lo{_FOREVER}")
    if addresses and with_6:
        process.print(f"    inet6 ::1/128 scope host{_FOREVER}")


def _counters(process: Process) -> None:
    """Show what `ip -s` adds."""
    counters = process.network.counters()
    for way in ("rx", "tx"):
        last = "mcast" if way == "rx" else "collsns"
        process.print(f"    {way.upper()}: bytes  packets  errors  dropped overrun {last}")
        octets, packets = counters[f"{way}_octets"], counters[f"{way}_packets"]
        process.print(f"    {octets:<10} {packets:<8} 0       0       0       0")


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


async def route(process: Process) -> int:
    """Show the routes of IPv4 in the old form."""
    network = process.network
    process.print("Kernel IP routing table")
    process.print(_route("Destination", "Gateway", "Genmask", "Flags Metric Ref    Use", "Iface"))
    numbers = f"{0:<6} {0:<2} {0:>6}"
    for gateway in network.gateways:
        if gateway.version == 4:
            ways = ("0.0.0.0", str(gateway), "0.0.0.0")
            process.print(_route(*ways, f"UG    {numbers}", network.name))
    for own in network.interfaces:
        if isinstance(own, IPv4Interface):
            subnet = own.network
            ways = (str(subnet.network_address), "0.0.0.0", str(subnet.netmask))
            process.print(_route(*ways, f"U     {numbers}", network.name))
    return 0


def _route(destination: str, gateway: str, mask: str, numbers: str, name: str) -> str:
    return f"{destination:<15} {gateway:<15} {mask:<15} {numbers} {name}"


async def arp(process: Process) -> int:
    """Show the neighbours in the old form."""
    name = process.network.name
    for address, mac, _state in process.network.neighbours():
        shown = f"{mac} [ether] " if mac else "<incomplete>"
        process.print(f"? ({address}) at {shown} on {name}")
    return 0


APPLETS: Final[dict[str, Program]] = {
    "arp": arp,
    "ifconfig": ifconfig,
    "ip": ip,
    "route": route,
}
