"""Network programming latency by node: from a change of endpoints to packets that follow it.

Two figures for each node. From the trigger: a pod's readiness, or a Service, changed (upstream's
SLI). From the write: the API server had acknowledged the slice; every change has this one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from componentbase.journal import Note
from podwire.timeline.notes import number, text


@dataclass(frozen=True, slots=True)
class Latencies:
    """What was measured of one kind on one node, sorted."""

    seconds: Sequence[float]

    def quantile(self, share: float) -> float | None:
        """Return the smallest value that *share* of all are at or below."""
        if not self.seconds:
            return None
        rank = -int(-share * len(self.seconds) // 1)  # Rounded up.
        return self.seconds[max(rank, 1) - 1]

    def as_json(self) -> dict[str, float | int | None]:
        return {
            "n": len(self.seconds),
            "p50_s": self.quantile(0.5),
            "p99_s": self.quantile(0.99),
            "max_s": self.quantile(1.0),
        }


@dataclass(frozen=True, slots=True)
class NodeLatency:
    """One node's figures."""

    node: str
    from_trigger: Latencies
    from_write: Latencies


def programming(notes: Iterable[Note]) -> list[NodeLatency]:
    """Return the latencies of every node that programmed anything, by name."""
    notes = list(notes)
    written = {_change(note): note for note in notes if note.what == "endpoints-changed"}
    trigger: dict[str, list[float]] = {}
    write: dict[str, list[float]] = {}
    for note in notes:
        if note.what != "programmed":
            continue
        node = text(note, "node")
        trigger.setdefault(node, [])
        write.setdefault(node, [])
        latency_s = number(note, "latency_s")
        if latency_s is not None and latency_s >= 0:
            trigger[node].append(latency_s)
        change = written.get(_change(note))
        if change is not None and change.boot == note.boot:
            # The note of the write may come after a fast proxy's: then it took no time to speak of.
            write[node].append(max(0.0, note.tick - change.tick))
    return [
        NodeLatency(node, Latencies(sorted(trigger[node])), Latencies(sorted(write[node])))
        for node in sorted(trigger)
    ]


def _change(note: Note) -> tuple[str, str, str]:
    return note.subject, text(note, "slice"), text(note, "resource_version")
