"""Pods that a node runs by itself, from manifests (upstream: pkg/kubelet/config/common.go).

A static pod is what its manifest says, under the node's name; its uid is the digest of both, so
another manifest is another pod. What the API server knows of it is a mirror that the kubelet makes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Final

import msgspec
import yaml

from kubeapi.bounded_yaml import BoundedLoader
from kubeapi.objects import (
    Object,
    annotations_of,
    is_being_deleted,
    labels_of,
    name_of,
    namespace_of,
    owner_reference,
)
from nodeagent.kubelet.pod_resources import CONFIG_SOURCE, MIRROR

_HASH: Final = "kubernetes.io/config.hash"
_SEEN: Final = "kubernetes.io/config.seen"
#: What a kubelet reads as a manifest.
SUFFIXES: Final = (".yaml", ".yml", ".json")
_TOLERATES_ALL: Final = {"operator": "Exists", "effect": "NoExecute"}


class BadManifest(ValueError):
    """A file that is no pod; the text says why."""


def static_pod(text: str, node_name: str, seen_at: str) -> Object:
    """Return the pod of a manifest on a node (applyDefaults); raises BadManifest."""
    manifest = _read(text)
    metadata: Object = manifest["metadata"]
    digest = hashlib.sha256(msgspec.json.encode([node_name, manifest], order="sorted"))
    uid = digest.hexdigest()[:32]
    given = {CONFIG_SOURCE: "file", _HASH: uid, _SEEN: seen_at}
    spec = {
        "restartPolicy": "Always",
        "terminationGracePeriodSeconds": 30,
        "dnsPolicy": "ClusterFirst",
        "enableServiceLinks": True,
        **manifest["spec"],
        "nodeName": node_name,
    }
    spec["tolerations"] = [*(spec.get("tolerations") or ()), dict(_TOLERATES_ALL)]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": f"{metadata['name']}-{node_name}",
            "namespace": metadata.get("namespace") or "default",
            "uid": uid,
            "labels": dict(metadata.get("labels") or {}),
            "annotations": {**(metadata.get("annotations") or {}), **given},
        },
        "spec": spec,
        "status": {"phase": "Pending"},
    }


def _read(text: str) -> Object:
    try:
        manifest = yaml.load(text, BoundedLoader)
    except yaml.YAMLError as error:
        raise BadManifest(f"no YAML: {' '.join(str(error).split())}") from None
    if not isinstance(manifest, dict) or manifest.get("kind") != "Pod":
        raise BadManifest("it is no Pod")
    # Imported here: nearly no node has a manifest, and the schemas are large.
    from kubeapi.schema import schema_for, validate

    schema = schema_for("v1", "Pod")
    assert schema is not None
    causes = validate(manifest, schema)
    if causes:
        raise BadManifest(f"{causes[0].field}: {causes[0].message}")
    spec, metadata = manifest.get("spec") or {}, manifest.get("metadata") or {}
    if not metadata.get("name") or not spec.get("containers"):
        raise BadManifest("it has no name, or no containers")
    if spec.get("serviceAccountName"):
        raise BadManifest("static pods cannot have a service account")
    return manifest


def is_mirror(pod: Object) -> bool:
    """Tell whether *pod* is what the API server knows of a static one."""
    return MIRROR in annotations_of(pod)


def is_static_source(pod: Object) -> bool:
    """Tell whether *pod* is a static pod itself, and no mirror of one."""
    return annotations_of(pod).get(CONFIG_SOURCE) == "file" and not is_mirror(pod)


def mirrors(mirror: Object, pod: Object) -> bool:
    """Tell whether *mirror* shows *pod* as it is now, and stays."""
    same = annotations_of(mirror).get(MIRROR) == pod["metadata"]["uid"]
    return same and not is_being_deleted(mirror)


def mirror_pod(pod: Object, node: Object) -> Object:
    """Return what the API server is to know of a static pod (CreateMirrorPod)."""
    owner = owner_reference({"apiVersion": "v1", "kind": "Node", **node})
    owner.pop("blockOwnerDeletion", None)
    annotations = {**annotations_of(pod), MIRROR: pod["metadata"]["uid"]}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name_of(pod),
            "namespace": namespace_of(pod),
            "labels": dict(labels_of(pod)),
            "annotations": annotations,
            "ownerReferences": [owner],
        },
        "spec": pod["spec"],
    }


def with_status(pod: Object, mirror: Object | None) -> Object:
    """Return a static pod with the status that the API server has of it."""
    status: Mapping[str, object] = (mirror or {}).get("status") or {"phase": "Pending"}
    return {**pod, "status": status}


class MirrorPace:
    """When a mirror that somebody deleted may be made again: after *gap_s*.

    kubectl, which waits for the end of what it deletes, looks at the pod and then lists those of
    its name. Whom it finds under the name in between it waits for, too, and for ever: the new
    mirror. So nobody is found there for a while. Upstream's kubelet runs into that now and then.
    """

    def __init__(self, gap_s: float) -> None:
        self._gap_s = gap_s
        #: By key; None: the mirror is there.
        self._gone_at: dict[str, float | None] = {}

    def there(self, key: str) -> None:
        """Note that there is a mirror."""
        self._gone_at[key] = None

    def due_at(self, key: str, now: float) -> float:
        """Return when the mirror that is not there may be made; one that never was, now."""
        if key not in self._gone_at:
            return now
        gone_at = self._gone_at[key]
        if gone_at is None:
            gone_at = self._gone_at[key] = now
        return gone_at + self._gap_s
