"""A plugin of the user's, behind a fence: whatever it does, the scheduler goes on.

It may raise, answer something that the interface does not know, or never come back. In an attempt
to schedule a pod each of these is a `PluginFailed` that names the plugin and the extension point;
the attempt ends as an error with these words. Where no attempt is under way (PreEnqueue, QueueSort,
hints, PostBind, what is undone) it is logged, and the fence gives a harmless answer. What runs too
long is interrupted by a signal, as only the main thread of a process can be; there the scheduler
runs. A plugin that waits in C code for no signal to come (a lock, say) cannot be helped.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Final, TypeVar, cast

from componentbase import clock
from componentbase.alarm import Alarm, TookTooLong
from componentbase.tasks import Raised, attempted, attempted_async
from controlplane.scheduler.framework.cluster_event import ClusterEvent, Happening, Hint, Hints
from controlplane.scheduler.framework.interface import (
    SCORE_MAX,
    Only,
    Plugin,
    PostFilterResult,
    Rejection,
    Skip,
    Wait,
)
from controlplane.scheduler.pod_info import PodInfo
from kubeapi.client import Unreachable
from kubeapi.status import StatusError

#: How long all calls of one attempt that decide may take: nobody else is looked at meanwhile, and
#: the lead is not renewed. And how long one that waits for others may (PreBind, Bind).
DECISION_MAX_S: Final = 1.0
BINDING_MAX_S: Final = 100.0
_LEAST_S: Final = 0.001

T = TypeVar("T")
Call = Callable[..., object]
#: Says what is wrong with an answer; empty: nothing.
Check = Callable[[object], str]


class PluginFailed(Exception):
    """A plugin broke the rules of an extension point; the text says which one, where and how."""


def fenced(plugin: Plugin) -> Plugin:
    """Return a plugin that calls *plugin* at every point whose method it has."""
    return cast(Plugin, Fenced(plugin))


class Fenced:
    """Has those of the methods that the plugin has: by them a plugin's points are known."""

    def __init__(self, plugin: Plugin) -> None:
        self.name, self._left_s = plugin.name, DECISION_MAX_S
        normalizes = callable(getattr(plugin, "normalize", None))
        deciding = dict(_DECIDING)
        if not normalizes:
            deciding |= {"score": _score_problem, "score_all": _scores_problem}
        methods: list[tuple[str, Callable[[str, Call], Call]]] = []
        methods += [(name, partial(self._deciding, says)) for name, says in deciding.items()]
        methods += [(name, self._waiting) for name in ("pre_bind", "bind")]
        methods += [(name, self._told) for name in ("unreserve", "post_bind")]
        methods += [("pre_enqueue", self._admitting), ("sort_key", self._sorting)]
        for name, fence in methods:
            call = getattr(plugin, name, None)
            if callable(call):
                setattr(self, name, fence(name, call))
        if hasattr(plugin, "hints"):
            self.hints = self._hints(plugin.hints)

    def begin_attempt(self) -> None:
        """Let it have the time of an attempt."""
        self._left_s = DECISION_MAX_S

    def _call(self, name: str, call: Callable[[], T]) -> T | Raised:
        """Call it, for as long as the attempt may last; outside of one for a whole one's time."""
        limit_s = self._left_s if name in _DECIDING else DECISION_MAX_S
        alarm, began_at = Alarm(max(limit_s, _LEAST_S)), clock.monotonic()

        def limited() -> T:
            with alarm:
                return call()

        try:
            return attempted(f"{name} of plugin {self.name}", limited)
        except TookTooLong:
            alarm.stop()
            return Raised(f"it took longer than {DECISION_MAX_S:g} s")
        finally:
            self._left_s -= clock.monotonic() - began_at

    def _failed(self, name: str, why: str) -> PluginFailed:
        return PluginFailed(f'running {_POINTS[name]} plugin "{self.name}": {why}')

    def _deciding(self, problem: Check, name: str, call: Call) -> Call:
        def fence(*given: object) -> object:
            answer = self._call(name, lambda: call(*given))
            if isinstance(answer, Raised):
                raise self._failed(name, answer.text)
            if wrong := problem(answer):
                raise self._failed(name, wrong)
            return answer

        return fence

    def _waiting(self, name: str, call: Call) -> Call:
        async def fence(*given: object) -> object:
            try:
                async with asyncio.timeout(BINDING_MAX_S):
                    answer = await attempted_async(
                        f"{name} of plugin {self.name}", lambda: self._awaited(call, given)
                    )
            except TimeoutError:
                raise self._failed(name, f"it took longer than {BINDING_MAX_S:g} s") from None
            if isinstance(answer, _Passed):
                raise answer.error
            why = answer.text if isinstance(answer, Raised) else _BINDING[name](answer)
            if why:
                raise self._failed(name, why)
            return answer

        return fence

    async def _awaited(self, call: Call, given: Sequence[object]) -> object:
        """Await the call; what an API server says is not the plugin's fault, and is passed on."""
        try:
            return await cast(Awaitable[object], call(*given))
        except (StatusError, Unreachable) as error:
            return _Passed(error)

    def _told(self, name: str, call: Call) -> Call:
        def fence(*given: object) -> None:
            self._call(name, lambda: call(*given))

        return fence

    def _admitting(self, name: str, call: Call) -> Call:
        def fence(*given: object) -> object:
            answer = self._call(name, lambda: call(*given))
            why = answer.text if isinstance(answer, Raised) else _REJECTS(answer)
            return Rejection((str(self._failed(name, why)),)) if why else answer

        return fence

    def _sorting(self, name: str, call: Call) -> Call:
        def fence(pod: PodInfo, added_at: float) -> tuple[float, ...]:
            """Return a key that stands behind all others when the plugin has none."""
            key = self._call(name, lambda: call(pod, added_at))
            if isinstance(key, tuple) and key and all(isinstance(x, int | float) for x in key):
                return key
            return (math.inf, added_at)

        return fence

    def _hints(self, given: object) -> Hints:
        """Return hints that wake the pod when the plugin cannot tell."""
        if not isinstance(given, Mapping) or not all(isinstance(e, ClusterEvent) for e in given):
            raise self._failed("hints", "hints are a mapping of ClusterEvents")

        def fence(hint: Hint) -> Hint:
            def call(pod: PodInfo, happening: Happening) -> bool:
                answer = self._call("hints", lambda: hint(pod, happening))
                return isinstance(answer, Raised) or bool(answer)

            return call

        return {event: None if hint is None else fence(hint) for event, hint in given.items()}


