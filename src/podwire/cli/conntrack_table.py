"""Connections in the words of conntrack(8): `-L`'s lines and `-E`'s.

Marks, zones and use counts, which this table does not have, are left out.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Any, Final

Row = dict[str, Any]
Network = IPv4Network | IPv6Network

_NUMBERS: Final = {"TCP": 6, "UDP": 17, "ICMP": 1, "ICMPV6": 58, "SCTP": 132}
_ECHOES: Final = {"ICMP": (8, 0), "ICMPV6": (128, 129)}


def connections(rows: Iterable[Row]) -> list[str]:
    """Print as `conntrack -L`."""
    return [connection(row) for row in rows]


def connection(row: Row, *, with_timeout: bool = True) -> str:
    """Print one connection; an event of an ended one has no time-out."""
    name = row["protocol"].upper()
    number = _NUMBERS.get(name, name)
    parts = [f"{name.lower() if name in _NUMBERS else 'unknown':<8} {number}"]
    if with_timeout:
        parts.append(str(row["timeout_s"]))
    if row["state"]:
        parts.append(row["state"].upper())
    asks, answers = _ECHOES.get(name, (None, None))
    parts.append(_flow(row["original"], asks))
    if row["unreplied"]:
        parts.append("[UNREPLIED]")
    parts.append(_flow(row["reply"], answers))
    if row["assured"]:
        parts.append("[ASSURED]")
    return " ".join(parts)


def _flow(flow: Row, echo: int | None) -> str:
    ends = f"src={flow['source']} dst={flow['destination']}"
    if echo is not None:
        identifier = flow["source_port"] or flow["destination_port"]  # Who answers has no port.
        return f"{ends} type={echo} code=0 id={identifier}"
    if not flow["source_port"] and not flow["destination_port"]:
        return ends
    return f"{ends} sport={flow['source_port']} dport={flow['destination_port']}"


def event(row: Row, *, timestamps: bool = False) -> str:
    """Print as `conntrack -E`, with `-o timestamp` if *timestamps*."""
    kind = f"[{row['event']}]"
    line = f"{kind:>9} {connection(row, with_timeout=row['event'] != 'DESTROY')}"
    at_us = row["at_ns"] // 1000
    return f"[{at_us // 10**6}.{at_us % 10**6:06}]\t{line}" if timestamps else line


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What `-p`, `-f`, `-s`, `-d`, `-r`, `-q`, `--sport`, `--dport`, `--state`, `-n`, `-g` choose.

    Networks are compared with both families' addresses; ports are the original direction's.
    """

    protocol: str | None = None
    family: int | None = None
    source: Network | None = None
    destination: Network | None = None
    reply_source: Network | None = None
    reply_destination: Network | None = None
    sport: int | None = None
    dport: int | None = None
    state: str | None = None
    source_translated: bool = False
    destination_translated: bool = False

    def matching(self, rows: Iterable[Row]) -> list[Row]:
        """Return those of *rows* that are meant."""
        return [row for row in rows if self._holds(row)]

    def _holds(self, row: Row) -> bool:
        original, reply = row["original"], row["reply"]
        wanted = (
            (self.source, original["source"]),
            (self.destination, original["destination"]),
            (self.reply_source, reply["source"]),
            (self.reply_destination, reply["destination"]),
        )
        return (
            self.protocol in (None, row["protocol"].lower())
            and self.state in (None, row["state"])
            and self.sport in (None, original["source_port"])
            and self.dport in (None, original["destination_port"])
            and all(net is None or ip_address(text) in net for net, text in wanted)
            and self.family in (None, ip_address(original["source"]).version)
            and (not self.source_translated or _ends(original, 0) != _ends(reply, 1))
            and (not self.destination_translated or _ends(original, 1) != _ends(reply, 0))
        )


def _ends(flow: Row, end: int) -> tuple[str, int]:
    name = ("source", "destination")[end]
    return flow[name], flow[f"{name}_port"]
