"""Where containers see their pod's volumes (upstream: ValidateVolumeMounts)."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Final

from controlplane.apiserver.kinds.pod.volumes import validate_local_path
from kubeapi import field
from kubeapi.objects import Object
from kubeapi.status import Cause

_PROPAGATIONS: Final = ("Bidirectional", "HostToContainer", "None")
_RECURSIVE: Final = ("Disabled", "Enabled", "IfPossible")


def validate_mounts(container: Object, volumes: Collection[str], path: str) -> Iterator[Cause]:
    """Judge the mounts of *container* that stand under *path*; *volumes* are the pod's."""
    places: set[str] = set()
    for index, mount in enumerate(container.get("volumeMounts") or ()):
        at, name, place = f"{path}[{index}]", mount.get("name") or "", mount.get("mountPath") or ""
        if not name:
            yield field.required(f"{at}.name")
        elif name not in volumes:
            yield field.not_found(f"{at}.name", name)
        if not place:
            yield field.required(f"{at}.mountPath")
        elif place in places:
            yield field.invalid(f"{at}.mountPath", place, "must be unique")
        places.add(place)
        yield from _sub_paths(mount, at)
        yield from _propagation(container, mount, f"{at}.mountPropagation")
        yield from _recursive(mount, f"{path}.recursiveReadOnly")


def _sub_paths(mount: Object, path: str) -> Iterator[Cause]:
    sub_path, expression = mount.get("subPath") or "", mount.get("subPathExpr") or ""
    yield from validate_local_path(sub_path, f"{path}.subPath") if sub_path else ()
    if expression and sub_path:
        detail = "subPathExpr and subPath are mutually exclusive"
        yield field.invalid(f"{path}.subPathExpr", expression, detail)
    yield from validate_local_path(expression, f"{path}.subPathExpr") if expression else ()


def _propagation(container: Object, mount: Object, path: str) -> Iterator[Cause]:
    mode = mount.get("mountPropagation")
    if mode is None:
        return
    if mode not in _PROPAGATIONS:
        yield field.not_supported(path, mode, _PROPAGATIONS)
    privileged = (container.get("securityContext") or {}).get("privileged")
    if mode == "Bidirectional" and not privileged:
        detail = "Bidirectional mount propagation is available only to privileged containers"
        yield field.forbidden(path, detail)


def _recursive(mount: Object, path: str) -> Iterator[Cause]:
    """Judge recursiveReadOnly; upstream names no index in the path, either."""
    mode = mount.get("recursiveReadOnly")
    if mode is None or mode == "Disabled":
        return
    if mode not in _RECURSIVE:
        yield field.not_supported(path, mode, _RECURSIVE)
        return
    if not mount.get("readOnly"):
        yield field.forbidden(path, "may only be specified when readOnly is true")
    if mount.get("mountPropagation") not in (None, "None"):
        detail = "may only be specified when mountPropagation is None or not specified"
        yield field.forbidden(path, detail)
