"""The claims of a pod's ephemeral volumes (upstream: pkg/controller/volume/ephemeral)."""

from __future__ import annotations

from collections.abc import Iterator

from controlplane.volume.pods import claim_name
from kubeapi.objects import Object, metadata_of, namespace_of, owner_reference


def claims_for(pod: Object) -> Iterator[Object]:
    """Return the claims that *pod*'s ephemeral volumes need, as they are created."""
    for volume in pod["spec"].get("volumes") or ():
        if volume.get("ephemeral") is None:
            continue
        template = volume["ephemeral"].get("volumeClaimTemplate") or {}
        given = metadata_of(template)
        kept = {key: dict(given[key]) for key in ("labels", "annotations") if given.get(key)}
        yield {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {
                **kept,
                "name": claim_name(pod, volume),
                "namespace": namespace_of(pod),
                "ownerReferences": [owner_reference({"apiVersion": "v1", "kind": "Pod", **pod})],
            },
            "spec": template.get("spec") or {},
        }
