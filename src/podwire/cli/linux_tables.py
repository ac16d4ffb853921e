"""A datapath's tables in the words of the Linux tools: ip, bridge, conntrack, ipvsadm.

Pure text: rows as the datapath lists them in, lines out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

Row = dict[str, Any]


def routes(rows: Iterable[Row]) -> list[str]:
    """Print as `ip route`."""
    lines = []
    for row in rows:
        parts = ["default" if row["destination"] == "0.0.0.0/0" else row["destination"]]
        if row.get("via"):
            parts += ["via", row["via"]]
        parts += ["dev", row["device"]]
        if row.get("protocol") == "kernel":
            parts += ["proto", "kernel", "scope", "link"]
        if row.get("onlink"):
            parts.append("onlink")
        lines.append(" ".join(parts))
    return lines


def neighbours(rows: Iterable[Row]) -> list[str]:
    """Print as `ip neigh`."""
    return [
        f"{row['address']} dev {row['device']} lladdr {row['mac']} {row['state'].upper()}"
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
    """Print as `ip -s link`: each with what it counts, and its drops."""
    lines = []
    for row in rows:
        state = "UP" if row["connected"] else "NO-CARRIER"
        address = f" inet {row['address']}" if row["address"] else ""
        lines.append(
            f"{row['name']}: <{state}> mtu {row['mtu']} {row['kind']} {row['mac']}{address}"
        )
        if row["kind"] == "veth":
            lines.append(
                f"    RX: {row['rx_packets']} packets {row['rx_octets']} bytes"
                f"  TX: {row['tx_packets']} packets {row['tx_octets']} bytes"
            )
        elif row["kind"] == "vxlan":  # Its octets are not counted; bridge and eth0 count nothing.
            lines.append(f"    RX: {row['rx_packets']} packets  TX: {row['tx_packets']} packets")
        lines += [f"    dropped {count}: {reason}" for reason, count in row["drops"].items()]
    return lines


def conntrack(rows: Iterable[Row]) -> list[str]:
    """Print as `conntrack -L`."""
    numbers = {"TCP": 6, "UDP": 17, "ICMP": 1}
    lines = []
    for row in rows:
        name = row["protocol"]
        parts = [f"{name.lower():<8} {numbers.get(name, name)} {row['timeout_s']}"]
        if row["state"]:
            parts.append(row["state"].upper())
        parts.append(_flow(row["original"]))
        if row["unreplied"]:
            parts.append("[UNREPLIED]")
        parts.append(_flow(row["reply"]))
        if row["assured"]:
            parts.append("[ASSURED]")
        lines.append(" ".join(parts))
    return lines


def _flow(flow: Row) -> str:
    return (
        f"src={flow['source']} dst={flow['destination']} "
        f"sport={flow['source_port']} dport={flow['destination_port']}"
    )


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


def services(rows: Iterable[Row]) -> list[str]:
    """Print as `ipvsadm -Ln`: what is reached where, and its endpoints beneath."""
    lines = []
    for row in sorted(rows, key=lambda row: (row["service"], row["address"] == "", row["port"])):
        address = row["address"] or "*"
        extra = (
            "" if row.get("listening", True) is not False else f"  not listening: {row['error']}"
        )
        lines.append(f"{row['protocol']}  {address}:{row['port']}  {row['service']}{extra}")
        for backend in row["backends"]:
            node = f"  on {backend['node']}" if backend.get("node") else ""
            lines.append(f"  -> {backend['address']}:{backend['port']}{node}")
        if not row["backends"]:
            lines.append(f"  -> none: {row['on_empty']}")
    return lines
