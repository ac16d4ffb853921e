"""What state that was kept (`podwire down --keep-state`) decides about the next start.

The store's kind and the number of its members are in the data: etcd members know each other by
their addresses. What a person does not ask for stays as it was; what cannot be is refused.
"""

from __future__ import annotations

import uuid
from ipaddress import ip_network
from typing import Final

import msgspec

from podwire.cluster.families import NETWORKS, NODES_OF_NETWORKS, IpFamily, widened
from podwire.cluster.layout import Cluster, Layout, StoreName, UsageError

NODES: Final = 3
NODE_CIDR_MASK_IPV6: Final = 64


#: What nobody changes: it is in the data, or was given by the first start.
_FOR_GOOD: Final = (
    "block", "uid", "store", "control_planes", "nodes", "cluster_cidr", "service_cidr",
    "cluster_dns",
)  # fmt: skip


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """What a person asked for; None is what nobody said.

    Of *cluster* what differs from the defaults was asked for, and what *said* names, too.
    """

    cluster: Cluster
    said: frozenset[str] = frozenset()
    nodes: int | None = None
    store: StoreName | None = None
    control_planes: int | None = None
    ip_family: IpFamily | None = None


def settle(wish: Wish, paths: Layout) -> Cluster:
    """Return the cluster to start; raises UsageError for one that cannot be."""
    kept = paths.read_cluster() if paths.cluster_file.exists() else None
    if kept is None:
        wanted = _new(wish)
    else:
        _check_kept(wish, kept, paths)
        wanted = msgspec.structs.replace(
            kept,
            nodes=kept.nodes if wish.nodes is None else wish.nodes,
            uid=kept.uid or str(uuid.uuid4()),
            **_asked_for(wish),
        )
        _check_room(wanted, paths)
    return wanted


def room_for_nodes(cluster: Cluster) -> int:
    """Return how many nodes the pods' network has room for."""
    first = ip_network(cluster.cluster_cidr.split(",")[0])
    mask = cluster.node_cidr_mask if first.version == 4 else NODE_CIDR_MASK_IPV6
    return 1 << (mask - first.prefixlen)


def _check_room(wanted: Cluster, paths: Layout) -> None:
    room = room_for_nodes(wanted)
    if len(wanted.all_names) > room:
        raise UsageError(
            f"the state that was kept has a network of pods for {room} nodes; ask for fewer, or "
            f"remove it first: podwire down{paths.name_option}"
        )


def _asked_for(wish: Wish) -> dict[str, object]:
    """Return the fields that the next start may change and somebody wants changed."""
    plain = Cluster(name=wish.cluster.name, nodes=NODES)
    return {
        field: value
        for field in wish.cluster.__struct_fields__
        if field not in _FOR_GOOD
        for value in [getattr(wish.cluster, field)]
        if field in wish.said or value != getattr(plain, field)
    }


def _new(wish: Wish) -> Cluster:
    control_planes = wish.control_planes or 1
    store = wish.store or ("embedded" if control_planes == 1 else "etcd")
    if store == "embedded" and control_planes > 1:
        raise UsageError(
            "the embedded store serves one control plane only; "
            f"use: podwire up --store etcd --control-planes {control_planes}"
        )
    cluster = wish.cluster
    if wish.ip_family is not None:
        cluster = msgspec.structs.replace(cluster, **NETWORKS[wish.ip_family])
    if (wish.nodes or NODES) + len(cluster.hollow_numbers) > NODES_OF_NETWORKS:
        cluster = msgspec.structs.replace(cluster, cluster_cidr=widened(cluster.cluster_cidr))
    return msgspec.structs.replace(
        cluster,
        nodes=wish.nodes or NODES,
        uid=str(uuid.uuid4()),
        store=store,
        control_planes=control_planes,
    )


def _check_kept(wish: Wish, kept: Cluster, paths: Layout) -> None:
    if (
        wish.store in (None, kept.store)
        and wish.control_planes in (None, kept.control_planes)
        and wish.ip_family in (None, kept.ip_family)
    ):
        return
    raise UsageError(
        f"the state that was kept is of --store {kept.store} "
        f"--control-planes {kept.control_planes} --ip-family {kept.ip_family}; "
        f"start it so, or remove it first: podwire down{paths.name_option}"
    )
