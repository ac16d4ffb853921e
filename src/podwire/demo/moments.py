"""What the demo waits for, read from the cluster's notes."""

from __future__ import annotations

from collections.abc import Sequence

from componentbase.journal import Note
from podwire.timeline.explain import Explanation
from podwire.timeline.notes import nodes_of_pods, number, text


def ready_pods(notes: Sequence[Note]) -> list[str]:
    """Return the pods that are Ready and that nobody has given up."""
    ready: dict[str, None] = {}
    for note in notes:
        if note.what == "pod-ready":
            ready[note.subject] = None
        elif note.what in ("pod-not-ready", "evicted"):
            ready.pop(note.subject, None)
    return list(ready)


def programmed(notes: Sequence[Note], nodes: Sequence[str], endpoints: int) -> bool:
    """Return whether the proxies of all *nodes* know as many *endpoints* of one Service."""
    known = {
        (note.subject, text(note, "node")): number(note, "endpoints") or 0
        for note in notes
        if note.what == "programmed"
    }
    return any(
        all(known.get((service, node), 0) >= endpoints for node in nodes) for service, _ in known
    )


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


def failures(explanation: Explanation) -> tuple[float, float] | None:
    """Return when the first and the last request failed that the incident explains, since it."""
    after = {step.moment.step: step.after_s for step in explanation.steps}
    if "last-failure" not in after:
        return None
    return after.get("first-failure", 0.0), after["last-failure"]
