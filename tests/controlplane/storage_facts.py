"""Claims, volumes and classes, said in one line each."""

from __future__ import annotations

from controlplane.volume.claims import given_to, taken

WAITS = "WaitForFirstConsumer"


def claim(name="c", *, size="1Gi", of="fast", modes=("ReadWriteOnce",), phase="Pending", **more):
    annotations = more.pop("annotations", {})
    spec = {
        "accessModes": list(modes),
        "resources": {"requests": {"storage": size}},
        "storageClassName": of,
        **more,
    }
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {
            "name": name,
            "namespace": "ns",
            "uid": f"uid-{name}",
            "resourceVersion": "1",
            "annotations": annotations,
        },
        "spec": spec,
        "status": {"phase": phase},
    }


def volume(name="v", *, size="1Gi", of="fast", modes=("ReadWriteOnce",), **more):
    """Return a volume that is free, or has the phase that it is given."""
    metadata = {"name": name, "annotations": more.pop("annotations", {})}
    metadata["labels"] = more.pop("labels", {})
    phase = more.pop("phase", "Available")
    if on := more.pop("on", None):
        row = {"key": "kubernetes.io/hostname", "operator": "In", "values": [on]}
        terms = {"nodeSelectorTerms": [{"matchExpressions": [row]}]}
        more["nodeAffinity"] = {"required": terms}
    spec = {
        "accessModes": list(modes),
        "capacity": {"storage": size},
        "storageClassName": of,
        "persistentVolumeReclaimPolicy": more.pop("policy", "Retain"),
        **more,
    }
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": metadata,
        "spec": spec,
        "status": {"phase": phase},
    }


def storage_class(name="fast", *, mode="Immediate", provisioner="example.com/p", default=False):
    key = "storageclass.kubernetes.io/is-default-class"
    return {
        "metadata": {"name": name, "annotations": {key: "true"} if default else {}},
        "provisioner": provisioner,
        "volumeBindingMode": mode,
    }


def bound(one, other):
    """Return claim and volume as they are when they are bound."""
    mine = given_to(other, one)
    mine["status"] = {"phase": "Bound"}
    its = taken(one, other)
    spec = other["spec"]
    its["status"] = {
        "phase": "Bound",
        "accessModes": spec["accessModes"],
        "capacity": spec["capacity"],
    }
    return its, mine
