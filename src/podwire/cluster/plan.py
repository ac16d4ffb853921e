"""What runs in a cluster: every process's name, module and node (contracts §§1, 10).

A `ProcessPlan` is one process. The order of the plan is the order of starting; nothing waits
for anything, since every process retries until its peers are there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from podwire.cluster.layout import Cluster, node_name

NODE_ROLES: Final = ("podruntime", "datapath", "nodeagent")
FABRIC: Final = "fabric"
HOLLOW: Final = "hollow"


@dataclass(frozen=True, slots=True)
class ProcessPlan:
    """One process of a cluster."""

    name: str  # "apiserver", "apiserver-2", "node-1/datapath"
    role: str  # what the zygote forks: a key of launcher.entries.ENTRIES
    node: str | None

    @property
    def file_name(self) -> str:
        return self.name.replace("/", ".")


def master_name(cluster: Cluster, component: str, number: int) -> str:
    """Return the name of a component's process on control plane *number*."""
    return f"{component}-{number}" if cluster.control_planes > 1 else component


def apiservers(cluster: Cluster) -> list[str]:
    """Return the names of the API servers."""
    return [master_name(cluster, "apiserver", number) for number in cluster.masters]


def control_plane(cluster: Cluster) -> list[ProcessPlan]:
    """Return the processes of all control planes and of what connects them with the nodes."""
    plan = []
    if cluster.store == "etcd":
        names = [master_name(cluster, "etcd", number) for number in cluster.masters]
        plan += [ProcessPlan(name, "etcd", None) for name in names]
    plan += [ProcessPlan(name, "apiserver", None) for name in apiservers(cluster)]
    for component in ("controller-manager", "scheduler"):
        role = component.replace("-", "")
        names = [master_name(cluster, component, number) for number in cluster.masters]
        plan += [ProcessPlan(name, role, None) for name in names]
    plan.append(ProcessPlan(FABRIC, "fabric", None))
    return [*plan, *hollow(cluster)]


def hollow(cluster: Cluster) -> list[ProcessPlan]:
    """Return the process of the hollow nodes, if there are any."""
    return [ProcessPlan(HOLLOW, "hollow", None)] if cluster.hollow_numbers else []


def node(number: int) -> list[ProcessPlan]:
    """Return the processes of node *number*; the first makes the node's process group."""
    name = node_name(number)
    return [ProcessPlan(f"{name}/{role}", role, name) for role in NODE_ROLES]


def processes(cluster: Cluster) -> list[ProcessPlan]:
    """Return every process of *cluster*."""
    plan = control_plane(cluster)
    for number in cluster.node_numbers:
        plan += node(number)
    return plan
