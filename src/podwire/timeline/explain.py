"""From the notes of a failure to the chain of what followed, with the reason of every gap.

A pure function of notes. `chain` finds the moments; here they are put in order and each gap is laid
over the timers that ran in it. What no timer covers is work (writes, watches, processes that start)
and, beyond what work usually takes, said to be unexplained.

A note is written when its writer has the answer, and by then others may have acted on the fact: a
cause therefore counts as no later than its first effect.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from componentbase.journal import Note
from podwire.timeline.chain import find
from podwire.timeline.incidents import Incident
from podwire.timeline.search import Missing, Moment
from podwire.timeline.timers import Running

#: Work between two processes takes less; what is beyond is unexplained.
WORK_MAX_S: Final = 0.5


@dataclass(frozen=True, slots=True)
class Part:
    """What one timer contributes to a gap."""

    running: Running
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A moment and the gap before it."""

    moment: Moment
    after_s: float  # since the act; the last heartbeat is before it
    gap_s: float  # since the step before
    waited_s: float | None  # since the step that it followed from
    parts: tuple[Part, ...]
    work_s: float
    unexplained_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """An incident, what followed in order, and what did not."""

    incident: Incident
    steps: tuple[Step, ...]
    missing: tuple[Missing, ...]

    @property
    def whole_s(self) -> float:
        """Return how long it took from the first step to the last."""
        return self.steps[-1].moment.tick - self.steps[0].moment.tick


def explain(notes: Sequence[Note], incident: Incident, end: float = math.inf) -> Explanation:
    """Return what *notes* (in order) tell of *incident*, up to the tick *end*."""
    moments, missing = find(notes, incident, end)
    ordered = in_causal_order(moments)
    act = next(moment.tick for moment in ordered if moment.step == incident.note.what)
    ticks = {moment.key: moment.tick for moment in reversed(ordered)}
    steps = [
        _step(moment, before, ticks, act)
        for before, moment in zip([ordered[0], *ordered], ordered, strict=False)
    ]
    return Explanation(incident=incident, steps=tuple(steps), missing=tuple(missing))


def in_causal_order(moments: Sequence[Moment]) -> list[Moment]:
    """Return *moments*, which name their causes before themselves, by time."""
    ticks = {moment.key: moment.tick for moment in moments}
    for moment in reversed(moments):
        if moment.since in ticks:
            ticks[moment.since] = min(ticks[moment.since], ticks[moment.key])
    moved = [replace(moment, tick=ticks[moment.key]) for moment in moments]
    return sorted(moved, key=lambda moment: moment.tick)  # Stable: causes come first.


def _step(moment: Moment, before: Moment, ticks: Mapping[str, float], act: float) -> Step:
    gap_s = moment.tick - before.tick
    since = ticks.get(moment.since)
    parts: list[Part] = []
    if since is not None:
        began = since
        for running in moment.timers:
            ended = began + max(0.0, running.setting_s)
            overlap = min(ended, moment.tick) - max(began, before.tick)
            parts.append(Part(running, max(0.0, overlap)))
            began = ended
    rest_s = max(0.0, gap_s - sum(part.seconds for part in parts))
    usual = rest_s <= WORK_MAX_S or moment.outside
    return Step(
        moment=moment,
        after_s=moment.tick - act,
        gap_s=gap_s,
        waited_s=None if since is None else moment.tick - since,
        parts=tuple(parts),
        work_s=rest_s if usual else 0.0,
        unexplained_s=0.0 if usual else rest_s,
    )


def as_json(explanation: Explanation) -> dict[str, object]:
    """Return *explanation* as `-o json` prints it."""
    incident = explanation.incident
    return {
        "incident": {
            "id": incident.number,
            "what": incident.note.what,
            "subject": incident.note.subject,
            "at": incident.note.at,
        },
        "whole_s": explanation.whole_s,
        "steps": [_step_as_json(step, incident.note) for step in explanation.steps],
        "missing": [{"step": one.step, "why": one.why} for one in explanation.missing],
    }


def _step_as_json(step: Step, act: Note) -> dict[str, object]:
    moment = step.moment
    return {
        "step": moment.step,
        "subject": moment.subject,
        "node": moment.node,
        "process": moment.process,
        "text": moment.text,
        "at": act.at + step.after_s,
        "after_s": step.after_s,
        "gap_s": step.gap_s,
        "since": moment.since.split(" ")[0],
        "waited_s": step.waited_s,
        "timers": [
            {
                "name": part.running.timer.name,
                "setting_s": part.running.setting_s,
                "upstream_default_s": part.running.timer.default_s,
                "at_most": part.running.at_most,
                "in_gap_s": part.seconds,
            }
            for part in step.parts
        ],
        "work": moment.work,
        "work_s": step.work_s,
        "unexplained_s": step.unexplained_s,
    }
