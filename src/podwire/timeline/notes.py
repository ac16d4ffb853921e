"""Reading notes: whose node they are about, and details of any type as what they should be.

A journal may be another version's, or damaged: a detail that is missing or of the wrong type is
treated as not there.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from componentbase.journal import Note


def number(note: Note, name: str) -> float | None:
    """Return a detail that is a finite number."""
    found = note.details.get(name)
    if isinstance(found, bool) or not isinstance(found, int | float):
        return None
    return float(found) if math.isfinite(found) else None


def text(note: Note, name: str) -> str:
    """Return a detail that is a text, or ""."""
    found = note.details.get(name)
    return found if isinstance(found, str) else ""


def texts(note: Note, name: str) -> list[str]:
    """Return a detail that is a list of texts, or []."""
    found = note.details.get(name)
    return [item for item in found if isinstance(item, str)] if isinstance(found, list) else []


def tick_of(note: Note, unix_s: float) -> float:
    """Return the tick of a moment that *note* tells in Unix seconds."""
    return note.tick - (note.at - unix_s)


def node_in(subject: str) -> str:
    """Return the node that a process's name, or a node's own, belongs to; "" for other things."""
    head = subject.split("/")[0]
    return head if head.startswith("node-") and head[5:].isdigit() else ""


def nodes_of_pods(notes: Iterable[Note]) -> dict[str, str]:
    """Return the node of every pod that *notes* place somewhere."""
    return {
        note.subject: node
        for note in notes
        if "/" in note.subject and note.what in _ABOUT_PODS and (node := text(note, "node"))
    }


_ABOUT_PODS = frozenset(
    {
        "scheduled",
        "pod-started",
        "pod-ready",
        "pod-not-ready",
        "pod-stopping",
        "pod-stopped",
        "evicted",
        "api-evicted",
        "eviction-refused",
    }
)


def concerns(note: Note, node: str, places: dict[str, str]) -> bool:
    """Return whether *note* is about *node*, or about a pod of it."""
    pods = (note.subject, *texts(note, "added"), *texts(note, "removed"))
    return (
        node_in(note.subject) == node
        or node_in(note.process) == node
        or text(note, "node") == node
        or node in note.subject.split(" → ")
        or any(places.get(pod) == node for pod in pods)
    )
