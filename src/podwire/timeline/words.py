"""A note in words: what people read for each thing that a process may note.

Condensing needs the same facts as counts, so both forms of a fact stand side by side.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from componentbase.journal import Note
from podwire.timeline.notes import number, text, texts

_MANY: Final = 3


@dataclass(frozen=True, slots=True)
class Wording:
    """How one kind of note reads. Kinds with *many* may be told as a count."""

    one: Callable[[Note], str]
    style: str = ""
    many: str = ""  # the sentence for {n} of them


def _about(words: str) -> Callable[[Note], str]:
    return lambda note: f"{note.subject} {words}"


def _process(words: str) -> Callable[[Note], str]:
    def told(note: Note) -> str:
        extras = [f"{name} {note.details[name]}" for name in ("pid", "status") if _has(note, name)]
        return f"{note.subject} {words}" + (f" ({', '.join(extras)})" if extras else "")

    return told


def _has(note: Note, name: str) -> bool:
    return note.details.get(name) not in (None, "")


def _rule(words: str) -> Callable[[Note], str]:
    def told(note: Note) -> str:
        rule = ", ".join(
            f"{name} {value}"
            for name, value in note.details.items()
            if name not in ("from", "to") and value not in (None, "", 0, 0.0, False, [])
        )
        return f"{words} {note.subject}" + (f": {rule}" if rule else "")

    return told


def _not_ready(note: Note) -> str:
    heartbeat_at = number(note, "last_heartbeat_at")
    silent = "" if heartbeat_at is None else f", silent for {max(0, note.at - heartbeat_at):.1f} s"
    return f"{note.subject} NotReady (Ready={text(note, 'status') or 'Unknown'}{silent})"


def _evicted(note: Note) -> str:
    seconds = number(note, "toleration_s")
    tolerated = "" if seconds is None else f", tolerated for {seconds:g} s"
    return f"{note.subject} evicted from {text(note, 'node')} ({text(note, 'taint')}{tolerated})"


def _api_evicted(note: Note) -> str:
    budget = text(note, "budget")
    allowed = f", allowed by PodDisruptionBudget {budget}" if budget else ""
    return f"{note.subject} evicted from {text(note, 'node')} through the API{allowed}"


def _eviction_refused(note: Note) -> str:
    return f"{note.subject} not evicted: {text(note, 'why').rstrip('.')}"


def _stopping(note: Note) -> str:
    grace_s = number(note, "grace_s")
    return f"{note.subject} is stopped" + ("" if grace_s is None else f", grace {grace_s:g} s")


def _stopped(note: Note) -> str:
    took_s = number(note, "took_s")
    return f"{note.subject} has stopped" + ("" if took_s is None else f" after {took_s:.1f} s")


def _endpoints(note: Note) -> str:
    parts = [
        f"{sign}{_names(pods)}"
        for sign, pods in (("+", texts(note, "added")), ("-", texts(note, "removed")))
        if pods
    ]
    return f"{note.subject} endpoints {'  '.join(parts) or 'rewritten'}"


def _names(pods: list[str]) -> str:
    names = [pod.rpartition("/")[2] for pod in pods]
    return ", ".join(names) if len(names) <= _MANY else f"{len(names)} pods"


def _programmed(note: Note) -> str:
    latency_s = number(note, "latency_s")
    took = "" if latency_s is None else f" in {milliseconds(latency_s)}"
    return f"{note.subject} programmed on {text(note, 'node')}{took}"


def _failure(which: str) -> Callable[[Note], str]:
    def told(note: Note) -> str:
        error = text(note, "error")
        return f"{which} failed request" + (f" ({error})" if error else "") + f" to {note.subject}"

    return told


def milliseconds(seconds: float) -> str:
    """Return a short time for people."""
    return f"{1000 * seconds:.0f} ms" if seconds < 1 else f"{seconds:.2f} s"


WORDS: Final[Mapping[str, Wording]] = {
    "killed": Wording(_process("killed"), "bold red"),
    "shutting-down": Wording(_process("shutting down"), "bold red"),
    "paused": Wording(_process("paused"), "bold red"),
    "resumed": Wording(_process("resumed"), "bold"),
    "start": Wording(_about("is to be started again"), "bold"),
    "started": Wording(_process("started"), "dim", "{n} processes started"),
    "died": Wording(_process("died"), "red", "{n} processes died"),
    "restarted": Wording(_process("restarted"), "yellow", "{n} processes restarted"),
    "added": Wording(_about("added"), "bold"),
    "removed": Wording(_about("removed"), "bold"),
    "fault-set": Wording(_rule("fault set:"), "bold red"),
    "fault-healed": Wording(_rule("fault healed:"), "bold"),
    "api-fault-set": Wording(_rule("API fault set:"), "bold red"),
    "api-fault-healed": Wording(_rule("API fault healed:"), "bold"),
    "leading": Wording(_about("leads"), "cyan"),
    "not-ready": Wording(_not_ready, "red"),
    "ready-again": Wording(_about("Ready again"), "bold green"),
    "tainted": Wording(lambda note: f"{note.subject} tainted {text(note, 'taint')}", "yellow"),
    "untainted": Wording(lambda note: f"{note.subject} untainted {text(note, 'taint')}", "green"),
    "evicted": Wording(_evicted, "yellow", "{n} pods evicted"),
    "cordoned": Wording(_about("cordoned"), "bold"),
    "uncordoned": Wording(_about("uncordoned"), "bold"),
    "balancer-left": Wording(_about("gets no more connections of load balancers"), "yellow"),
    "balancer-joined": Wording(_about("gets connections of load balancers again"), "green"),
    "api-evicted": Wording(_api_evicted, "yellow", "{n} pods evicted through the API"),
    "eviction-refused": Wording(_eviction_refused, "yellow", "{n} evictions refused"),
    "pod-stopping": Wording(_stopping, "", "{n} pods are being stopped"),
    "pod-stopped": Wording(_stopped, "", "{n} pods stopped"),
    "pod-created": Wording(
        lambda note: f"{note.subject} created by {text(note, 'owner')}", "", "{n} pods created"
    ),
    "scheduled": Wording(
        lambda note: f"{note.subject} scheduled to {text(note, 'node')}", "", "{n} pods scheduled"
    ),
    "pod-started": Wording(_about("started"), "", "{n} pods started"),
    "pod-ready": Wording(_about("Ready"), "green", "{n} pods Ready"),
    "pod-not-ready": Wording(_about("not Ready"), "yellow", "{n} pods not Ready"),
    "endpoints-changed": Wording(_endpoints, "", "{n} changes of endpoints"),
    "programmed": Wording(_programmed, "dim", "{n} programmings"),
    "target-up": Wording(_about("is reached again through the fabric"), "green"),
    "target-down": Wording(_about("is not reached through the fabric"), "yellow"),
    "load-started": Wording(lambda note: f"load on {note.subject} started", "magenta"),
    "load-ended": Wording(lambda note: f"load on {note.subject} ended", "magenta"),
    "first-failure": Wording(_failure("first"), "magenta"),
    "last-failure": Wording(_failure("last"), "magenta"),
    "backend-served": Wording(
        lambda note: f"{text(note, 'backend')} served its first request",
        "magenta",
        "{n} backends served their first request",
    ),
}


def sentence(note: Note) -> str:
    """Return *note* for people; a kind that is unknown here is told plainly."""
    wording = WORDS.get(note.what)
    return f"{note.what} {note.subject}" if wording is None else wording.one(note)


def style_of(what: str) -> str:
    """Return how rich should print a note of this kind."""
    wording = WORDS.get(what)
    return "" if wording is None else wording.style
