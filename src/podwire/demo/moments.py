"""What the demo waits for, read from the cluster's notes."""

from __future__ import annotations

from collections.abc import Sequence

from componentbase.journal import Note
from podwire.timeline.notes import nodes_of_pods


def ready_pods(notes: Sequence[Note]) -> list[str]:
    """Return the pods that are Ready and that nobody has given up."""
    ready: dict[str, None] = {}
    for note in notes:
        if note.what == "pod-ready":
            ready[note.subject] = None
        elif note.what in ("pod-not-ready", "evicted"):
            ready.pop(note.subject, None)
    return list(ready)


def pods_on(notes: Sequence[Note], node: str) -> int:
    """Return how many of the Ready pods are on *node*."""
    places = nodes_of_pods(notes)
    return sum(places.get(pod) == node for pod in ready_pods(notes))


def was(notes: Sequence[Note], what: str, subject: str) -> bool:
    """Return whether *what* was noted of *subject*."""
    return any(note.what == what and note.subject == subject for note in notes)


def replaced(notes: Sequence[Note], node: str, replicas: int) -> bool:
    """Return whether *node* was emptied and all *replicas* are Ready elsewhere."""
    evicted = any(note.what == "evicted" and note.details.get("node") == node for note in notes)
    return evicted and len(ready_pods(notes)) - pods_on(notes, node) >= replicas
