"""One look at a claim (upstream: syncUnboundClaim and syncBoundClaim of pv_controller.go)."""

from __future__ import annotations

from typing import Final

from controlplane.controllermanager.persistentvolume.step import (
    Say,
    Step,
    World,
    Write,
    claim_phase,
    volume_phase,
)
from controlplane.volume.claims import (
    BIND_COMPLETED,
    NO_PROVISIONER,
    SELECTED_NODE,
    STORAGE_PROVISIONER,
    STORAGE_PROVISIONER_BETA,
    class_of,
    delays_binding,
    given_to,
    is_bound_to,
    is_fully_bound,
    names_no_class,
    taken,
    volume_name,
    with_annotations,
)
from controlplane.volume.match import find_match, why_not
from kubeapi.objects import Object, annotations_of, name_of, uid_of
from kubeapi.resources import PERSISTENTVOLUMECLAIMS, PERSISTENTVOLUMES

_IN_TREE: Final = "kubernetes.io/"


def claim_step(claim: Object, world: World, now_text: str) -> Step:
    """Return what brings *claim* nearer to a volume."""
    if BIND_COMPLETED in annotations_of(claim):
        return _bound(claim, world, now_text)
    if volume_name(claim):
        return _requested(claim, world, now_text)
    delayed = delays_binding(world.storage_class(class_of(claim)))
    waits = delayed and SELECTED_NODE not in annotations_of(claim)
    volume = find_match(claim, world.volumes(), delayed=waits)
    if volume is not None:
        return bind(volume, claim, now_text)
    return claim_phase(claim, "Pending") or _without_volume(claim, world, waits=waits)


def bind(volume: Object, claim: Object, now_text: str) -> Step:
    """Return the next of the four writes that bind the two to each other."""
    reference = volume["spec"].get("claimRef") or {}
    if reference.get("uid") != uid_of(claim):
        return Write(PERSISTENTVOLUMES, given_to(volume, claim))
    if step := volume_phase(volume, "Bound", now_text):
        return step
    if not is_fully_bound(claim):
        return Write(PERSISTENTVOLUMECLAIMS, taken(claim, volume))
    spec = volume["spec"]
    return claim_phase(
        claim, "Bound", accessModes=spec.get("accessModes"), capacity=spec.get("capacity")
    )


def _without_volume(claim: Object, world: World, *, waits: bool) -> Step:
    """Have a volume made, or say what is waited for."""
    default = world.default_class()
    if names_no_class(claim) and default:
        spec = {**claim["spec"], "storageClassName": default}
        return Write(PERSISTENTVOLUMECLAIMS, {**claim, "spec": spec})
    if waits:
        return _waiting(claim, world)
    name = class_of(claim)
    if not name:
        text = "no persistent volumes available for this claim and no storage class is set"
        return Say(claim, "Normal", "FailedBinding", text)
    found = world.storage_class(name)
    if found is None:
        text = f'storageclass.storage.k8s.io "{name}" not found'
        return Say(claim, "Warning", "ProvisioningFailed", text)
    return _provision(claim, str(found["provisioner"]))


def _waiting(claim: Object, world: World) -> Say:
    if pod := world.consumer(claim):
        text = f"waiting for pod {pod} to be scheduled"
        return Say(claim, "Normal", "WaitForPodScheduled", text)
    text = "waiting for first consumer to be created before binding"
    return Say(claim, "Normal", "WaitForFirstConsumer", text)


def _provision(claim: Object, provisioner: str) -> Step:
    """Ask a provisioner, who follows claims with his name in their annotations."""
    if provisioner == NO_PROVISIONER or provisioner.startswith(_IN_TREE):
        text = f"no volume plugin matched name: {provisioner}"
        return Say(claim, "Warning", "ProvisioningFailed", text)
    asked = dict.fromkeys((STORAGE_PROVISIONER_BETA, STORAGE_PROVISIONER), provisioner)
    if not asked.items() <= annotations_of(claim).items():
        return Write(PERSISTENTVOLUMECLAIMS, with_annotations(claim, asked))
    text = (
        "Waiting for a volume to be created either by the external provisioner "
        f"'{provisioner}' or manually by the system administrator. If volume creation is delayed, "
        "please verify that the provisioner is running and correctly registered."
    )
    return Say(claim, "Normal", "ExternalProvisioning", text)


def _requested(claim: Object, world: World, now_text: str) -> Step:
    """The claim names its volume: take it, if it is free and large enough."""
    volume = world.volume(volume_name(claim))
    if volume is None:
        return claim_phase(claim, "Pending")
    if not volume["spec"].get("claimRef"):
        if why := why_not(volume, claim):
            text = f'Cannot bind to requested volume "{name_of(volume)}": {why}'
            return claim_phase(claim, "Pending") or Say(claim, "Warning", "VolumeMismatch", text)
        return bind(volume, claim, now_text)
    if is_bound_to(volume, claim):
        return bind(volume, claim, now_text)
    text = f'volume "{name_of(volume)}" already bound to a different claim.'
    return claim_phase(claim, "Pending") or Say(claim, "Warning", "FailedBinding", text)


def _bound(claim: Object, world: World, now_text: str) -> Step:
    """The claim was bound: it stays so, or is lost for ever."""
    if not volume_name(claim):
        return _lost(claim, "ClaimLost", "Bound claim has lost reference to PersistentVolume.")
    volume = world.volume(volume_name(claim))
    if volume is None:
        return _lost(claim, "ClaimLost", "Bound claim has lost its PersistentVolume.")
    reference = volume["spec"].get("claimRef")
    if not reference or reference.get("uid") == uid_of(claim):
        return bind(volume, claim, now_text)
    text = "Two claims are bound to the same volume, this one is bound incorrectly"
    return claim_phase(claim, "Lost") or Say(claim, "Warning", "ClaimMisbound", text)


def _lost(claim: Object, reason: str, why: str) -> Step:
    text = f"{why} Data on the volume is lost!"
    return claim_phase(claim, "Lost") or Say(claim, "Warning", reason, text)
