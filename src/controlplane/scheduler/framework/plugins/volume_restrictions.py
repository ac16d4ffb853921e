"""VolumeRestrictions: what may be attached once, or used by one pod, is not used by two.

A disk of a cloud, an iSCSI or RBD volume of a pod's own spec may be on a node twice only when all
its pods read it alone. A claim of mode ReadWriteOncePod belongs to one pod of the whole cluster;
preemption may end that pod.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from controlplane.scheduler.framework.cluster_event import ClusterEvent, Happening
from controlplane.scheduler.framework.cycle_state import CycleState, StateKey
from controlplane.scheduler.framework.handle import Listers
from controlplane.scheduler.framework.interface import SKIP, Rejection, Skip
from controlplane.scheduler.node_info import NodeInfo
from controlplane.scheduler.pod_info import PodInfo
from controlplane.volume.pods import claim_names
from kubeapi.objects import Object, make_key, name_of, namespace_of

_DISK_CONFLICT: Final = Rejection(("node(s) had no available disk",), resolvable=True)
_CLAIM_CONFLICT: Final = Rejection(
    (
        "node has pod using PersistentVolumeClaim with the same name and "
        "ReadWriteOncePod access mode",
    ),
    resolvable=True,
)
_ONE_POD: Final = "ReadWriteOncePod"


@dataclass(slots=True)
class _Alone:
    """The claims that the pod must have alone, and how often others use one of them."""

    claims: frozenset[str]
    uses: int = 0

    def clone(self) -> _Alone:
        return _Alone(self.claims, self.uses)


_ALONE: Final = StateKey[_Alone]("VolumeRestrictions")


class VolumeRestrictions:
    """Filters by volumes that cannot be shared."""

    name = "VolumeRestrictions"

    def __init__(self, listers: Listers, nodes: Callable[[], Sequence[NodeInfo]]) -> None:
        self._listers, self._nodes = listers, nodes
        self.hints = {
            ClusterEvent.NODE_ADDED: None,
            ClusterEvent.POD_GONE: _frees_a_volume,
            ClusterEvent.CLAIM_CHANGED: _is_claim_of,
        }

    def pre_filter(
        self, state: CycleState, pod: PodInfo, _nodes: Sequence[NodeInfo]
    ) -> Skip | Rejection | None:
        alone = []
        for key in pod.claims:
            name = key.partition("/")[2]
            claim = self._listers.claim(pod.namespace, name)
            if claim is None:
                return Rejection((f'persistentvolumeclaim "{name}" not found',))
            if _ONE_POD in (claim["spec"].get("accessModes") or ()):
                alone.append(key)
        if not alone and not any(map(_sources, _volumes(pod.obj))):
            return SKIP
        uses = sum(node.claims[key] for node in self._nodes() for key in alone) if alone else 0
        state[_ALONE] = _Alone(frozenset(alone), uses)
        return None

    def add_pod(self, state: CycleState, _pod: PodInfo, added: PodInfo, _node: NodeInfo) -> None:
        state[_ALONE].uses += len(state[_ALONE].claims.intersection(added.claims))

    def remove_pod(
        self, state: CycleState, _pod: PodInfo, removed: PodInfo, _node: NodeInfo
    ) -> None:
        state[_ALONE].uses -= len(state[_ALONE].claims.intersection(removed.claims))

    def filter(self, state: CycleState, pod: PodInfo, node: NodeInfo) -> Rejection | None:
        if any(_exclude_each_other(pod.obj, other.obj) for other in node.pods.values()):
            return _DISK_CONFLICT
        return _CLAIM_CONFLICT if state[_ALONE].uses > 0 else None


def _frees_a_volume(pod: PodInfo, change: Happening) -> bool:
    assert change.old is not None
    if _exclude_each_other(pod.obj, change.old):
        return True
    namespace = namespace_of(change.old)
    return any(make_key(namespace, name) in pod.claims for name in claim_names(change.old))


def _is_claim_of(pod: PodInfo, change: Happening) -> bool:
    assert change.new is not None
    return make_key(namespace_of(change.new), name_of(change.new)) in pod.claims


def _volumes(pod: Object) -> Sequence[Object]:
    return (pod.get("spec") or {}).get("volumes") or ()


def _sources(volume: Object) -> list[str]:
    """Return which of the kinds that exclude each other a volume is."""
    return [kind for kind in _IS_SAME if volume.get(kind)]


def _exclude_each_other(pod: Object, other: Object) -> bool:
    """Tell whether two pods cannot be on one node."""
    return any(
        _IS_SAME[kind](mine[kind], theirs[kind])
        and not (kind != _EBS and mine[kind].get("readOnly") and theirs[kind].get("readOnly"))
        for mine in _volumes(pod)
        for kind in _sources(mine)
        for theirs in _volumes(other)
        if theirs.get(kind)
    )


def _same(field: str) -> Callable[[Object, Object], bool]:
    return lambda mine, theirs: bool(mine.get(field) == theirs.get(field))


def _same_image(mine: Object, theirs: Object) -> bool:
    """Tell whether two RBD volumes are one: of one monitor, pool and name."""
    monitors = set(mine.get("monitors") or ()) & set(theirs.get("monitors") or ())
    pools = [each.get("pool") or "rbd" for each in (mine, theirs)]
    return bool(monitors) and pools[0] == pools[1] and mine.get("image") == theirs.get("image")


_EBS: Final = "awsElasticBlockStore"  # It can be attached once, read-only or not.
_IS_SAME: Final = {
    "gcePersistentDisk": _same("pdName"),
    _EBS: _same("volumeID"),
    "iscsi": _same("iqn"),
    "rbd": _same_image,
}
