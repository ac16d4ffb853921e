"""Sockets in the words of ss(8): `ss -tuan`, with `-i` the internals of TCP, and `ss -s`.

There is no column of processes: the sockets of a stack are those of one pod, or of the node. As in
ss itself *send* is worked out from mss, cwnd and rtt.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

Row = dict[str, Any]

_QUEUES_END: Final = 4  # Columns before the two ends.
_TITLES: Final = (
    "Netid", "State", "Recv-Q", "Send-Q", "Local Address:Port", "Peer Address:Port",
)  # fmt: skip
_TOTALS: Final = (
    "bytes_sent", "bytes_retrans", "bytes_acked", "bytes_received", "segs_out", "segs_in",
)  # fmt: skip
_MOMENTS: Final = ("lastsnd", "lastrcv", "lastack")
_ENDED: Final = ("TIME-WAIT", "UNCONN")


def sockets(
    rows: Sequence[Row], *, internals: bool = False, with_protocol: bool = True
) -> list[str]:
    """Print as `ss`; the columns are as wide as they must be."""
    table = [_TITLES, *(_cells(row) for row in rows)]
    widths = [max(len(line[column]) for line in table) for column in range(_QUEUES_END)]
    for column in range(_QUEUES_END, len(_TITLES)):  # Ends are aligned at their colons.
        parts = [line[column].rpartition(":") for line in table]
        widths += [max(len(part[0]) for part in parts), max(len(part[2]) for part in parts)]
    lines = [_line(table[0], widths)]
    for row, cells in zip(rows, table[1:], strict=True):
        lines.append(_line(cells, widths))
        if internals and row.get("info"):
            lines.append("\t " + _internals(row["info"]))
    if with_protocol:
        return lines
    begin = widths[0] + 1  # ss leaves Netid out where there is only one.
    return [line if line.startswith("\t") else line[begin:] for line in lines]


def _cells(row: Row) -> tuple[str, ...]:
    return (
        row["protocol"],
        row["state"],
        str(row["recv_q"]),
        str(row["send_q"]),
        row["local"],
        row["remote"],
    )


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    shown = [f"{cell:<{width}}" for cell, width in zip(cells[:_QUEUES_END], widths, strict=False)]
    for at, cell in enumerate(cells[_QUEUES_END:]):
        address, _, port = cell.rpartition(":")
        address_width, port_width = widths[_QUEUES_END + 2 * at : _QUEUES_END + 2 * at + 2]
        shown.append(f"{address:>{address_width}}:{port:<{port_width}}")
    return " ".join(shown).rstrip()


def _internals(info: Row) -> str:
    """Return what `ss -i` says, in its order and by its names."""
    words = ["ts"] if info["timestamps"] else []
    words += ["sack"] if info["sack"] else []
    words += ["ecn"] if info["ecn"] else []
    words += [info["congestion"], f"wscale:{info['wscale_send']},{info['wscale_receive']}"]
    words.append(f"rto:{info['rto_ms']:g}")
    words += _said(info, "backoff")
    if "rtt_ms" in info:
        words.append(f"rtt:{info['rtt_ms']:g}/{info['rttvar_ms']:g}")
    mss = max(1, info["mss"])
    words += [f"mss:{info['mss']}", *_said(info, "pmtu"), f"cwnd:{info['cwnd']}"]
    words += _said(info, "ssthresh", *_TOTALS)
    if info.get("rtt_ms"):
        words.append(f"send {8000 * mss * info['cwnd'] / info['rtt_ms']:.0f}bps")
    words += [f"{name}:{info[f'{name}_ms']}" for name in _MOMENTS if info[f"{name}_ms"]]
    words += _segments("unacked", info["unacked_octets"], mss)
    if info["retrans_total"]:
        words.append(f"retrans:{-(-info['retrans_now_octets'] // mss)}/{info['retrans_total']}")
    words += _segments("lost", info["lost_octets"], mss)
    words += _segments("sacked", info["sacked_octets"], mss)
    if info["unsent_octets"]:
        words.append(f"notsent:{info['unsent_octets']}")
    if "minrtt_ms" in info:
        words.append(f"minrtt:{info['minrtt_ms']:g}")
    return " ".join([*words, f"snd_wnd:{info['snd_wnd']}"])


def _said(info: Row, *names: str) -> list[str]:
    return [f"{name}:{info[name]}" for name in names if info.get(name)]


def _segments(name: str, octets: int, mss: int) -> list[str]:
    return [f"{name}:{-(-octets // mss)}"] if octets else []


def summary(rows: Sequence[Row]) -> Row:
    """Count as `ss -s` does; a socket of both families is IPv6's, as in Linux."""
    tcp = [row for row in rows if row["protocol"] == "tcp"]
    waiting = sum(row["state"] == "TIME-WAIT" for row in tcp)
    closed = sum(row["state"] == "UNCONN" for row in tcp) + waiting
    table = {"udp": _families(rows, "udp"), "tcp": _families(rows, "tcp")}
    inet = {key: table["udp"][key] + table["tcp"][key] for key in table["tcp"]}
    return {
        "total": len(rows) - waiting,
        "tcp": {
            "total": len(tcp),
            "estab": sum(row["state"] == "ESTAB" for row in tcp),
            "closed": closed,
            "orphaned": sum(row.get("orphaned", False) for row in tcp),
            "timewait": waiting,
        },
        "transport": {**table, "inet": inet},
    }


def _families(rows: Sequence[Row], protocol: str) -> dict[str, int]:
    ends = [
        row["local"]
        for row in rows
        if row["protocol"] == protocol and (protocol == "udp" or row["state"] not in _ENDED)
    ]
    six = sum(end.startswith(("*", "[")) for end in ends)
    return {"total": len(ends), "ip": len(ends) - six, "ipv6": six}


def summary_lines(counts: Row) -> list[str]:
    """Print as `ss -s`; raw sockets and queues of fragments are no part of these stacks' tables."""
    tcp = counts["tcp"]
    parts = ", ".join(f"{name} {tcp[name]}" for name in ("estab", "closed", "orphaned", "timewait"))
    return [
        f"Total: {counts['total']}",
        f"TCP:   {tcp['total']} ({parts})",
        "",
        "Transport Total     IP        IPv6",
        *(
            f"{name.upper()}\t  {each['total']:<9d} {each['ip']:<9d} {each['ipv6']}"
            for name, each in counts["transport"].items()
        ),
    ]
