"""A datapath's tables in the words of ip(8) and bridge(8).

As iproute2 does it, each row is made an object first, with the keys of `ip -j` and `bridge -j`; the
text is that object read aloud. Pure: rows as the datapath lists them in, objects or lines out.
Blanks at the ends of lines, which iproute2 leaves there, are not printed. Our interfaces have no
queue, so `qlen` is left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Interface, IPv6Interface, ip_interface, ip_network
from typing import Any, Final

Row = dict[str, Any]
Interfaces = Sequence[tuple[str, IPv4Interface | IPv6Interface]]

#: What Linux has for IPv6 where no metric was asked for: IP6_RT_PRIO_ADDRCONF, IP6_RT_PRIO_USER.
_METRIC_KERNEL: Final = 256
_METRIC_USER: Final = 1024
_NO_MAC: Final = ("INCOMPLETE", "FAILED")
_LOST_ON_SENDING: Final = ("dev-ready", "full-ring")
#: The columns of `ip -s link`; a column is as wide as iproute2's widest title.
_WIDEST: Final = ("RX:  bytes", "packets", "errors", "dropped", "heartbt", "overrun")
_RECEIVED: Final = ("bytes", "packets", "errors", "dropped", "missed", "mcast")
_SENT: Final = ("bytes", "packets", "errors", "dropped", "carrier", "collsns")
#: And their keys.
_STATS64: Final = {
    "rx": ("bytes", "packets", "errors", "dropped", "over_errors", "multicast"),
    "tx": ("bytes", "packets", "errors", "dropped", "carrier_errors", "collisions"),
}


def routes(rows: Iterable[Row], addresses: Iterable[Row] = ()) -> list[Row]:
    """Return `ip -j route`'s objects, then those of `ip -6 -j route`, in the kernel's order.

    *addresses* are those of the node, one of which speaks on each link.
    """
    interfaces = [(row["device"], ip_interface(row["address"])) for row in addresses]
    return [_route(row, interfaces) for row in sorted(rows, key=_order)]


def _order(row: Row) -> tuple[int, int, int, int]:
    network = ip_network(row["destination"])
    return network.version, int(network.network_address), -network.prefixlen, row.get("metric", 0)


def _route(row: Row, interfaces: Interfaces) -> Row:
    network = ip_network(row["destination"])
    kind, by_kernel = row.get("type", "unicast"), row.get("protocol") == "kernel"
    found: Row = {} if kind == "unicast" else {"type": kind}
    found["dst"] = _destination(row["destination"])
    if row.get("via"):
        found["gateway"] = row["via"]
    device = row["device"] or ("lo" if network.version == 6 else "")
    if device:
        found["dev"] = device
    if by_kernel:
        found["protocol"] = "kernel"
    metric = row.get("metric", 0)
    if network.version == 6:
        metric = metric or (_METRIC_KERNEL if by_kernel else _METRIC_USER)
    else:
        found |= _scope(row, interfaces)
    if metric:
        found["metric"] = metric
    found["flags"] = ["onlink"] if row.get("onlink") else []
    return found | ({"pref": "medium"} if network.version == 6 else {})


def _destination(text: str) -> str:
    if text in ("0.0.0.0/0", "::/0"):
        return "default"
    return text.removesuffix("/32") if ":" not in text else text.removesuffix("/128")


def _scope(row: Row, interfaces: Interfaces) -> Row:
    """Return how far IPv4's destination is, and which address a link's route came with."""
    if row.get("via") or not row["device"]:
        return {}
    found = {"scope": "link"}
    if row.get("protocol") == "kernel":
        for device, interface in interfaces:
            if device == row["device"] and str(interface.network) == row["destination"]:
                return found | {"prefsrc": str(interface.ip)}
    return found


def route_lines(routes: Iterable[Row]) -> list[str]:
    """Print as `ip route`."""
    return [_route_line(route) for route in routes]


def _route_line(route: Row) -> str:
    parts = [*([route["type"]] if "type" in route else []), route["dst"]]
    for word, key in (
        ("via", "gateway"), ("dev", "dev"), ("proto", "protocol"), ("scope", "scope"),
        ("src", "prefsrc"), ("metric", "metric"),
    ):  # fmt: skip
        if key in route:
            parts += [word, str(route[key])]
    return " ".join([*parts, *route["flags"], *(["pref medium"] if "pref" in route else [])])


def neighbours(rows: Iterable[Row]) -> list[Row]:
    """Return `ip -j neigh`'s objects: who did not answer has no address of the link."""
    return [
        {
            "dst": row["address"],
            "dev": row["device"],
            **({"lladdr": row["mac"]} if row["mac"] and row["state"] not in _NO_MAC else {}),
            "state": [row["state"]],
        }
        for row in rows
    ]


