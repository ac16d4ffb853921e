"""What runs in a cluster and what each process is told (contracts §1).

A `ProcessPlan` is one process: its module, the name people see, its node if it has one. The
order of the plan is the order of starting; nothing waits for anything, since every process
retries until its peers are there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from podwire.cluster import layout
from podwire.cluster.layout import Cluster, Layout, node_name

NODE_ROLES: Final = ("podruntime", "datapath", "nodeagent")


@dataclass(frozen=True, slots=True)
class ProcessPlan:
    """One process of a cluster."""

    name: str  # "apiserver", "node-1/datapath"
    role: str  # what the zygote forks: a key of launcher.entries.ENTRIES
    node: str | None

    @property
    def file_name(self) -> str:
        return self.name.replace("/", ".")


def control_plane() -> list[ProcessPlan]:
    """Return the processes of the control plane."""
    return [
        ProcessPlan("apiserver", "apiserver", None),
        ProcessPlan("controller-manager", "controllermanager", None),
        ProcessPlan("scheduler", "scheduler", None),
    ]


def node(number: int) -> list[ProcessPlan]:
    """Return the processes of node *number*; the first makes the node's process group."""
    name = node_name(number)
    return [ProcessPlan(f"{name}/{role}", role, name) for role in NODE_ROLES]


def processes(cluster: Cluster) -> list[ProcessPlan]:
    """Return every process of *cluster*."""
    plan = control_plane()
    for number in range(1, cluster.nodes + 1):
        plan += node(number)
    return plan


def write_configs(cluster: Cluster, paths: Layout) -> None:
    """Write every process's configuration file."""
    for process, config in _configs(cluster, paths):
        config["log_file"] = str(paths.log(process.file_name))
        paths.config(process.file_name).write_bytes(
            msgspec.json.format(msgspec.json.encode(config)) + b"\n"
        )


def _configs(cluster: Cluster, paths: Layout) -> Iterator[tuple[ProcessPlan, dict[str, Any]]]:
    apiserver, controller_manager, scheduler = control_plane()
    yield apiserver, _apiserver(cluster, paths)
    yield (
        controller_manager,
        {
            "name": controller_manager.name,
            "kubeconfig": str(paths.component_kubeconfig("controller-manager")),
            "timings": cluster.timings,
            "cluster_cidr": cluster.cluster_cidr,
            "node_cidr_mask": cluster.node_cidr_mask,
        },
    )
    yield (
        scheduler,
        {
            "name": scheduler.name,
            "kubeconfig": str(paths.component_kubeconfig("scheduler")),
            "timings": cluster.timings,
        },
    )
    for number in range(1, cluster.nodes + 1):
        runtime, datapath, agent = node(number)
        directory = str(paths.node(node_name(number)))
        yield runtime, {"node_name": node_name(number), "directory": directory}
        yield datapath, _datapath(cluster, number, directory)
        yield agent, _nodeagent(cluster, paths, number, directory)


def _apiserver(cluster: Cluster, paths: Layout) -> dict[str, Any]:
    host = layout.CONTROL_PLANE_HOST
    return {
        "name": "apiserver",
        "cluster_name": cluster.name,
        "bind": cluster.transport_address(host),
        "port": layout.API_PORT,
        "advertise_address": cluster.underlay_address(host),
        "certificate": str(paths.certificate("apiserver")),
        "private_key": str(paths.private_key("apiserver")),
        "client_ca": str(paths.certificate("ca")),
        "kubelet_certificate": str(paths.certificate("apiserver-kubelet-client")),
        "kubelet_private_key": str(paths.private_key("apiserver-kubelet-client")),
        "store_path": str(paths.store),
        "service_cidr": cluster.service_cidr,
        "node_port_range": "30000-32767",
        "transport_map": cluster.transport_map,
        "timings": cluster.timings,
    }


def _datapath(cluster: Cluster, number: int, directory: str) -> dict[str, Any]:
    return {
        "node_name": node_name(number),
        "internal_ip": cluster.underlay_address(number),
        "transport_map": cluster.transport_map,
        "directory": directory,
        "vxlan_port": layout.VXLAN_PORT,
        "underlay_port": layout.UNDERLAY_PORT,
        "host_address": cluster.underlay_address(layout.OUTSIDE_HOST),
    }


def _nodeagent(cluster: Cluster, paths: Layout, number: int, directory: str) -> dict[str, Any]:
    name = node_name(number)
    return {
        "node_name": name,
        "kubeconfig": str(paths.component_kubeconfig(name)),
        "internal_ip": cluster.underlay_address(number),
        "transport_map": cluster.transport_map,
        "directory": directory,
        "server_certificate": str(paths.certificate(name)),
        "server_private_key": str(paths.private_key(name)),
        "client_ca": str(paths.certificate("ca")),
        "kubelet_port": layout.KUBELET_PORT,
        "network": cluster.network,
        "cluster_cidr": cluster.cluster_cidr,
        "service_cidr": cluster.service_cidr,
        "cluster_dns": cluster.cluster_dns,
        "cluster_domain": cluster.cluster_domain,
        "timings": cluster.timings,
        "cpu": cluster.node_cpu,
        "memory": cluster.node_memory,
        "pods_max": cluster.node_pods_max,
    }
