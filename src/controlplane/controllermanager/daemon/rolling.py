"""One step of a rolling update (upstream: `rollingUpdate` in pkg/controller/daemon/update.go).

Without surge old pods are deleted, as many as may be unavailable, and `manage` makes new ones
on their nodes. With surge new ones are made beside available old ones, which go when the new
ones are available.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from controlplane.controllermanager import pod_facts
from controlplane.controllermanager.daemon.plan import Step
from controlplane.controllermanager.daemon.view import View
from kubeapi.objects import Object


@dataclass(frozen=True, slots=True)
class _Pair:
    """The living pods of one node, by template."""

    new: Object | None
    old: Object | None


def roll(view: View) -> Step:
    """Return the next step of the update."""
    return _surge(view) if view.max_surge else _replace(view)


def _nodes(view: View) -> Iterator[str]:
    """Return every node that has pods or should have one."""
    yield from view.pods
    yield from (n for n, v in view.verdicts.items() if v.should_run and n not in view.pods)


def _pair(view: View, pods: Sequence[Object]) -> _Pair | None:
    """Return who is on a node; None while it has two of one kind, which `manage` ends."""
    new: list[Object] = []
    old: list[Object] = []
    for pod in pods:
        if not pod_facts.is_terminating(pod):
            (new if view.is_updated(pod) else old).append(pod)
    if len(new) > 1 or len(old) > 1:
        return None
    return _Pair(new[0] if new else None, old[0] if old else None)


def _replace(view: View) -> Step:
    """Delete old pods: those that are not available at once, of the others as many as may be."""
    unavailable = 0
    broken: list[Object] = []
    candidates: list[Object] = []
    for node in _nodes(view):
        pair = _pair(view, view.pods.get(node, ()))
        if pair is None or pair.old is None:
            works = pair is not None and pair.new is not None and view.is_available(pair.new)
            unavailable += not works
        elif pair.new is not None:
            unavailable += 1
        elif view.is_available(pair.old):
            candidates.append(pair.old)
        else:
            broken.append(pair.old)
            unavailable += 1
    room = max(0, view.max_unavailable - unavailable)
    return Step(delete=[*broken, *candidates[:room]])


@dataclass(slots=True)
class _Surge:
    """What is counted while the nodes are looked at."""

    under_way: int = 0
    available: int = 0
    delete: list[Object] = field(default_factory=list)
    #: Old pods that work, on nodes that are not to have one any more.
    leaving: list[Object] = field(default_factory=list)
    replace: list[str] = field(default_factory=list)
    candidates: list[str] = field(default_factory=list)


def _surge(view: View) -> Step:
    """Make new pods beside old ones, and end old ones that are replaced."""
    found = _Surge()
    for node, pods in view.pods.items():
        pair = _pair(view, pods)
        if pair is None:
            found.under_way += 1
        else:
            _look(view, node, pair, found)
    room = max(0, view.max_surge - found.under_way)
    spare = max(0, found.available - view.desired)
    return Step(
        create_on=[*found.replace, *found.candidates[:room]],
        delete=[*found.delete, *found.leaving[:spare]],
    )


def _look(view: View, node: str, pair: _Pair, found: _Surge) -> None:
    first = pair.old or pair.new
    found.available += first is not None and view.is_available(first)
    if pair.old is None:
        return
    should_run, works = view.verdict(node).should_run, view.is_available(pair.old)
    if pair.new is not None:
        if view.is_available(pair.new):
            found.delete.append(pair.old)
        else:
            found.under_way += 1
    elif should_run:
        (found.candidates if works else found.replace).append(node)
    else:
        (found.leaving if works else found.delete).append(pair.old)
