"""What a cluster was like before a scenario, and how it is made so again.

A scenario may end anywhere, also by Ctrl-C or because the cluster broke more than it should; so
nothing is undone step by step. What is there at the end is compared with what was there before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kubeapi.client import RestClient, Unreachable
from kubeapi.objects import Object, name_of, namespace_of
from kubeapi.resources import ALL, NODES, Resource
from kubeapi.status import StatusError, is_not_found
from podwire.cli import CommandFailed
from podwire.cluster import hosts
from podwire.cluster.layout import Layout
from podwire.launcher import client as launcher
from podwire.launcher import pods
from podwire.launcher.link_rules import Rule

#: Fields of an API fault that the launcher adds.
_ADDED = ("id", "hits")


@dataclass(frozen=True, slots=True)
class Before:
    """Processes that did not run, nodes, faults."""

    idle: Mapping[str, str]  # process -> "killed" or "paused"
    nodes: Sequence[str]
    cordoned: Sequence[str]
    rules: Sequence[dict[str, Any]]
    api_faults: Sequence[dict[str, Any]]

    async def undo(self, client: RestClient, paths: Layout) -> list[list[str]]:
        """Return the commands that bring processes and nodes back; raises UsageError."""
        commands = []
        now = hosts.nodes(paths.read_cluster())
        for name, state in (await idle(paths)).items():
            if self.idle.get(name) != state:
                commands.append(["process", "start" if state == "killed" else "resume", name])
        commands += [["node", "rm", name] for name in now if name not in self.nodes]
        gone = sum(name not in now for name in self.nodes)
        commands += [["node", "add", "--count", str(gone)]] if gone else []
        for name in await _cordoned(client):
            if name in self.nodes and name not in self.cordoned:
                commands.append(["node", "uncordon", name])
        return commands

    async def restore_faults(self, paths: Layout) -> None:
        """Heal everything but the faults that were there before; raises UsageError."""
        await launcher.call_async(paths, "fault_heal")
        await launcher.call_async(paths, "api_fault_heal")
        living = {place.uid for place in pods.places(paths)}
        rules = [rule for rule in self.rules if not rule["uid"] or rule["uid"] in living]
        if rules:
            await launcher.call_async(paths, "fault_set", {"rules": rules})
        for entry in self.api_faults:
            await launcher.call_async(paths, "api_fault_set", {"entry": entry})


async def look(client: RestClient, paths: Layout) -> Before:
    """Return what there is now; raises UsageError or CommandFailed when nobody answers."""
    rules = await launcher.call_async(paths, "fault_list")
    api_faults = await launcher.call_async(paths, "api_fault_list")
    fields = Rule.__struct_encode_fields__
    try:
        cordoned = await _cordoned(client)
    except (StatusError, Unreachable) as error:
        raise CommandFailed(
            f"the API server does not answer: {error}; see podwire status{paths.name_option}"
        ) from None
    return Before(
        idle=await idle(paths),
        nodes=hosts.nodes(paths.read_cluster()),
        cordoned=cordoned,
        rules=[{name: rule[name] for name in fields} for rule in rules],
        api_faults=[
            {name: value for name, value in entry.items() if name not in _ADDED}
            for entry in api_faults
        ],
    )


async def idle(paths: Layout) -> dict[str, str]:
    """Return the processes that are killed or paused, and which of the two."""
    status: dict[str, Any] = await launcher.call_async(paths, "status")
    return {
        row["name"]: row["state"]
        for row in status["processes"]
        if row["state"] in ("killed", "paused")
    }


async def _cordoned(client: RestClient) -> list[str]:
    nodes = await client.list(NODES)
    return [name_of(node) for node in nodes["items"] if node["spec"].get("unschedulable")]


async def remove(client: RestClient, manifest: Object) -> str:
    """Delete what *manifest* made; return what went wrong, or ""."""
    resource = _resource_of(manifest)
    where = (namespace_of(manifest) or "default") if resource.namespaced else None
    try:
        await client.delete(resource, name_of(manifest), where, propagation="Background")
    except StatusError as error:
        return "" if is_not_found(error) else str(error)
    except Unreachable as error:
        return str(error)
    return ""


def _resource_of(obj: Object) -> Resource:
    return next(
        one for one in ALL if (one.api_version, one.kind) == (obj["apiVersion"], obj["kind"])
    )
