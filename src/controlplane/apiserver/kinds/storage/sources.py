"""Where the octets of a PersistentVolume are (upstream: ValidatePersistentVolumeSpec).

Each source says at least what `_NEEDED` names; the rest of the vendors' sources, most of which
upstream has removed the code of, is judged by the schema only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from kubeapi import field, validation
from kubeapi.objects import Object
from kubeapi.status import Cause

#: Sources in the order they are judged, and what each must say.
_NEEDED: Final[Mapping[str, tuple[str, ...]]] = {
    "hostPath": (),
    "gcePersistentDisk": ("pdName",),
    "awsElasticBlockStore": ("volumeID",),
    "glusterfs": ("endpoints", "path"),
    "flocker": (),
    "nfs": ("server", "path"),
    "rbd": ("monitors", "image"),
    "quobyte": ("registry", "volume"),
    "cephfs": ("monitors",),
    "iscsi": ("targetPortal", "iqn"),
    "cinder": ("volumeID",),
    "fc": (),
    "flexVolume": ("driver",),
    "azureFile": ("secretName", "shareName"),
    "vsphereVolume": ("volumePath",),
    "photonPersistentDisk": ("pdID",),
    "portworxVolume": ("volumeID",),
    "azureDisk": ("diskName", "diskURI"),
    "scaleIO": ("gateway", "system", "secretRef"),
    "local": ("path",),
    "storageos": (),
    "csi": ("volumeHandle",),
}
NAMES: Final = tuple(_NEEDED)
_SECRETS: Final = (
    "controllerPublishSecretRef",
    "controllerExpandSecretRef",
    "nodePublishSecretRef",
    "nodeExpandSecretRef",
    "nodeStageSecretRef",
)
_HOST_PATH_TYPES: Final = (
    "",
    "BlockDevice",
    "CharDevice",
    "Directory",
    "DirectoryOrCreate",
    "File",
    "FileOrCreate",
    "Socket",
)
#: Sources that pods have, too, besides those that they alone have rules for.
VENDORS: Final = tuple(name for name in _NEEDED if name not in ("hostPath", "local", "csi"))
_DRIVER_MAX: Final = 63


def sources_of(spec: Object) -> Object:
    """Return the sources that *spec* has."""
    return {name: spec[name] for name in NAMES if spec.get(name) is not None}


def validate_sources(spec: Object, path: str) -> Iterator[Cause]:
    """Judge the source, and that there is one."""
    given = sources_of(spec)
    if not given:
        yield field.required(path, "must specify a volume type")
    for index, (name, source) in enumerate(given.items()):
        if index:
            detail = "may not specify more than 1 volume type"
            yield field.forbidden(f"{path}.{name}", detail)
        else:
            yield from _validate_source(name, source, f"{path}.{name}")
    if "local" in given and not (spec.get("nodeAffinity") or {}).get("required"):
        yield field.required(f"{path}.nodeAffinity", "Local volume requires node affinity")


def host_path(source: Object, path: str) -> Iterator[Cause]:
    """Judge a directory or file of the node."""
    text, kind = source.get("path") or "", source.get("type") or ""
    if not text:
        yield field.required(f"{path}.path")
    elif ".." in text.split("/"):
        yield field.invalid(f"{path}.path", text, "must not contain '..'")
    if kind not in _HOST_PATH_TYPES:
        yield field.not_supported(f"{path}.type", kind, _HOST_PATH_TYPES)


def _validate_source(name: str, source: Object, path: str) -> Iterator[Cause]:
    if name == "csi":
        yield from validate_driver_name(source.get("driver") or "", f"{path}.driver")
    yield from validate_vendor(name, source, path)
    match name:
        case "hostPath":
            yield from host_path(source, path)
        case "local" if ".." in (source.get("path") or "").split("/"):
            yield field.invalid(f"{path}.path", source["path"], "must not contain '..'")
        case "csi":
            yield from _validate_secrets(source, path)


def validate_vendor(name: str, source: Object, path: str) -> Iterator[Cause]:
    """Judge whether a source says what it must."""
    for key in _NEEDED[name]:
        if not source.get(key):
            yield field.required(f"{path}.{key}")
    if name == "nfs" and (place := source.get("path")) and not place.startswith("/"):
        yield field.invalid(f"{path}.path", place, "must be an absolute path")


def _validate_secrets(source: Object, path: str) -> Iterator[Cause]:
    for key in _SECRETS:
        reference = source.get(key)
        if reference is None:
            continue
        for part, rule in (
            ("name", validation.dns1123_subdomain),
            ("namespace", validation.dns1123_label),
        ):
            at, value = f"{path}.{key}.{part}", reference.get(part)
            if not value:
                yield field.required(at)
            else:
                yield from validation.validate_name(value, at, rule)


def validate_driver_name(name: str, path: str) -> Iterator[Cause]:
    """Judge the name of a CSI driver."""
    if not name:
        yield field.required(path)
    if len(name) > _DRIVER_MAX:
        yield field.too_long(path, _DRIVER_MAX)
    for message in validation.dns1123_subdomain(name.lower()):
        yield field.invalid(path, name, message)
