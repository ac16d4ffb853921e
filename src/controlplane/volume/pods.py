"""Which claims a pod names."""

from __future__ import annotations

from kubeapi.objects import Object, name_of


def claim_name(pod: Object, volume: Object) -> str:
    """Return the claim of one of *pod*'s volumes; "" when it needs none.

    An ephemeral volume's claim has the pod's and the volume's name.
    """
    source = volume.get("persistentVolumeClaim")
    if source is not None:
        return str(source.get("claimName") or "")
    return f"{name_of(pod)}-{volume['name']}" if volume.get("ephemeral") is not None else ""


def claim_names(pod: Object) -> list[str]:
    """Return the claims that *pod* needs, each once."""
    names = (claim_name(pod, volume) for volume in (pod.get("spec") or {}).get("volumes") or ())
    return list(dict.fromkeys(filter(None, names)))
