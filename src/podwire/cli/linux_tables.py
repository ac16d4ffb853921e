"""What a node knows of Services in the words of ipvsadm(8), and its drops by reason.

Pure text: rows as the datapath lists them in, lines out.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, Final

Row = dict[str, Any]
#: What stands for any address of the node, by family.
_ANY: Final = ("", "::")
#: By protocol, the port that was asked for, and the endpoint: how many asked which address.
Users = defaultdict[tuple[str, int, str, int], Counter[str]]


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
    for row in sorted(rows, key=lambda row: (row["service"], row["address"] in _ANY, row["port"])):
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
    """Return how many came by *address*; the node has several."""
    return users.total() if address in _ANY else users[address]


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
