"""A datapath's tables in the words of the Linux tools: ip, bridge, ipvsadm.

Pure text: rows as the datapath lists them in, lines out.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from ipaddress import IPv4Interface, IPv6Interface, ip_interface
from typing import Any, Final

Row = dict[str, Any]
#: By protocol, the port that was asked for, and the endpoint: how many asked which address.
Users = defaultdict[tuple[str, int, str, int], Counter[str]]

_NO_MAC: Final = ("INCOMPLETE", "FAILED")
_LOST_ON_SENDING: Final = ("dev-ready", "full-ring")
#: The columns of `ip -s link`; a column is as wide as iproute2's widest title.
_WIDEST: Final = ("RX: bytes", "packets", "errors", "dropped", "heartbt", "overrun")
_RECEIVED: Final = ("bytes", "packets", "errors", "dropped", "missed", "mcast")
_SENT: Final = ("bytes", "packets", "errors", "dropped", "carrier", "collsns")


def routes(rows: Iterable[Row], addresses: Iterable[Row] = ()) -> list[str]:
    """Print as `ip route`; *addresses* are those of the node, one of which speaks on each link."""
    interfaces = [(row["device"], ip_interface(row["address"])) for row in addresses]
    lines = []
    for row in rows:
        kind = row.get("type", "unicast")
        parts = [] if kind == "unicast" else [kind]
        is_default = row["destination"] in ("0.0.0.0/0", "::/0")
        parts.append("default" if is_default else row["destination"])
        if row.get("via"):
            parts += ["via", row["via"]]
        if row["device"]:
            parts += ["dev", row["device"]]
        if row.get("protocol") == "kernel":
            parts += ["proto", "kernel", "scope", "link"]
            parts += _source(row, interfaces)
        if row.get("metric"):
            parts += ["metric", str(row["metric"])]
        if row.get("onlink"):
            parts.append("onlink")
        lines.append(" ".join(parts))
    return lines


def _source(row: Row, interfaces: list[tuple[str, IPv4Interface | IPv6Interface]]) -> list[str]:
    """Return which of the node's addresses a link's route came with."""
    for device, interface in interfaces:
        if device == row["device"] and str(interface.network) == row["destination"]:
            return ["src", str(interface.ip)]
    return []


def neighbours(rows: Iterable[Row]) -> list[str]:
    """Print as `ip neigh`: who did not answer has no address of the link."""
    return [
        f"{row['address']} dev {row['device']} "
        + (f"lladdr {row['mac']} " if row["mac"] and row["state"].upper() not in _NO_MAC else "")
        + row["state"].upper()
        for row in rows
    ]


def fdb(rows: Iterable[Row]) -> list[str]:
    """Print as `bridge fdb`."""
    lines = []
    for row in rows:
        if row.get("remote"):
            tail = f"dst {row['remote']} self permanent"
        else:
            tail = f"master {row.get('master', 'cni0')}"
        lines.append(f"{row['mac']} dev {row['device']} {tail}")
    return lines


def links(rows: Iterable[Row]) -> list[str]:
    """Print as `ip -s link`, with the reasons of drops beneath; "-": not counted."""
    lines: list[str] = []
    for number, row in enumerate(rows, start=1):
        lines += _link(number, row)
    return lines


def _link(number: int, row: Row) -> list[str]:
    up = row["connected"]
    flags = "BROADCAST,MULTICAST,UP,LOWER_UP" if up else "NO-CARRIER,BROADCAST,MULTICAST,UP"
    master = " master cni0" if row["kind"] == "veth" else ""
    lines = [
        f"{number}: {row['name']}: <{flags}> mtu {row['mtu']} qdisc noqueue{master} "
        f"state {'UP' if up else 'DOWN'} mode DEFAULT group default",
        f"    link/ether {row['mac']} brd ff:ff:ff:ff:ff:ff",
    ]
    if row["address"]:
        behind = "alias pod" if row["kind"] == "veth" else "inet"
        lines.append(f"    {behind} {row['address']}")
    lines += statistics(_counted(row, "rx"), _counted(row, "tx"))
    return [*lines, *(f"    dropped {count}: {reason}" for reason, count in row["drops"].items())]


def _counted(row: Row, way: str) -> list[str]:
    """Return bytes, packets, errors, dropped and the rest, as far as the device counts them."""
    has_packets, has_octets = row["kind"] in ("veth", "vxlan"), row["kind"] == "veth"
    lost = sum(
        count
        for reason, count in row["drops"].items()
        if (reason in _LOST_ON_SENDING) == (way == "tx")
    )
    return [
        str(row[f"{way}_octets"]) if has_octets else "-",
        str(row[f"{way}_packets"]) if has_packets else "-",
        "0",
        str(lost),
        "0",
        "0",
    ]


def statistics(received: Sequence[str], sent: Sequence[str]) -> list[str]:
    """Return the four lines of `ip -s link`, columns as wide as both rows need."""
    widths = [
        max(len(title), len(one), len(other))
        for title, one, other in zip(_WIDEST, received, sent, strict=True)
    ]
    lines = []
    for way, titles, values in (("RX", _RECEIVED, received), ("TX", _SENT, sent)):
        heads = [f"{title:>{width}}" for title, width in zip(titles, widths, strict=True)]
        lines.append(f"    {way}: {' '.join(heads)[4:]}")
        cells = [f"{value:>{width}}" for value, width in zip(values, widths, strict=True)]
        lines.append(f"    {' '.join(cells)}")
    return lines


def drops(counters: Mapping[str, Any]) -> list[str]:
    """Print counts and reasons by place: the node's own path, its stacks, its links."""
    places = {
        "node": counters["drops"],
        "node's own stack": counters["stack_drops"],
        "outside": counters["outside_drops"],
        **{f"link {name}": reasons for name, reasons in counters["link_drops"].items()},
    }
    lines = [
        f"{count:>10}  {reason}  ({place})"
        for place, reasons in places.items()
        for reason, count in sorted(reasons.items(), key=lambda item: (-item[1], item[0]))
    ]
    return lines or ["nothing was dropped"]


