"""VolumeAttachments: which volume is to be, and is, at which node (storage.k8s.io/v1)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from controlplane.apiserver.kinds import cells, metadata, strategy
from controlplane.apiserver.kinds.kind import Cell, Column, Kind
from controlplane.apiserver.kinds.metadata import IMMUTABLE
from controlplane.apiserver.kinds.storage.sources import validate_driver_name
from kubeapi import field, validation
from kubeapi.objects import Object, name_of
from kubeapi.resources import VOLUMEATTACHMENTS
from kubeapi.status import Cause

_OF_ONE: Final = "must specify exactly one of inlineVolumeSpec and persistentVolumeName"
_METADATA_MAX: Final = 256 * 1024
_ERROR_MAX: Final = 1024


def default(attachment: Object) -> None:
    spec = attachment["spec"] = attachment.get("spec") or {}
    spec["source"] = spec.get("source") or {}
    status = attachment["status"] = attachment.get("status") or {}
    status["attached"] = status.get("attached") or False


def prepare_create(attachment: Object) -> None:
    attachment["status"] = {"attached": False}


def validate(attachment: Object) -> list[Cause]:
    spec, status = attachment["spec"], attachment.get("status") or {}
    node = spec.get("nodeName") or ""
    return [
        *metadata.validate(attachment, validation.dns1123_subdomain),
        *validate_driver_name(spec.get("attacher") or "", "spec.attacher"),
        *_validate_source(spec["source"], "spec.source"),
        *validation.validate_name(node, "spec.nodeName", validation.dns1123_subdomain),
        *_validate_status(status),
    ]


def _validate_source(source: Object, path: str) -> Iterator[Cause]:
    inline, name = source.get("inlineVolumeSpec"), source.get("persistentVolumeName")
    at = f"{path}.persistentVolumeName"
    if inline is None and name is None:
        yield field.required(path, _OF_ONE)
    elif inline is not None and name is not None:
        yield field.forbidden(path, _OF_ONE)
    elif name == "":
        yield field.required(at, "must specify non empty persistentVolumeName")
    elif name is not None:
        yield from validation.validate_name(name, at, validation.dns1123_subdomain)
    elif inline is not None and inline.get("csi") is None:
        detail = "has to be specified in the context of inline volumes"
        yield field.required(f"{path}.inlineVolumeSpec.csi", detail)


def _validate_status(status: Object) -> Iterator[Cause]:
    pairs = (status.get("attachmentMetadata") or {}).items()
    if sum(len(key) + len(value) for key, value in pairs) > _METADATA_MAX:
        yield field.too_long("status.attachmentMetadata", _METADATA_MAX)
    for key in ("attachError", "detachError"):
        if len((status.get(key) or {}).get("message") or "") > _ERROR_MAX:
            yield field.too_long(f"status.{key}.message", _ERROR_MAX)


def validate_update(new: Object, old: Object) -> list[Cause]:
    causes = metadata.validate_update(new, old)
    if new["spec"] != old["spec"]:
        causes.append(field.invalid("spec", new["spec"], IMMUTABLE))
    return causes


def row(attachment: Object, now: float) -> Sequence[Cell]:
    spec = attachment["spec"]
    return (
        name_of(attachment),
        spec.get("attacher") or "",
        spec["source"].get("persistentVolumeName") or "",
        spec.get("nodeName") or "",
        bool((attachment.get("status") or {}).get("attached")),
        cells.age(attachment, now),
    )


VOLUMEATTACHMENT: Final = Kind(
    resource=VOLUMEATTACHMENTS,
    returns_deleted=True,
    singular="volumeattachment",
    subresources=("status",),
    default=default,
    prepare_create=prepare_create,
    prepare_update=strategy.keep_status,
    prepare_status_update=strategy.keep_all_but_status,
    validate=validate,
    validate_update=validate_update,
    columns=(
        cells.NAME,
        Column("Attacher", format="name", description="The driver that attaches it."),
        Column("PV", description="The volume."),
        Column("Node", description="The node."),
        Column("Attached", "boolean", description="Whether it is there."),
        cells.AGE,
    ),
    cells=row,
)