def neighbour_lines(neighbours: Iterable[Row]) -> list[str]:
    """Print as `ip neigh`."""
    return [
        f"{each['dst']} dev {each['dev']} "
        + (f"lladdr {each['lladdr']} " if "lladdr" in each else "")
        + each["state"][0]
        for each in neighbours
    ]


def fdb(rows: Iterable[Row]) -> list[Row]:
    """Return `bridge -j fdb`'s objects: what the VTEP was told, and what the bridge learned."""
    objects: list[Row] = []
    for row in rows:
        found = {"mac": row["mac"], "ifname": row["device"]}
        if row.get("remote"):
            found |= {"dst": row["remote"], "flags": ["self"], "state": "permanent"}
        else:
            found |= {"flags": [], "master": row["master"], "state": ""}
        objects.append(found)
    return objects


def fdb_lines(entries: Iterable[Row]) -> list[str]:
    """Print as `bridge fdb`."""
    lines = []
    for each in entries:
        parts = [each["mac"], "dev", each["ifname"]]
        for key in ("dst", "master"):
            if key in each:
                parts += [key, each[key]]
        lines.append(" ".join(filter(None, [*parts, *each["flags"], each["state"]])))
    return lines


def links(rows: Iterable[Row]) -> list[Row]:
    """Return `ip -j -s link`'s objects, with the reasons of drops besides."""
    return [_link(number, row) for number, row in enumerate(rows, start=1)]


def _link(number: int, row: Row) -> Row:
    up, is_port = row["connected"], row["kind"] == "veth"
    state = "UNKNOWN" if row["kind"] == "vxlan" else "UP"  # A tunnel has no carrier.
    found = {
        "ifindex": number,
        "ifname": row["name"],
        "flags": [*([] if up else ["NO-CARRIER"]), "BROADCAST", "MULTICAST", "UP"],
        "mtu": row["mtu"],
        "qdisc": "noqueue",
        **({"master": "cni0"} if is_port else {}),
        "operstate": state if up else "DOWN",
        "linkmode": "DEFAULT",
        "group": "default",
        "link_type": "ether",
        "address": row["mac"],
        "broadcast": "ff:ff:ff:ff:ff:ff",
    }
    found["flags"] += ["LOWER_UP"] if up else []
    known = " ".join(filter(None, (row["address"], row.get("address6"))))
    if known:
        found["ifalias"] = f"{'pod' if is_port else 'inet'} {known}"
    found["stats64"] = {way: _counted(row, way) for way in _STATS64}
    return found | {"drops": row["drops"]}


def _counted(row: Row, way: str) -> dict[str, int]:
    """Return what the device counts."""
    lost = sum(
        count
        for reason, count in row["drops"].items()
        if (reason in _LOST_ON_SENDING) == (way == "tx")
    )
    return dict.fromkeys(_STATS64[way], 0) | {
        "bytes": row[f"{way}_octets"],
        "packets": row[f"{way}_packets"],
        "dropped": lost,
    }


def link_lines(links: Iterable[Row]) -> list[str]:
    """Print as `ip -s link`, with the reasons of drops beneath."""
    lines: list[str] = []
    for each in links:
        master = f" master {each['master']}" if "master" in each else ""
        lines += [
            f"{each['ifindex']}: {each['ifname']}: <{','.join(each['flags'])}> mtu {each['mtu']} "
            f"qdisc {each['qdisc']}{master} state {each['operstate']} mode {each['linkmode']} "
            f"group {each['group']}",
            f"    link/{each['link_type']} {each['address']} brd {each['broadcast']}",
        ]
        if "ifalias" in each:
            lines.append(f"    alias {each['ifalias']}")
        received, sent = (
            [str(each["stats64"][way][key]) for key in keys] for way, keys in _STATS64.items()
        )
        lines += statistics(received, sent)
        lines += [f"    dropped {count}: {reason}" for reason, count in each["drops"].items()]
    return lines


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
