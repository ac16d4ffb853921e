"""Sockets in the words of ss(8): `ss -tuan`, and with `-i` the internals of TCP."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

Row = dict[str, Any]

_QUEUES_END: Final = 4  # Columns before the two ends.
_TITLES: Final = (
    "Netid", "State", "Recv-Q", "Send-Q", "Local Address:Port", "Peer Address:Port",
)  # fmt: skip


def sockets(rows: Sequence[Row], *, internals: bool = False) -> list[str]:
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
    return lines


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
    words += [info["congestion"], f"wscale:{info['wscale_send']},{info['wscale_receive']}"]
    words.append(f"rto:{info['rto_ms']:g}")
    if info["backoff"]:
        words.append(f"backoff:{info['backoff']}")
    if "rtt_ms" in info:
        words.append(f"rtt:{info['rtt_ms']:g}/{info['rttvar_ms']:g}")
    words += [f"mss:{info['mss']}", f"cwnd:{info['cwnd']}"]
    if "ssthresh" in info:
        words.append(f"ssthresh:{info['ssthresh']}")
    mss = max(1, info["mss"])
    for name, octets in (("unacked", info["unacked_octets"]), ("sacked", info["sacked_octets"])):
        if octets:
            words.append(f"{name}:{-(-octets // mss)}")
    if info["recovery"]:
        words.append(f"ca_state:{info['recovery']}")
    if info["unsent_octets"]:
        words.append(f"notsent:{info['unsent_octets']}")
    if "minrtt_ms" in info:
        words.append(f"minrtt:{info['minrtt_ms']:g}")
    return " ".join([*words, f"snd_wnd:{info['snd_wnd']}"])