def services(rows: Iterable[Row], connections: Iterable[Row] = ()) -> list[str]:
    """Print as `ipvsadm -Ln`: what is reached where, its endpoints, and who uses them now."""
    active, inactive = _users(connections)
    lines = [
        "Prot LocalAddress:Port  Service  Flags",
        "  -> RemoteAddress:Port          Node             ActiveConn InActConn",
    ]
    for row in sorted(rows, key=lambda row: (row["service"], row["address"] == "", row["port"])):
        lines.append(_frontend(row))
        for backend in row["backends"]:
            key = (row["protocol"], row["port"], backend["address"], backend["port"])
            used, left = (_count(each[key], row["address"]) for each in (active, inactive))
            remote = _end(backend)
            node = backend.get("node") or "-"
            lines.append(f"  -> {remote:<27} {node:<16} {used:>10} {left:>9}")
        if not row["backends"]:
            lines.append(f"  -> none: {row['on_empty']}")
    return lines


def _users(connections: Iterable[Row]) -> tuple[Users, Users]:
    """Return who uses which endpoint of which port: established TCP, and what else is known."""
    active: Users = defaultdict(Counter)
    inactive: Users = defaultdict(Counter)
    for row in connections:
        asked, served = row["original"], row["reply"]
        key = (row["protocol"], asked["destination_port"], served["source"], served["source_port"])
        users = active if row["state"].upper() == "ESTABLISHED" else inactive
        users[key][asked["destination"]] += 1
    return active, inactive


def _count(users: Counter[str], address: str) -> int:
    """Return how many came by *address*; "" is any of the node's."""
    return users[address] if address else users.total()


def _end(row: Row) -> str:
    address = row["address"] or "*"
    return f"[{address}]:{row['port']}" if ":" in address else f"{address}:{row['port']}"


def _frontend(row: Row) -> str:
    flags = [] if row.get("masquerade", "never") == "never" else [f"masq {row['masquerade']}"]
    if row.get("affinity_s"):
        flags.append(f"persistent {row['affinity_s']}")
    if row.get("listening", True) is False:
        flags.append(f"not listening: {row['error']}")
    shown = f"{row['protocol']}  {_end(row)}  {row['service']}"
    return f"{shown}  {', '.join(flags)}".rstrip()
