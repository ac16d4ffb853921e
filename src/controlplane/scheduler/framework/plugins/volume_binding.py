"""VolumeBinding: a pod runs where its claims' volumes are, or can be made.

Upstream: plugins/volumebinding. PreFilter sorts the pod's claims, Filter asks for each node whether
what is bound can be reached from there and what is not could be, Reserve holds the volumes that
were chosen, PreBind writes the choice and waits for the binder. Absent: storage capacity, scores.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from controlplane.scheduler.framework.arguments import VolumeBindingArgs
from controlplane.scheduler.framework.cluster_event import ClusterEvent, any_of
from controlplane.scheduler.framework.cycle_state import CycleState, StateKey
from controlplane.scheduler.framework.handle import Chosen, Listers, VolumeWriter
from controlplane.scheduler.framework.interface import SKIP, Rejection, Skip
from controlplane.scheduler.node_affinity import Term
from controlplane.scheduler.node_info import NodeInfo
from controlplane.scheduler.pod_info import PodInfo
from controlplane.volume.claims import (
    NO_PROVISIONER,
    SELECTED_NODE,
    allows_node,
    class_of,
    delays_binding,
    is_fully_bound,
    phase,
    size_of,
    volume_name,
)
from controlplane.volume.match import Place, find_match
from controlplane.volume.pods import claim_name
from kubeapi.objects import (
    Object,
    annotations_of,
    controller_of,
    is_being_deleted,
    key_of,
    name_of,
    resource_version_of,
    uid_of,
)

_UNBOUND: Final = Rejection(("pod has unbound immediate PersistentVolumeClaims",))
_NODE_CONFLICT: Final = Rejection(("node(s) had volume node affinity conflict",))
_BIND_CONFLICT: Final = Rejection(("node(s) didn't find available persistent volumes to bind",))
_NO_VOLUME: Final = Rejection(
    ("node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)",)
)


@dataclass(slots=True)
class _Claims:
    """The claims of one pod, and what was found for them on each node."""

    bound: list[Object] = field(default_factory=list)
    delayed: list[Object] = field(default_factory=list)
    chosen: dict[str, Chosen] = field(default_factory=dict)


_CLAIMS: Final[StateKey[_Claims]] = StateKey("VolumeBinding")


class VolumeBinding:
    """Filters by volumes, and has them bound."""

    name = "VolumeBinding"
    hints = any_of(
        ClusterEvent.CLAIM_CHANGED,
        ClusterEvent.VOLUME_CHANGED,
        ClusterEvent.CLASS_CHANGED,
        ClusterEvent.NODE_ADDED,
        ClusterEvent.NODE_LABELS,
        ClusterEvent.POD_ITSELF,
    )

    def __init__(self, args: VolumeBindingArgs, listers: Listers, writer: VolumeWriter) -> None:
        self._timeout_s = args.bindTimeoutSeconds
        self._listers, self._writer = listers, writer
        #: What pods that are being bound will take: volumes by name, and claims with their node.
        self._volumes: dict[str, str] = {}
        self._promised: dict[str, str] = {}

    def pre_filter(
        self, state: CycleState, pod: PodInfo, _nodes: Sequence[NodeInfo]
    ) -> Skip | Rejection | None:
        claims = _Claims()
        for volume in pod.obj["spec"].get("volumes") or ():
            name = claim_name(pod.obj, volume)
            if not name:
                continue
            claim = self._listers.claim(pod.namespace, name)
            if why := _unusable(pod, volume, name, claim):
                return Rejection((why,))
            assert claim is not None
            if is_fully_bound(claim):
                claims.bound.append(claim)
            elif delays_binding(self._listers.storage_class(class_of(claim))) and not volume_name(
                claim
            ):
                claims.delayed.append(claim)
            else:
                return _UNBOUND
        if not claims.bound and not claims.delayed:
            return SKIP
        state[_CLAIMS] = claims
        return None

    def filter(self, state: CycleState, _pod: PodInfo, node: NodeInfo) -> Rejection | None:
        claims = state[_CLAIMS]
        for claim in claims.bound:
            volume = self._listers.volume(volume_name(claim))
            if volume is None:
                return _NO_VOLUME
            if not allows_node(volume, node.name, node.labels):
                return _NODE_CONFLICT
        if not claims.delayed:
            return None
        chosen = self._choose(claims.delayed, node)
        if chosen is None:
            return _BIND_CONFLICT
        claims.chosen[node.name] = chosen
        return None

    def _choose(self, claims: Sequence[Object], node: NodeInfo) -> Chosen | None:
        """Return which volumes the claims would take on *node*, and which are to be made."""
        place = Place(node.name, node.labels)
        found = Chosen()
        taken: list[str] = []
        for claim in sorted(claims, key=size_of):
            selected = self._promised.get(key_of(claim)) or annotations_of(claim).get(SELECTED_NODE)
            if selected not in (None, node.name):
                return None
            others = [name for name, of in self._volumes.items() if of != key_of(claim)]
            volume = (
                None
                if selected
                else find_match(claim, self._listers.volumes(), place, excluded=(*taken, *others))
            )
            if volume is not None:
                taken.append(name_of(volume))
                found.bindings.append((volume, claim))
            elif self._can_be_made(claim, place):
                found.provisions.append(claim)
            else:
                return None
        return found

    def _can_be_made(self, claim: Object, place: Place) -> bool:
        storage_class = self._listers.storage_class(class_of(claim)) or {}
        if storage_class.get("provisioner") in (None, NO_PROVISIONER):
            return False
        terms = storage_class.get("allowedTopologies") or ()
        return not terms or any(_allows(term, place) for term in terms)

    def reserve(self, state: CycleState, _pod: PodInfo, node_name: str) -> None:
        chosen = _chosen(state, node_name)
        if chosen is None:
            return
        state.slow_pre_bind = True
        for volume, claim in chosen.bindings:
            self._volumes[name_of(volume)] = key_of(claim)
        for claim in chosen.provisions:
            self._promised[key_of(claim)] = node_name

    def unreserve(self, state: CycleState, _pod: PodInfo, node_name: str) -> None:
        chosen = _chosen(state, node_name)
        if chosen is None:
            return
        for volume, claim in chosen.bindings:
            if self._volumes.get(name_of(volume)) == key_of(claim):
                del self._volumes[name_of(volume)]
        for claim in chosen.provisions:
            if self._promised.get(key_of(claim)) == node_name:
                del self._promised[key_of(claim)]

    async def pre_bind(self, state: CycleState, pod: PodInfo, node_name: str) -> Rejection | None:
        chosen = _chosen(state, node_name)
        if chosen is None:
            return None
        written = await self._writer.write(chosen, node_name)
        why = await self._writer.until(
            lambda: self._settled(pod, written, node_name), self._timeout_s
        )
        if why:
            return Rejection((why,))
        self.unreserve(state, pod, node_name)  # The API says it now.
        return None

    def _settled(self, pod: PodInfo, written: Sequence[Object], node_name: str) -> str | None:
        """Return "" when all claims are bound, why they will not be, None while it is open."""
        done = True
        for claim in written:
            live = self._listers.claim(pod.namespace, name_of(claim))
            if live is None or uid_of(live) != uid_of(claim):
                return f'persistentvolumeclaim "{name_of(claim)}" not found'
            if is_fully_bound(live):
                done = done and phase(live) == "Bound"
                continue
            done = False
            if _is_newer(live, claim) and annotations_of(live).get(SELECTED_NODE) not in (
                annotations_of(claim).get(SELECTED_NODE),
            ):
                return f'provisioning failed for PVC "{name_of(claim)}"'
        return "" if done else None


def _chosen(state: CycleState, node_name: str) -> Chosen | None:
    return state[_CLAIMS].chosen.get(node_name) if _CLAIMS in state else None


def _is_newer(live: Object, than: Object) -> bool:
    return int(resource_version_of(live) or 0) >= int(resource_version_of(than) or 0)


def _unusable(pod: PodInfo, volume: Object, name: str, claim: Object | None) -> str:
    """Return why a claim can be of no use to the pod."""
    is_ephemeral = volume.get("ephemeral") is not None
    if claim is None and is_ephemeral:
        text = "waiting for ephemeral volume controller to create the persistentvolumeclaim"
        return f'{text} "{name}"'
    if claim is None:
        return f'persistentvolumeclaim "{name}" not found'
    if phase(claim) == "Lost":
        return (
            f'persistentvolumeclaim "{name}" bound to non-existent persistentvolume '
            f'"{volume_name(claim)}"'
        )
    if is_being_deleted(claim):
        return f'persistentvolumeclaim "{name}" is being deleted'
    if is_ephemeral and (controller_of(claim) or {}).get("uid") != pod.uid:
        return f"PVC {key_of(claim)} was not created for pod {pod.key} (pod is not owner)"
    return ""


def _allows(term: Object, place: Place) -> bool:
    """Tell whether a class's topology term holds a node."""
    rows = term.get("matchLabelExpressions") or ()
    wanted = [{"key": row["key"], "operator": "In", "values": row["values"]} for row in rows]
    return Term.from_object({"matchExpressions": wanted}).matches(place.name, place.labels)
