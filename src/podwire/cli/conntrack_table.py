"""Connections in the words of conntrack(8): `-L`'s lines and `-E`'s.

Marks, zones and use counts, which this table does not have, are left out.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

Row = dict[str, Any]

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
        return f"{ends} type={echo} code=0 id={flow['source_port']}"
    if not flow["source_port"] and not flow["destination_port"]:
        return ends
    return f"{ends} sport={flow['source_port']} dport={flow['destination_port']}"


def event(row: Row, *, timestamps: bool = False) -> str:
    """Print as `conntrack -E`, with `-o timestamp` if *timestamps*."""
    kind = f"[{row['event']}]"
    line = f"{kind:>9} {connection(row, with_timeout=row['event'] != 'DESTROY')}"
    at_us = row["at_ns"] // 1000
    return f"[{at_us // 10**6}.{at_us % 10**6:06}]\t{line}" if timestamps else line


def matching(
    rows: Iterable[Row],
    *,
    protocol: str | None = None,
    source: str | None = None,
    destination: str | None = None,
    port: int | None = None,
) -> list[Row]:
    """Return what `-p`, `-s`, `-d` and `--dport` select, by the original direction."""
    return [
        row
        for row in rows
        if protocol in (None, row["protocol"].lower())
        and source in (None, row["original"]["source"])
        and destination in (None, row["original"]["destination"])
        and port in (None, row["original"]["destination_port"])
    ]
