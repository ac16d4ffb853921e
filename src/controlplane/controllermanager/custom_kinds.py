"""Which custom kinds there are now, for controllers that deal with every kind.

Upstream's garbage collector and namespace controller ask discovery again and again; here they
follow the definitions, of which only names and versions are kept: their schemas may be large.
"""

from __future__ import annotations

from kubeapi.objects import Object, is_condition_true
from kubeapi.resources import Resource

_KEPT = ("group", "scope")


def head_of(crd: Object) -> Object:
    """Return of a definition what names its kinds."""
    spec, status = crd.get("spec") or {}, crd.get("status") or {}
    versions = [
        {key: version.get(key) for key in ("name", "served", "storage")}
        for version in spec.get("versions") or ()
    ]
    metadata = {key: value for key, value in crd["metadata"].items() if key != "annotations"}
    return {
        "apiVersion": crd.get("apiVersion"),
        "kind": crd.get("kind"),
        "metadata": metadata,
        "spec": {**{key: spec.get(key) for key in _KEPT}, "versions": versions},
        "status": {
            "acceptedNames": status.get("acceptedNames") or {},
            "conditions": status.get("conditions") or [],
        },
    }


def versions_of(crd: Object) -> list[Resource]:
    """Return the resource in each version that is served, the stored one first if it is."""
    if not is_condition_true(crd, "Established"):
        return []
    names, spec = crd["status"]["acceptedNames"], crd["spec"]
    served = [version for version in spec["versions"] if version["served"]]
    return [
        Resource(
            spec["group"],
            version["name"],
            names["plural"],
            names["kind"],
            spec["scope"] == "Namespaced",
            custom=True,
        )
        for version in sorted(served, key=lambda each: not each["storage"])
    ]


def resource_of(crd: Object) -> Resource | None:
    """Return the resource in the one version in which it is followed."""
    return next(iter(versions_of(crd)), None)
