"""The hosts that faults name, and which of them share a link (contracts §§10, 11).

Nodes speak with nodes over the underlay, and with control planes through the fabric; a control
plane speaks with every etcd member; a pod has a link to its node. Nothing else is connected, so
nothing else can be impaired.
"""

from __future__ import annotations

from podwire.cluster.layout import Cluster, UsageError, node_name

OUTSIDE = "outside"
ALL = "all"
POD_PREFIX = "pod/"


def control_plane_name(number: int) -> str:
    """Return the name of control-plane host *number*."""
    return f"control-plane-{number}"


def etcd_name(number: int) -> str:
    """Return the name of the host of etcd member *number*."""
    return f"etcd-{number}"


def pod_name(namespace: str, name: str) -> str:
    """Return what faults call a pod."""
    return f"{POD_PREFIX}{namespace}/{name}"


def names_pods(text: str) -> bool:
    """Tell whether *text* names pods: `pod/NAMESPACE/NAME`, its node before it or not."""
    return text.startswith(POD_PREFIX) or f"/{POD_PREFIX}" in text


def nodes(cluster: Cluster) -> list[str]:
    return [node_name(number) for number in cluster.node_numbers]


def control_planes(cluster: Cluster) -> list[str]:
    return [control_plane_name(number) for number in cluster.masters]


def etcds(cluster: Cluster) -> list[str]:
    if cluster.store != "etcd":
        return []
    return [etcd_name(number) for number in cluster.masters]


def every(cluster: Cluster) -> list[str]:
    """Return every host of *cluster*; the outside is one where people's calls are balanced."""
    outside = [OUTSIDE] if cluster.control_planes > 1 else []
    return [*nodes(cluster), *control_planes(cluster), *etcds(cluster), *outside]


def expand(cluster: Cluster, text: str) -> list[str]:
    """Return the hosts of `node-1,control-plane`; raises UsageError for one that is not there."""
    groups = {"control-plane": control_planes(cluster), "etcd": etcds(cluster)}
    known = every(cluster)
    found: dict[str, None] = {}
    for name in text.split(","):
        meant = groups.get(name) or [name]
        if not set(meant) <= set(known):
            raise UsageError(f"there is no host {name!r}; there are {', '.join(known)}")
        found |= dict.fromkeys(meant)
    return list(found)


def share_a_link(one: str, other: str) -> bool:
    """Tell whether packets go between the two without a host in between."""
    kinds = sorted((_kind(one), _kind(other)))
    return one != other and kinds in (
        ["node", "node"],
        ["control-plane", "node"],
        ["control-plane", "etcd"],
        ["control-plane", "outside"],
        ["node", "pod"],
    )


def is_underlay(one: str, other: str) -> bool:
    """Tell whether the link of the two is the datapaths' and not the fabric's."""
    return _kind(one) == _kind(other) == "node"


def _kind(name: str) -> str:
    if names_pods(name):
        return "pod"
    return name.rstrip("0123456789").rstrip("-")


def check_link(cluster: Cluster, one: str, other: str) -> None:
    """Raise UsageError unless both are hosts of *cluster* that share a link."""
    known = every(cluster)
    for name in (one, other):
        if name not in known and not names_pods(name):
            raise UsageError(f"there is no host {name!r}; there are {', '.join(known)}")
    if one == other:
        raise UsageError(f"{one} has no link with itself")
    if not share_a_link(one, other):
        raise UsageError(
            f"{one} and {other} share no link; links are node to node, node to control-plane, "
            "control-plane to etcd, a pod to its node"
        )


def pairs(cluster: Cluster, left: str, right: str) -> list[tuple[str, str]]:
    """Return the links between two groups; `all` on the right is everybody else with a link."""
    ours = expand(cluster, left)
    if right != ALL:
        theirs = expand(cluster, right)
        found = [(one, other) for one in ours for other in theirs]
        for one, other in found:
            check_link(cluster, one, other)
        return found
    others = [name for name in every(cluster) if name not in ours]
    return [(one, other) for one in ours for other in others if share_a_link(one, other)]
