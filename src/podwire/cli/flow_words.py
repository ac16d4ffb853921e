"""The flow log's lines: who speaks to whom, through which Service, and what a node did about it.

Pure text. A flow's *destination* is what its sender asked for, its *endpoint* where a Service led
it, both with the names of pods, nodes and Services where those are known.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from podwire.cli.packet_words import PacketWords

Row = dict[str, Any]

DROPPED: Final = "DROPPED"
#: What becomes of a connection (`conntrack -E`'s events), and what is there already.
VERDICTS: Final = ("NEW", "UPDATE", "DESTROY", "TRACKED", DROPPED)
_DROP: Final = re.compile(
    r"dropped: (?P<reasons>[^;]*?)(?: at (?P<hook>[A-Z]+))?(?:; (?P<why>.*))?$"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which flows are wanted."""

    verdicts: tuple[str, ...] = ()
    protocol: str = ""
    #: Addresses of whom either end must be.
    addresses: frozenset[str] = frozenset()

    def wants(self, flow: Row) -> bool:
        ends = {flow[end]["address"] for end in ("source", "destination", "endpoint") if flow[end]}
        return (
            (not self.verdicts or flow["verdict"] in self.verdicts)
            and (not self.protocol or flow["protocol"].lower() == self.protocol)
            and (not self.addresses or bool(ends & self.addresses))
        )


def of_connection(node: str, row: Row, names: Mapping[str, str]) -> Row:
    """Return the flow of a tracked connection, or of an event of one."""
    original, reply = row["original"], row["reply"]
    endpoint = (reply["source"], reply["source_port"])
    asked = (original["destination"], original["destination_port"])
    return {
        "at_ns": row.get("at_ns"),
        "node": node,
        "verdict": row.get("event", "TRACKED"),
        "protocol": row["protocol"],
        "state": row["state"],
        "source": _end(original["source"], original["source_port"], names),
        "destination": _end(*asked, names),
        "endpoint": None if endpoint == asked else _end(*endpoint, names),
        "masqueraded": original["source"] != reply["destination"],
        "unreplied": row["unreplied"],
        "reason": "",
        "hook": "",
        "policy": "",
    }


def of_drop(
    node: str, at_ns: int, packet: PacketWords, verdict: str, names: Mapping[str, str]
) -> Row:
    """Return the flow of one packet that a node dropped."""
    found = _DROP.search(verdict)
    assert found is not None, "only such packets are told"
    why = found["why"] or ""
    return {
        "at_ns": at_ns,
        "node": node,
        "verdict": DROPPED,
        "protocol": packet.protocol,
        "state": packet.what,
        "source": _end(packet.source, packet.source_port, names),
        "destination": _end(packet.destination, packet.destination_port, names),
        "endpoint": None,
        "masqueraded": False,
        "unreplied": True,
        "reason": found["reasons"],
        "hook": found["hook"] or "",
        "policy": why.partition("; answered to ")[0] if not why.startswith("answered to ") else "",
    }


def _end(address: str, port: int, names: Mapping[str, str]) -> Row:
    return {"address": address, "port": port, "name": names.get(address, "")}


def line(flow: Row) -> str:
    """Return a flow for people."""
    at_ns = flow["at_ns"]
    parts = (
        [] if at_ns is None else [f"{datetime.fromtimestamp(at_ns / 1e9, UTC):%H:%M:%S.%f}"[:-3]]
    )
    parts += [f"{flow['node']:<7} {flow['verdict']:<7} {flow['protocol']:<6}"]
    parts += [f"{_shown(flow['source'])} -> {_shown(flow['destination'])}"]
    if flow["endpoint"] is not None:
        parts.append(f"=> {_shown(flow['endpoint'])}")
    if flow["state"]:
        parts.append(flow["state"])
    if flow["masqueraded"]:
        parts.append("[masqueraded]")
    if flow["verdict"] != DROPPED and flow["unreplied"]:
        parts.append("[UNREPLIED]")
    if flow["reason"]:
        parts.append(flow["reason"] + (f" at {flow['hook']}" if flow["hook"] else ""))
    return " ".join([*parts, *([f"({flow['policy']})"] if flow["policy"] else [])])


def _shown(end: Row) -> str:
    name = end["name"] or (f"[{end['address']}]" if ":" in end["address"] else end["address"])
    return f"{name}:{end['port']}" if end["port"] else name
