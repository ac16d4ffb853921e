"""Pods for the tests of eviction."""

from __future__ import annotations

from nodeagent.kubelet.eviction.ranking import Candidate, Usage

MIB = 1 << 20


def pod(name: str, memory: str = "", storage: str = "", priority: int = 0, **spec) -> dict:
    """A pod that asks for *memory* and *storage*."""
    asked = {"memory": memory, "ephemeral-storage": storage}
    requests = {key: text for key, text in asked.items() if text}
    container = {"name": "main", "resources": {"requests": requests}}
    return {
        "metadata": {"name": name, "namespace": "default", "uid": name},
        "spec": {"containers": [container], "priority": priority, **spec},
    }


def using(made: dict, *, memory: int = 0, storage: int = 0, processes: int = 0) -> Candidate:
    """The pod *made*, with what it uses in MiB."""
    amounts = {"memory": memory * MIB, "ephemeral-storage": storage * MIB}
    usage = Usage(
        memory=memory * MIB,
        storage=storage * MIB,
        processes=processes,
        containers={"main": amounts},
    )
    return Candidate(pod=made, usage=usage)


def names(candidates: list[Candidate]) -> list[str]:
    return [each.pod["metadata"]["name"] for each in candidates]
