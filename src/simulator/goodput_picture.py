"""The picture of goodput: a panel for each round-trip time, over loss, a line for each buffer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from simulator.goodput import (
    BUFFERS,
    LOSSES,
    RATE_BIT_S,
    RTTS_S,
    Cell,
    bound_bit_s,
    milliseconds,
    percent,
)

_PANEL_WIDTH: Final = 210
_PANEL_HEIGHT: Final = 170
_LEFT: Final = 46
_TOP: Final = 46
_GAP: Final = 26
#: Told apart by everybody, also in grey; the lighter the smaller.
_COLOURS: Final = ("#f28e2b", "#1f77b4", "#14213d")
_STEP_MBIT_S: Final = 5
_FONT: Final = 'font-family="sans-serif" font-size="11"'


def svg(results: dict[Cell, float]) -> str:
    """Return the picture."""
    width = _LEFT + len(RTTS_S) * (_PANEL_WIDTH + _GAP)
    height = _TOP + _PANEL_HEIGHT + 58
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" {_FONT}>',
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
        _text(_LEFT - 34, 18, "Mbit/s of payload over the loss of data"),
    ]
    for index, rtt_s in enumerate(RTTS_S):
        parts += _panel(results, rtt_s, _LEFT + index * (_PANEL_WIDTH + _GAP))
    parts += _legend(_TOP + _PANEL_HEIGHT + 44)
    return "\n".join([*parts, "</svg>"]) + "\n"


def _text(x: float, y: float, text: str, *, anchor: str = "start") -> str:
    return f'<text x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}" fill="#222">{text}</text>'


def _x(left: float, index: int) -> float:
    return left + 14 + index * (_PANEL_WIDTH - 28) / (len(LOSSES) - 1)


def _y(bit_s: float) -> float:
    return _TOP + _PANEL_HEIGHT * (1 - bit_s / RATE_BIT_S)


def _panel(results: dict[Cell, float], rtt_s: float, left: float) -> list[str]:
    parts = [_text(left + _PANEL_WIDTH / 2, _TOP - 8, f"RTT {milliseconds(rtt_s)}",
                   anchor="middle")]  # fmt: skip
    for mbit_s in range(0, RATE_BIT_S // 1_000_000 + 1, _STEP_MBIT_S):
        y = _y(mbit_s * 1e6)
        parts.append(
            f'<line x1="{left:.0f}" x2="{left + _PANEL_WIDTH:.0f}" y1="{y:.1f}" y2="{y:.1f}" '
            'stroke="#ddd"/>'
        )
        if left == _LEFT:
            parts.append(_text(left - 6, y + 4, str(mbit_s), anchor="end"))
    for index, loss in enumerate(LOSSES):
        parts.append(
            _text(_x(left, index), _TOP + _PANEL_HEIGHT + 16, percent(loss), anchor="middle")
        )
    parts.append(_line(left, lambda loss: bound_bit_s(loss, rtt_s), 'stroke="#999" '
                       'stroke-dasharray="4 3"'))  # fmt: skip
    for buffer, colour in zip(BUFFERS, _COLOURS, strict=True):
        goodput = [results[Cell(loss, rtt_s, buffer)] for loss in LOSSES]
        parts.append(_line_of(left, goodput, f'stroke="{colour}" stroke-width="2"'))
    return parts


def _line(left: float, value: Callable[[float], float], style: str) -> str:
    return _line_of(left, [value(loss) for loss in LOSSES], style)


def _line_of(left: float, values: Sequence[float], style: str) -> str:
    points = " ".join(f"{_x(left, index):.1f},{_y(each):.1f}" for index, each in enumerate(values))
    return f'<polyline points="{points}" fill="none" {style}/>'


def _legend(y: float) -> list[str]:
    entries = [
        (f"buffer of {buffer} packets", f'stroke="{colour}" stroke-width="2"')
        for buffer, colour in zip(BUFFERS, _COLOURS, strict=True)
    ]
    entries.append(("bound of the link and of Reno", 'stroke="#999" stroke-dasharray="4 3"'))
    parts = []
    for index, (text, style) in enumerate(entries):
        x = _LEFT + index * 180
        parts.append(f'<line x1="{x}" x2="{x + 24}" y1="{y - 4}" y2="{y - 4}" {style}/>')
        parts.append(_text(x + 30, y, text))
    return parts
