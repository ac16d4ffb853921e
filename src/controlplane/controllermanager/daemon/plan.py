"""Where a DaemonSet's pods are to be made and which are to go, apart from updates.

Upstream: `manage` and `podsShouldBeOnNode` in pkg/controller/daemon/daemon_controller.go.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from controlplane.controllermanager import pod_facts
from controlplane.controllermanager.daemon.pods import oldest_first
from controlplane.controllermanager.daemon.view import View
from controlplane.controllermanager.history.revisions import hash_of
from kubeapi.objects import Object

#: Most pods that one look at a DaemonSet creates, and most that it deletes.
BURST_MAX: Final = 250


@dataclass(slots=True)
class Step:
    """What is to be done now."""

    create_on: list[str] = field(default_factory=list)
    delete: list[Object] = field(default_factory=list)
    #: Of those to delete: which have ended by themselves, with their node.
    ended: list[tuple[Object, str]] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.create_on or self.delete)

    def bounded(self) -> Step:
        return Step(self.create_on[:BURST_MAX], self.delete[:BURST_MAX], self.ended)


def manage(view: View, held: Collection[str]) -> Step:
    """Return what brings every node to what it should have; pods that failed on *held* wait."""
    step = Step()
    for node, verdict in view.verdicts.items():
        pods = view.pods.get(node)
        if verdict.should_run and pods is None:
            step.create_on.append(node)
        elif verdict.may_stay:
            _tend(view, node, pods or (), held, step)
        else:
            step.delete += [pod for pod in pods or () if not pod_facts.is_terminating(pod)]
    step.delete += _without_node(view)
    return step


def _without_node(view: View) -> Iterator[Object]:
    """Return pods for nodes that are gone: nobody will bind them, and no collector finds them."""
    for node, pods in view.pods.items():
        if node not in view.verdicts:
            yield from (
                pod
                for pod in pods
                if not pod_facts.node_name(pod) and not pod_facts.is_terminating(pod)
            )


def _tend(view: View, node: str, pods: Sequence[Object], held: Collection[str], step: Step) -> None:
    """Look after the pods of a node that may have them."""
    running: list[Object] = []
    for pod in pods:
        if pod_facts.is_terminating(pod):
            continue
        if not pod_facts.is_finished(pod):
            running.append(pod)
        elif pod_facts.phase(pod) == "Succeeded" or node not in held:
            step.delete.append(pod)
            step.ended.append((pod, node))
    if len(running) > 1:
        running = oldest_first(running)
    if not view.max_surge:
        step.delete += running[1:]
    elif running:
        step.delete += _beyond_the_surge(view, running)
    elif view.verdict(node).should_run and not _fails(pods, node, held):
        step.create_on.append(node)  # Not before the old one has gone, without surge.


def _fails(pods: Sequence[Object], node: str, held: Collection[str]) -> bool:
    """Tell whether the pod of this node failed, and too often to be replaced now."""
    return node in held and any(
        pod_facts.phase(pod) == "Failed" and not pod_facts.is_terminating(pod) for pod in pods
    )


def _beyond_the_surge(view: View, running: Sequence[Object]) -> Iterator[Object]:
    """Return what goes of several pods on one node: a new one may stand beside a ready old one."""
    newest: list[Object] = []
    former: list[Object] = []
    for pod in running:
        kept = newest if hash_of(pod) == view.hash else former
        if kept:
            yield pod
        else:
            kept.append(pod)
    if newest and former and (not pod_facts.is_ready(former[0]) or view.is_available(newest[0])):
        yield former[0]
