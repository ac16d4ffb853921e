"""What `podwire policy` prints: explanations, the matrix, the flow log; texts and JSON."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from kubeapi.objects import Object, key_of
from nodeagent.policy.explanation import Explanation, Side
from nodeagent.policy.matrix import Cell, Group, Port
from podwire.cli.policy_nodes import Notes

Row = dict[str, Any]
#: The name of who is reached, and what becomes of it.
Found = tuple[str, Explanation]

_SIGNS: Final = {"allowed": "✓", "denied": "✗", "partly": "~", "none": "·"}
_ACTIONS: Final = {"allow": "allowed", "deny": "denied", "pass": "passed"}
#: Longer names of groups are cut in the table.
_NAME_MAX: Final = 40
#: A terminal too narrow for so many columns wraps them.
_COLUMNS_MIN: Final = 10
_CORNER: Final = "from, to"
_INDENT: Final = "  "
_WIDTH_MIN: Final = 30


# Explanations.


def lines(source: str, found: Sequence[Found], notes: Notes) -> Iterator[str]:
    """Return explanations for people; behind a Service there may be several."""
    allowed = sum(each.allowed for _, each in found)
    if len(found) > 1:
        yield f"{allowed} of {len(found)} endpoints are allowed"
        yield ""
    for index, (destination, each) in enumerate(found):
        if index:
            yield ""
        verdict = "allowed" if each.allowed else "DENIED"
        yield f"{_ends(source, destination, each)}: {verdict}"
        for side in each.sides:
            yield from _side(side, notes[index].get(side.direction, ""))


def wrapped(text: Iterable[str], width: int) -> Iterator[str]:
    """Break lines that are longer than *width* (0: none is), what follows further in."""
    for line in text:
        if not width or len(line) <= width:
            yield line
            continue
        indent = line[: len(line) - len(line.lstrip())] + _INDENT
        yield from textwrap.wrap(
            line, max(width, _WIDTH_MIN), subsequent_indent=indent, break_on_hyphens=False,
            break_long_words=False, drop_whitespace=True,
        )  # fmt: skip


def _ends(source: str, destination: str, each: Explanation) -> str:
    flow = each.flow
    port = f" {flow.protocol}" if flow.protocol == "ICMP" else f" {flow.protocol} {flow.port}"
    left = source if source == flow.source else f"{source} ({flow.source})"
    right = (
        destination if destination == flow.destination else f"{destination} ({flow.destination})"
    )
    return f"{left} -> {right}{port}"


def _side(side: Side, note: str) -> Iterator[str]:
    of = f" of {side.pod}" if side.pod else ""
    yield f"  {side.direction}{of}: {side.text}"
    if len(side.policies) > 1:
        yield f"    asked: {', '.join(side.policies)}"
    if note:
        yield f"    but {note}"
    if side.change:
        yield f"    what would change it: {side.change}"


def as_json(source: str, found: Sequence[Found], notes: Notes) -> Row:
    """Return explanations for programs."""
    allowed = sum(each.allowed for _, each in found)
    verdict = "denied" if not allowed else "allowed" if allowed == len(found) else "partly"
    return {
        "source": source,
        "verdict": verdict,
        "connections": [
            {
                "destination": destination,
                "source_address": each.flow.source,
                "destination_address": each.flow.destination,
                "protocol": each.flow.protocol,
                "port": each.flow.port,
                "verdict": "allowed" if each.allowed else "denied",
                "sides": [_side_json(side, said.get(side.direction, "")) for side in each.sides],
            }
            for (destination, each), said in zip(found, notes, strict=True)
        ],
    }


def _side_json(side: Side, note: str) -> Row:
    return {
        "direction": side.direction,
        "pod": side.pod,
        "verdict": "allowed" if side.allowed else "denied",
        "why": side.text,
        "rulings": [
            {
                "tier": each.tier,
                "action": each.action,
                "policies": list(each.policies),
                "rule": each.rule,
            }
            for each in side.rulings
        ],
        "policies": list(side.policies),
        "node_disagrees": note,
        "would_change": side.change,
    }


# The matrix.


def declared_ports(pods: Iterable[Object]) -> Mapping[str, Sequence[Port]]:
    """Return the ports that containers declare, by pod."""
    return {
        key_of(pod): tuple(
            dict.fromkeys(
                (port.get("protocol") or "TCP", port["containerPort"])
                for container in (pod.get("spec") or {}).get("containers") or ()
                for port in container.get("ports") or ()
            )
        )
        for pod in pods
    }


@dataclass(frozen=True, slots=True)
class Matrix:
    """The cells of a matrix, with what its rows and columns are; columns have rows' numbers."""

    sources: Sequence[Group]
    destinations: Sequence[Group]
    cells: Sequence[Sequence[Cell]]

    def table(self, width: int = 0) -> str:
        """Return it for people, in lines of at most *width* (0: as long as it takes).

        What is too wide has narrow columns whose numbers stand upright, and comes in parts.
        """
        digits, count = len(str(len(self.sources))), len(self.destinations)
        names = [group.text[:_NAME_MAX] for group in self.sources]
        longest = max(*map(len, names), len(_CORNER) - digits - 1)
        titles = [
            f"{number:>{digits}} {name:<{longest}}  " for number, name in enumerate(names, start=1)
        ]
        room = width - len(titles[0])
        if not width or count * (digits + 1) - 1 <= room:
            numbers = [f"{n:>{digits}}" for n in range(1, count + 1)]
            parts = [_lines(titles, [" ".join(numbers)], self._signs(0, count, digits, " "))]
        else:
            step = max(room, _COLUMNS_MIN)
            parts = [
                _lines(titles, _upright(begin, end, digits), self._signs(begin, end, 1, ""))
                for begin in range(0, count, step)
                for end in (min(begin + step, count),)
            ]
        signs = "  ".join(f"{_SIGNS[each]} {each}" for each in ("allowed", "denied", "partly"))
        return "\n\n".join(["\n".join(part) for part in parts] + [signs])

    def _signs(self, begin: int, end: int, digits: int, between: str) -> list[str]:
        return [
            between.join(f"{_SIGNS[cell.verdict]:>{digits}}" for cell in row[begin:end])
            for row in self.cells
        ]

    def json(self) -> str:
        """Return it for programs."""
        return json.dumps(
            [
                {
                    "from": source.name,
                    "to": destination.name,
                    "verdict": cell.verdict,
                    "allowed": cell.allowed,
                    "judged": cell.judged,
                }
                for source, row in zip(self.sources, self.cells, strict=True)
                for destination, cell in zip(self.destinations, row, strict=True)
            ],
            indent=2,
        )

    def dot(self) -> str:
        """Return what is allowed as a graph."""
        edges = [
            f"  {json.dumps(source.text)} -> {json.dumps(destination.text)}"
            + (" [style=dashed]" if cell.verdict == "partly" else "")
            for source, row in zip(self.sources, self.cells, strict=True)
            for destination, cell in zip(self.destinations, row, strict=True)
            if cell.allowed and source is not destination
        ]
        nodes = [f"  {json.dumps(group.text)}" for group in self.sources]
        return "\n".join(["digraph policy {", *nodes, *edges, "}"])


def _lines(titles: Sequence[str], heads: Sequence[str], rows: Sequence[str]) -> list[str]:
    first = [f"{'' if n else _CORNER:<{len(titles[0])}}{head}" for n, head in enumerate(heads)]
    return first + [title + row for title, row in zip(titles, rows, strict=True)]


def _upright(begin: int, end: int, digits: int) -> list[str]:
    """Return the numbers of columns, written from top to bottom."""
    numbers = [f"{n:>{digits}}" for n in range(begin + 1, end + 1)]
    return ["".join(number[at] for number in numbers) for at in range(digits)]


# The flow log.


def noted(row: Row) -> str:
    """Return one note of a node's flow log as a line."""
    at = datetime.fromtimestamp(row["at_ns"] / 1e9).strftime("%H:%M:%S.%f")[:-3]
    times = f" ×{row['packets']}" if row["packets"] > 1 else ""
    source = _endpoint(row["source"], row["source_port"])
    destination = _endpoint(row["destination"], row["destination_port"])
    return (
        f"{at} {row['node']} {_ACTIONS[row['action']]} {row['protocol']} {source} -> {destination}"
        f"{times} by {row['by']} of {row['pod']}"
    )


def _endpoint(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
