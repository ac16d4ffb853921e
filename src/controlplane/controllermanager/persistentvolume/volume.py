"""One look at a volume (upstream: syncVolume and reclaimVolume of pv_controller.go).

Volumes of provisioners are deleted by these. Of others nobody knows how: `Delete` and `Recycle`
end as Failed, as upstream without a plugin that could.
"""

from __future__ import annotations

from typing import Final

from controlplane.controllermanager.persistentvolume.step import (
    Say,
    Step,
    World,
    Write,
    volume_phase,
)
from controlplane.volume.claims import (
    BOUND_BY_CONTROLLER,
    PROVISIONED_BY,
    volume_name,
    without_annotation,
)
from kubeapi.objects import Object, annotations_of, name_of, uid_of
from kubeapi.resources import PERSISTENTVOLUMES

_OVER: Final = ("Released", "Failed")


def volume_step(volume: Object, world: World, now_text: str) -> Step:
    """Return what brings *volume*'s state up to date."""
    reference = volume["spec"].get("claimRef")
    if not reference or not reference.get("uid"):
        return volume_phase(volume, "Available", now_text)
    claim = world.claim(reference.get("namespace") or "", reference.get("name") or "")
    if claim is None or uid_of(claim) != reference["uid"]:
        return _released(volume, now_text)
    if not volume_name(claim):
        return _unmatched(volume, claim)  # Else the claim's look binds the two.
    if volume_name(claim) == name_of(volume):
        return volume_phase(volume, "Bound", now_text)
    if PROVISIONED_BY in annotations_of(volume) and _policy(volume) == "Delete":
        return _released(volume, now_text)  # It was made for this claim, which found another.
    return Write(PERSISTENTVOLUMES, _unbound(volume))


def _unmatched(volume: Object, claim: Object) -> Step:
    if (volume["spec"].get("volumeMode") or "Filesystem") == (
        claim["spec"].get("volumeMode") or "Filesystem"
    ):
        return None
    text = (
        f'Cannot bind PersistentVolume "{name_of(volume)}" to requested PersistentVolumeClaim '
        f'"{name_of(claim)}" due to incompatible volumeMode.'
    )
    return Say(volume, "Warning", "VolumeMismatch", text)


def _policy(volume: Object) -> str:
    return str(volume["spec"].get("persistentVolumeReclaimPolicy") or "Retain")


def _released(volume: Object, now_text: str) -> Step:
    """The claim is gone: the volume keeps what it holds, or cannot be got rid of."""
    if (volume.get("status") or {}).get("phase") not in _OVER:
        return volume_phase(volume, "Released", now_text)
    policy = _policy(volume)
    if policy == "Retain" or (policy == "Delete" and PROVISIONED_BY in annotations_of(volume)):
        return None
    verb = "delet" if policy == "Delete" else "recycl"
    reason = "VolumeFailedDelete" if policy == "Delete" else "VolumeFailedRecycle"
    text = (
        f'error getting {verb}er volume plugin for volume "{name_of(volume)}": '
        f"no {verb}able volume plugin matched"
    )
    failed = volume_phase(volume, "Failed", now_text, reason, text)
    return failed or Say(volume, "Warning", reason, text)


def _unbound(volume: Object) -> Object:
    """Return *volume* without its claim; who chose it by hand has it wait for another."""
    spec = dict(volume["spec"])
    if BOUND_BY_CONTROLLER in annotations_of(volume):
        del spec["claimRef"]
    else:
        reference = dict(spec["claimRef"])
        for key in ("uid", "resourceVersion"):
            reference.pop(key, None)
        spec["claimRef"] = reference
    return without_annotation({**volume, "spec": spec}, BOUND_BY_CONTROLLER)
