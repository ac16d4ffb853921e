"""Volumes of a pod and their places in containers."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from kubeapi import field, validation
from kubeapi.objects import Object
from kubeapi.status import Cause

#: Sources whose object must be named, and under which key.
_NAMED = {"configMap": "name", "secret": "secretName", "persistentVolumeClaim": "claimName"}


def validate_volumes(volumes: Sequence[Object], path: str) -> Iterator[Cause]:
    names: set[str] = set()
    for index, volume in enumerate(volumes):
        at, name = f"{path}[{index}]", volume.get("name") or ""
        if not name:
            yield field.required(f"{at}.name")
        else:
            yield from validation.validate_name(name, f"{at}.name", validation.dns1123_label)
        if name in names:
            yield field.duplicate(f"{at}.name", name)
        names.add(name)
        sources = [key for key, value in volume.items() if key != "name" and value is not None]
        for source in sources[1:]:
            yield field.forbidden(f"{at}.{source}", "may not specify more than 1 volume type")
        for source in sources[:1]:
            key = _NAMED.get(source)
            if key and not volume[source].get(key):
                yield field.required(f"{at}.{source}.{key}")
            if source == "hostPath" and not volume[source].get("path"):
                yield field.required(f"{at}.hostPath.path")


def validate_mounts(
    mounts: Sequence[Object], volumes: Collection[str], path: str
) -> Iterator[Cause]:
    places: set[str] = set()
    for index, mount in enumerate(mounts):
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
        if ".." in (mount.get("subPath") or "").split("/"):
            yield field.invalid(f"{at}.subPath", mount["subPath"], "must not contain '..'")
