"""Volumes of a pod.

Upstream: ValidateVolumes, validateVolumeSource. Of the vendors' sources, which nothing mounts here,
only what they must say is judged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Final

from controlplane.apiserver.kinds.pod.field_refs import (
    VOLUME_FIELDS,
    VOLUME_RESOURCES,
    validate_field_ref,
    validate_resource_ref,
)
from controlplane.apiserver.kinds.storage.persistentvolumeclaim import (
    validate_spec as validate_claim,
)
from controlplane.apiserver.kinds.storage.sources import (
    VENDORS,
    host_path,
    validate_driver_name,
    validate_vendor,
)
from kubeapi import field, quantity, validation
from kubeapi.objects import Object
from kubeapi.status import Cause

_MODE_MAX: Final = 0o777
_TOKEN_MIN_S: Final = 600
_TOKEN_MAX_S: Final = 1 << 32
_BAD_MODE: Final = "must be a number between 0 and 0777 (octal), both inclusive"


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
            if (judge := _SOURCES.get(source)) is not None:
                yield from judge(volume[source], f"{at}.{source}")


def _config_map(source: Object, path: str) -> Iterator[Cause]:
    if not source.get("name"):
        yield field.required(f"{path}.name")
    yield from _modes_and_items(source, path)


def _secret(source: Object, path: str) -> Iterator[Cause]:
    if not source.get("secretName"):
        yield field.required(f"{path}.secretName")
    yield from _modes_and_items(source, path)


def _modes_and_items(source: Object, path: str) -> Iterator[Cause]:
    yield from _mode(source.get("defaultMode"), f"{path}.defaultMode")
    yield from _items(source.get("items") or (), f"{path}.items")


def _items(items: Sequence[Object], path: str) -> Iterator[Cause]:
    for index, item in enumerate(items):
        at = f"{path}[{index}]"
        if not item.get("key"):
            yield field.required(f"{at}.key")
        yield from _file_path(item.get("path") or "", f"{at}.path")
        yield from _mode(item.get("mode"), f"{at}.mode")


def _mode(mode: int | None, path: str) -> Iterator[Cause]:
    if mode is not None and not 0 <= mode <= _MODE_MAX:
        yield field.invalid(path, mode, _BAD_MODE)


def _file_path(text: str, path: str) -> Iterator[Cause]:
    """Judge the place of a file in a volume (validateLocalNonReservedPath)."""
    if not text:
        yield field.required(path)
        return
    yield from validate_local_path(text, path)
    if text.startswith("..") and not text.startswith("../"):
        yield field.invalid(path, text, "must not start with '..'")


def validate_local_path(text: str, path: str) -> Iterator[Cause]:
    """Judge a path below a volume (validateLocalDescendingPath)."""
    if text.startswith("/"):
        yield field.invalid(path, text, "must be a relative path")
    if ".." in text.split("/"):
        yield field.invalid(path, text, "must not contain '..'")


def _downward_api(source: Object, path: str) -> Iterator[Cause]:
    yield from _mode(source.get("defaultMode"), f"{path}.defaultMode")
    for index, item in enumerate(source.get("items") or ()):
        at = f"{path}.items[{index}]"
        yield from _file_path(item.get("path") or "", f"{at}.path")
        yield from _mode(item.get("mode"), f"{at}.mode")
        of_field, of_resource = item.get("fieldRef"), item.get("resourceFieldRef")
        if of_field and of_resource:
            detail = "fieldRef and resourceFieldRef can not be specified simultaneously"
            yield field.invalid(at, "resource", detail)
        elif of_field:
            yield from validate_field_ref(of_field, f"{at}.fieldRef", VOLUME_FIELDS)
        elif of_resource:
            reference = f"{at}.resourceFieldRef"
            yield from validate_resource_ref(of_resource, reference, VOLUME_RESOURCES, named=True)
        else:
            yield field.required(at, "one of fieldRef and resourceFieldRef is required")


def _projected(source: Object, path: str) -> Iterator[Cause]:
    yield from _mode(source.get("defaultMode"), f"{path}.defaultMode")
    seen: set[str] = set()
    for index, each in enumerate(source.get("sources") or ()):
        at = f"{path}.sources[{index}]"
        kinds = [kind for kind, value in each.items() if value is not None]
        for kind in kinds[1:]:
            yield field.forbidden(f"{at}.{kind}", "may not specify more than 1 volume type")
        for kind in kinds[:1]:
            yield from _PROJECTED.get(kind, _anything)(each[kind], f"{at}.{kind}")
            yield from _conflicts(each[kind], f"{at}.{kind}", seen)


def _conflicts(source: Object, path: str, seen: set[str]) -> Iterator[Cause]:
    for place, where in _places(source, path):
        if place in seen:
            yield field.invalid(where, place, "conflicting duplicate paths")
        seen.add(place)


def _places(source: Object, path: str) -> Iterator[tuple[str, str]]:
    """Yield each path that a source writes by name, and where that stands."""
    if source.get("path"):
        yield source["path"], f"{path}.path"
    for index, item in enumerate(source.get("items") or ()):
        if item.get("path"):
            yield item["path"], f"{path}.items[{index}].path"


def _named(source: Object, path: str) -> Iterator[Cause]:
    if not source.get("name"):
        yield field.required(f"{path}.name")
    yield from _items(source.get("items") or (), f"{path}.items")


def _token(source: Object, path: str) -> Iterator[Cause]:
    seconds = source.get("expirationSeconds")
    at = f"{path}.expirationSeconds"
    if seconds is not None and seconds < _TOKEN_MIN_S:
        yield field.invalid(at, seconds, "may not specify a duration less than 10 minutes")
    elif seconds is not None and seconds > _TOKEN_MAX_S:
        yield field.invalid(at, seconds, "may not specify a duration larger than 2^32 seconds")
    yield from _file_path(source.get("path") or "", f"{path}.path")


def _empty_dir(source: Object, path: str) -> Iterator[Cause]:
    limit = source.get("sizeLimit")
    if limit is None:
        return
    try:
        valid = quantity.parse_quantity(limit) >= 0
    except quantity.QuantityError:
        valid = False
    if not valid:
        detail = "SizeLimit field must be a valid resource quantity"
        yield field.forbidden(f"{path}.sizeLimit", detail)


def _claim(source: Object, path: str) -> Iterator[Cause]:
    if not source.get("claimName"):
        yield field.required(f"{path}.claimName")


def _csi(source: Object, path: str) -> Iterator[Cause]:
    yield from validate_driver_name(source.get("driver") or "", f"{path}.driver")
    secret = source.get("nodePublishSecretRef")
    if secret is not None and not secret.get("name"):
        yield field.required(f"{path}.nodePublishSecretRef.name")


def _ephemeral(source: Object, path: str) -> Iterator[Cause]:
    template, at = source.get("volumeClaimTemplate"), f"{path}.volumeClaimTemplate"
    if template is None:
        yield field.required(at)
        return
    meta = template.get("metadata") or {}
    for key, judge in (
        ("annotations", validation.validate_annotations),
        ("labels", validation.validate_labels),
    ):
        yield from judge(meta.get(key) or {}, f"{at}.metadata.{key}")
    yield from validate_claim(template.get("spec") or {}, f"{at}.spec")


def _anything(_source: Object, _path: str) -> Iterator[Cause]:
    yield from ()


_Judge = Callable[[Object, str], Iterator[Cause]]
_SOURCES: Final[Mapping[str, _Judge]] = {
    "configMap": _config_map,
    "secret": _secret,
    "downwardAPI": _downward_api,
    "projected": _projected,
    "hostPath": host_path,
    "emptyDir": _empty_dir,
    "persistentVolumeClaim": _claim,
    "csi": _csi,
    "ephemeral": _ephemeral,
    **{name: partial(validate_vendor, name) for name in VENDORS},
}
_PROJECTED: Final[Mapping[str, _Judge]] = {
    "configMap": _named,
    "secret": _named,
    "downwardAPI": _downward_api,
    "serviceAccountToken": _token,
}