class _Passed:
    """What an API server has answered a plugin."""

    def __init__(self, error: StatusError | Unreachable) -> None:
        self.error = error


# --- what may be answered ----------------------------------------------------------------------


def _one_of(*kinds: type) -> Check:
    def problem(answer: object) -> str:
        if not isinstance(answer, kinds):
            names = ", ".join("None" if kind is type(None) else kind.__name__ for kind in kinds)
            return f"it answers {_shown(answer)}, and may answer {names}"
        if isinstance(answer, Rejection) and not _are_texts(answer.reasons):
            return "the reasons of a Rejection are a tuple of texts"
        if isinstance(answer, Only) and not _is(answer.nodes, frozenset):
            return "the nodes of an Only are a frozenset of names"
        if isinstance(answer, Wait) and not _is(answer.timeout_s, int, float):
            return "the time of a Wait is a number of seconds"
        return ""

    return problem


def _is(value: object, *kinds: type) -> bool:
    """Ask whether a value is what its type says: nobody checks types in a user's module."""
    return isinstance(value, kinds)


def _are_texts(reasons: object) -> bool:
    return isinstance(reasons, tuple) and bool(reasons) and all(isinstance(r, str) for r in reasons)


def _number_problem(answer: object) -> str:
    return "" if isinstance(answer, int) else f"it answers {_shown(answer)}, and may answer int"


def _score_problem(answer: object) -> str:
    if not isinstance(answer, int):
        return _number_problem(answer)
    if 0 <= answer <= SCORE_MAX:
        return ""
    limits = f"it should be in the range of [0, {SCORE_MAX}] after normalizing"
    return f"it returns an invalid score {answer}, {limits}"


def _scores_problem(answer: object) -> str:
    return _list_problem(answer) or next(filter(None, map(_score_problem, _listed(answer))), "")


def _list_problem(answer: object) -> str:
    if not isinstance(answer, list):
        return f"it answers {_shown(answer)}, and may answer list"
    return next(filter(None, map(_number_problem, answer)), "")


def _listed(answer: object) -> list[object]:
    assert isinstance(answer, list)
    return answer


def _nothing_wrong(_answer: object) -> str:
    return ""


def _shown(answer: object) -> str:
    return f"{answer!r:.80}"


_REJECTS: Final = _one_of(Rejection, type(None))
#: By method: what it may answer.
_DECIDING: Final[Mapping[str, Check]] = {
    "pre_filter": _one_of(Skip, Only, Rejection, type(None)),
    "add_pod": _nothing_wrong,
    "remove_pod": _nothing_wrong,
    "filter": _REJECTS,
    "post_filter": _one_of(PostFilterResult),
    "pre_score": _one_of(Skip, type(None)),
    "score": _number_problem,
    "score_all": _list_problem,
    "normalize": _scores_problem,
    "reserve": _REJECTS,
    "permit": _one_of(Wait, Rejection, type(None)),
}
_BINDING: Final[Mapping[str, Check]] = {"pre_bind": _REJECTS, "bind": _one_of(bool)}
#: By method: what upstream calls its extension point.
_POINTS: Final = {
    "pre_enqueue": "PreEnqueue",
    "hints": "EnqueueExtensions",
    "pre_filter": "PreFilter",
    "add_pod": "AddPod",
    "remove_pod": "RemovePod",
    "filter": "Filter",
    "post_filter": "PostFilter",
    "pre_score": "PreScore",
    "score": "Score",
    "score_all": "Score",
    "normalize": "NormalizeScore",
    "reserve": "Reserve",
    "permit": "Permit",
    "pre_bind": "PreBind",
    "bind": "Bind",
}
