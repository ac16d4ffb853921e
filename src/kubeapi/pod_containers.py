"""The containers of a pod's spec, of every type (upstream: podutil.VisitContainers)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from kubeapi.objects import Object

#: Fields of a PodSpec, in the order in which their containers are started.
CONTAINER_FIELDS: Final = ("initContainers", "containers", "ephemeralContainers")


def every_container(spec: Object) -> Iterator[Object]:
    """Return init containers, the containers proper and ephemeral ones."""
    for key in CONTAINER_FIELDS:
        yield from spec.get(key) or ()


def container_path(spec: Object, name: str) -> str:
    """Return `spec.containers{NAME}`, as events name a container (GenerateContainerRef)."""
    for key in CONTAINER_FIELDS:
        if any(container["name"] == name for container in spec.get(key) or ()):
            return f"spec.{key}{{{name}}}"
    return f"spec.containers{{{name}}}"
