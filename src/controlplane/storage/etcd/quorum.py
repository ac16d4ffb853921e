"""Who of etcd's members answers, and what that means for the one who asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Health:
    """What one member said of itself; *error* is why it said nothing."""

    endpoint: str
    error: str = ""
    has_leader: bool = False
    alarms: Sequence[str] = ()


def describe(members: Sequence[Health], last_error: str) -> str:
    """Return half a line for a person whose request got no answer; *last_error* is the last try's.

    It shall stand in one line of kubectl's: which members are silent, and why, says `report`.
    """
    answering = [member for member in members if not member.error]
    needed = len(members) // 2 + 1
    who = _count(answering, members)
    if len(answering) < needed and len(members) > 1:
        return f"etcd has no quorum: {who}; writes are refused until {needed} do"
    if not answering:
        return f"etcd: {members[0].endpoint} does not answer: {members[0].error}"
    alarms = [alarm for member in answering for alarm in member.alarms]
    if alarms:
        return f"etcd: {who}, with an alarm: {', '.join(alarms)}"
    if not any(member.has_leader for member in answering):
        return f"etcd: {who}, but they have no leader; writes are refused until they elect one"
    return f"etcd: {who}, but the request was not: {last_error}"


def report(members: Sequence[Health]) -> str:
    """Return what each member said of itself, for the one who looks for the cause."""
    return "; ".join(f"{member.endpoint}: {_state(member)}" for member in members)


def _state(member: Health) -> str:
    if member.error:
        return member.error
    state = "answers" if member.has_leader else "answers, but knows of no leader"
    return ", ".join([state, *member.alarms])


def _count(answering: Sequence[Health], members: Sequence[Health]) -> str:
    if len(members) == 1:
        return f"{members[0].endpoint} answers"
    verb = "answers" if len(answering) == 1 else "answer"
    return f"{len(answering)} of {len(members)} members {verb}"
