"""What a pod names, so that its node may read it (upstream: node.Graph.AddPod, podutil.Visit…)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from kubeapi.objects import Object, annotations_of, name_of
from kubeapi.pod_containers import every_container

#: Says that a pod is an image of what a node runs by itself: it gives the node nothing.
MIRROR: Final = "kubernetes.io/config.mirror"

#: A plural and a name: an object in the pod's namespace.
Reference = tuple[str, str]
_OWN_SECRETS: Final = ("azureFile", "cephfs", "cinder", "flexVolume", "iscsi", "rbd", "scaleIO")


def references(pod: Object) -> frozenset[Reference]:
    """Return the objects that the node of *pod* needs; none for a mirror pod."""
    if MIRROR in annotations_of(pod):
        return frozenset()
    spec = pod.get("spec") or {}
    return frozenset(
        (plural, str(name))
        for plural, name in (
            ("serviceaccounts", spec.get("serviceAccountName")),
            *(("secrets", each.get("name")) for each in spec.get("imagePullSecrets") or ()),
            *_of_volumes(pod, spec),
            *_of_environments(spec),
        )
        if name
    )


def _of_volumes(pod: Object, spec: Object) -> Iterator[tuple[str, object]]:
    for volume in spec.get("volumes") or ():
        for source in (volume, *((volume.get("projected") or {}).get("sources") or ())):
            secret, config_map = source.get("secret") or {}, source.get("configMap") or {}
            yield "secrets", secret.get("secretName") or secret.get("name")
            yield "configmaps", config_map.get("name")
        if "persistentVolumeClaim" in volume:
            yield "persistentvolumeclaims", volume["persistentVolumeClaim"].get("claimName")
        if "ephemeral" in volume:
            yield "persistentvolumeclaims", f"{name_of(pod)}-{volume.get('name')}"
        yield "secrets", ((volume.get("csi") or {}).get("nodePublishSecretRef") or {}).get("name")
        for kind in _OWN_SECRETS:
            own = volume.get(kind) or {}
            yield "secrets", own.get("secretName") or (own.get("secretRef") or {}).get("name")


def _of_environments(spec: Object) -> Iterator[tuple[str, object]]:
    for container in every_container(spec):
        for whole in container.get("envFrom") or ():
            yield "secrets", (whole.get("secretRef") or {}).get("name")
            yield "configmaps", (whole.get("configMapRef") or {}).get("name")
        for one in container.get("env") or ():
            value = one.get("valueFrom") or {}
            yield "secrets", (value.get("secretKeyRef") or {}).get("name")
            yield "configmaps", (value.get("configMapKeyRef") or {}).get("name")
