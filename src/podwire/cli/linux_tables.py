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


def services(
    rows: Iterable[Row], connections: Iterable[Row] = (), listeners: Iterable[Row] = ()
) -> list[str]:
    """Print as `ipvsadm -Ln`: what is reached where, its endpoints, and who uses them now.

    *listeners* are the ports at which balancers ask whether this node has endpoints.
    """
    active, inactive = _users(connections)
    lines = [
        "Prot LocalAddress:Port  Service  Flags",
        "  -> RemoteAddress:Port          Node             ActiveConn InActConn",
    ]
    for row in sorted(rows, key=lambda row: (row["service"], row["address"] in _ANY, row["port"])):
        lines.append(_frontend(row))
        outside = row.get("local_backends")
        for backend, note in _backends(row):
            key = (row["protocol"], row["port"], backend["address"], backend["port"])
            used, left = (_count(each[key], row["address"]) for each in (active, inactive))
            remote = _end(backend)
            node = backend.get("node") or "-"
            line = f"  -> {remote:<27} {node:<16} {used:>10} {left:>9}  {note}"
            lines.append(line.rstrip())
        if not row["backends"]:
            lines.append(f"  -> none: {row['on_empty']}")
        elif outside is not None and not outside:
            lines.append(f"  -> none for who comes from outside: {row['on_empty']}")
    return lines + [
        f"{row['protocol']}  *:{row['port']}  {row['service']}  healthCheckNodePort"
        for row in sorted(listeners, key=lambda row: (row["service"], row["port"]))
    ]


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


def _backends(row: Row) -> list[tuple[Row, str]]:
    """Return endpoints, and what is special about each."""
    local = row.get("local_backends")
    here = [(each["address"], each["port"]) for each in local or ()]
    found: list[tuple[Row, str]] = []
    for backend in row["backends"]:
        only_inside = local is not None and (backend["address"], backend["port"]) not in here
        note = "from inside only" if only_inside else ""
        found.append((backend, f"weight {weight}" if (weight := _weight(backend)) != 1 else note))
    known = [(each["address"], each["port"]) for each in row["backends"]]
    found += [
        (each, "from outside only")
        for each in local or ()
        if (each["address"], each["port"]) not in known
    ]
    found += [(each, "retained: gets nobody new") for each in row.get("retained", ())]
    return found + [(each, "weight 0: drains") for each in row.get("draining", ())]


def _weight(backend: Row) -> int:
    return int(backend.get("weight", 1))


def _count(users: Counter[str], address: str) -> int:
    """Return how many came by *address*; the node has several."""
    return users.total() if address in _ANY else users[address]


def _end(row: Row) -> str:
    address, port = row["address"] or "*", row["port"] or "*"
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def _frontend(row: Row) -> str:
    flags = [] if row.get("masquerade", "never") == "never" else [f"masq {row['masquerade']}"]
    if row.get("scheduler", "random") != "random":
        flags.insert(0, row["scheduler"])
    if row.get("local_backends") is not None:
        flags.append("external policy Local")
    if row.get("source_ranges"):
        flags.append(f"from {' '.join(row['source_ranges'])}")
    if row.get("affinity_s"):
        flags.append(f"persistent {row['affinity_s']}")
    if row.get("listening", True) is False:
        flags.append(f"not listening: {row['error']}")
    elif row.get("at", row["port"]) != row["port"]:
        flags.append(f"this machine's port {row['at']}: {row['port']} is root's")
    shown = f"{row['protocol']}  {_end(row)}  {row['service']}"
    return f"{shown}  {', '.join(flags)}".rstrip()
