"""What a search through the notes of one incident knows and has found so far."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from componentbase.journal import Note
from podwire.timeline.incidents import CORDONED, Incident
from podwire.timeline.notes import nodes_of_pods, text
from podwire.timeline.timers import Running, timings_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """A step of the chain. What it followed from is the moment with the key *since*."""

    key: str  # unique in its chain: the step, and the node where several nodes take it
    step: str
    tick: float
    subject: str
    process: str
    text: str
    node: str = ""
    since: str = ""
    timers: tuple[Running, ...] = ()
    work: str = ""  # what happens besides timers
    outside: bool = False  # decided by people or clients: its gap needs no explanation


@dataclass(frozen=True, slots=True)
class Missing:
    """A step that the notes do not show."""

    step: str
    why: str


class Search:
    """The notes of one incident; what was found stands with causes before effects."""

    def __init__(self, notes: Sequence[Note], incident: Incident, end: float) -> None:
        self.moments: list[Moment] = []
        self.missing: list[Missing] = []
        act = incident.note
        boot = [note for note in notes if note.boot == act.boot]
        self.act, self.node, self.pod = act, incident.node, incident.pod
        self.after = [note for note in boot if act.tick <= note.tick < end]
        self.end = end
        self.places = nodes_of_pods(boot)
        self.timings = timings_of(boot)
        #: Every node whose kube-proxy has noted anything.
        self.proxies = dict.fromkeys(
            node for note in boot if note.what == "programmed" and (node := text(note, "node"))
        )
        #: The Service that the chain follows.
        self.service = ""

    def notes(self, *whats: str) -> Iterable[Note]:
        return (note for note in self.after if note.what in whats)

    def first(self, what: str, subject: str) -> Note | None:
        return next((note for note in self.notes(what) if note.subject == subject), None)

    def found(self, key: str) -> bool:
        return any(moment.key == key for moment in self.moments)

    def lost(self, pod: str) -> bool:
        """Return whether *pod* is what was struck, or was on the node that was."""
        return pod == self.pod if self.pod else self.places.get(pod) == self.node

    def add(self, step: str, note: Note, words: str, **more: object) -> None:
        """Add a moment: *note*'s, as far as *more* (fields of Moment) does not say otherwise."""
        fields: dict[str, object] = {
            "key": step,
            "tick": note.tick,
            "subject": note.subject,
            "process": note.process,
            **more,
        }
        self.moments.append(Moment(step=step, text=words, **fields))  # type: ignore[arg-type]

    def miss(self, step: str, why: str) -> None:
        self.missing.append(Missing(step, why))

    @property
    def node_is_struck(self) -> bool:
        """Return whether the node's own processes were acted upon: not where it is drained."""
        return not self.pod and self.act.what != CORDONED

    @property
    def seconds_seen(self) -> float:
        """Return how long the notes go on after the act."""
        return self.after[-1].tick - self.act.tick if self.after else 0.0
