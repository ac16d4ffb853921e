"""Which doors the fabric keeps: the TCP links between a cluster's hosts (contracts §10).

A host dials another one at its *far* address; the fabric answers there and carries on to the
*near* address, where the process listens. Faults happen in between.
"""

from __future__ import annotations

from typing import Any

from podwire.cluster import layout
from podwire.cluster.hosts import control_plane_name, etcd_name
from podwire.cluster.layout import (
    API_PORT,
    ETCD_CLIENT_PORT,
    ETCD_DOOR_PORT,
    KUBELET_PORT,
    Cluster,
    control_plane_host,
    node_name,
)


def hosts(cluster: Cluster) -> dict[str, str]:
    """Return the near address of every host that dials, with its name."""
    masters = {
        cluster.transport_address(control_plane_host(number)): control_plane_name(number)
        for number in cluster.masters
    }
    nodes = {
        cluster.transport_address(number): node_name(number) for number in cluster.node_numbers
    }
    return {**masters, **nodes}


def doors(cluster: Cluster) -> list[dict[str, Any]]:
    """Return every door: where it listens, where it leads, whose it is."""
    found = [
        _door(cluster, control_plane_host(number), API_PORT, control_plane_name(number))
        for number in cluster.masters
    ]
    found += [
        _door(cluster, number, KUBELET_PORT, node_name(number)) for number in cluster.node_numbers
    ]
    if cluster.store == "etcd":
        found += [_etcd_door(cluster, k, j) for k in cluster.masters for j in cluster.masters]
    return found


def _door(cluster: Cluster, host: int, port: int, name: str) -> dict[str, Any]:
    return {
        "listen": [cluster.far_address(host), port],
        "target": [cluster.transport_address(host), port],
        "host": name,
    }


def _etcd_door(cluster: Cluster, master: int, member: int) -> dict[str, Any]:
    """Return etcd *member* as control plane *master* sees it: gRPC cannot say who dials."""
    target = cluster.transport_address(control_plane_host(member))
    return {
        "listen": [cluster.far_address(control_plane_host(master)), ETCD_DOOR_PORT + member],
        "target": [target, ETCD_CLIENT_PORT],
        "host": etcd_name(member),
        "source": control_plane_name(master),
    }


def etcd_endpoints(cluster: Cluster, master: int) -> list[str]:
    """Return the doors that control plane *master* has to the members, its own first."""
    members = sorted(cluster.masters, key=lambda member: member != master)
    address = cluster.far_address(control_plane_host(master))
    return [f"{address}:{ETCD_DOOR_PORT + member}" for member in members]


def balancers(cluster: Cluster) -> list[dict[str, Any]]:
    """Return the control-plane endpoints, for nodes and for people."""
    if cluster.control_planes == 1:
        return []
    targets = [
        {
            "host": control_plane_name(number),
            "address": [cluster.transport_address(control_plane_host(number)), API_PORT],
        }
        for number in cluster.masters
    ]
    endpoint = layout.ENDPOINT_HOST
    addresses = (cluster.far_address(endpoint), cluster.transport_address(endpoint))
    return [{"listen": [address, API_PORT], "targets": targets} for address in addresses]
