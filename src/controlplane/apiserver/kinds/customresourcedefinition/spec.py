"""Reading a definition: its versions, names and paths, as upstream's internal type has them.

Upstream judges a form in which what all versions have in common stands once, at the top: with one
version, or several that agree, a wrong schema is told as `spec.validation.openAPIV3Schema…`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from kubeapi.objects import Object, annotations_of, is_condition_true

CLEANUP_FINALIZER: Final = "customresourcecleanup.apiextensions.k8s.io"
#: The parts of a version that move to the top where all agree, and their names there.
_HOISTED: Final = {
    "schema": "validation",
    "subresources": "subresources",
    "additionalPrinterColumns": "additionalPrinterColumns",
    "selectableFields": "selectableFields",
}


def versions_of(crd: Object) -> Sequence[Object]:
    versions: Sequence[Object] = (crd.get("spec") or {}).get("versions") or ()
    return versions


def storage_version(crd: Object) -> Object:
    """Return the version that is stored; validation saw to it that there is one."""
    return next(version for version in versions_of(crd) if version.get("storage"))


def open_api_schema(version: Object) -> Object | None:
    """Return the version's openAPIV3Schema."""
    schema: Object | None = (version.get("schema") or {}).get("openAPIV3Schema")
    return schema


def is_established(crd: Object) -> bool:
    return is_condition_true(crd, "Established")


def is_protected(group: str) -> bool:
    """Tell whether *group* is the community's (IsProtectedCommunityGroup)."""
    return any(group == own or group.endswith(f".{own}") for own in ("k8s.io", "kubernetes.io"))


T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Part(Generic[T]):
    """One part of a version, or of all, and where it stands in upstream's form."""

    path: str
    value: T
    version: Object


def parts(crd: Object, name: str) -> list[Part[Object]]:
    """Return the part *name* of each version that has one; once where all versions agree."""
    return [Part(path, version[name], version) for path, version in _places(crd, name)]


def list_parts(crd: Object, name: str) -> list[Part[list[Object]]]:
    """Return likewise a part that is a list."""
    return [Part(path, version[name], version) for path, version in _places(crd, name)]


def _places(crd: Object, name: str) -> list[tuple[str, Object]]:
    versions = versions_of(crd)
    values = [version.get(name) for version in versions]
    if values and all(value == values[0] for value in values):
        found = [(f"spec.{_HOISTED[name]}", versions[0])]
    else:
        found = [(f"spec.versions[{i}].{name}", each) for i, each in enumerate(versions)]
    return [(path, version) for path, version in found if version.get(name) is not None]


def status_enabled(version: Object) -> bool:
    return (version.get("subresources") or {}).get("status") is not None


def approval_of(crd: Object) -> str:
    annotations: Mapping[str, str] = annotations_of(crd)
    return annotations.get("api-approved.kubernetes.io", "")
