"""What PersistentVolumes and PersistentVolumeClaims have in common: modes, sizes, classes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from controlplane.apiserver.kinds.quantities import NOT_NEGATIVE
from kubeapi import field, validation
from kubeapi.objects import Object, annotations_of
from kubeapi.quantity import QuantityError, parse_quantity
from kubeapi.status import Cause

CLASS_ANNOTATION: Final = "volume.beta.kubernetes.io/storage-class"
FILESYSTEM: Final = "Filesystem"
UNSET: Final = "<unset>"
_VOLUME_MODES: Final = ("Block", FILESYSTEM)
_ALONE: Final = "ReadWriteOncePod"
#: Access modes, and how kubectl writes them.
_SHORT: Final = {
    "ReadWriteOnce": "RWO",
    "ReadOnlyMany": "ROX",
    "ReadWriteMany": "RWX",
    _ALONE: "RWOP",
}
_ACCESS_MODES: Final = tuple(sorted(_SHORT))


def validate_access_modes(modes: Sequence[str], path: str) -> Iterator[Cause]:
    for mode in modes:
        if mode not in _ACCESS_MODES:
            yield field.not_supported(path, mode, _ACCESS_MODES)
    if _ALONE in modes and any(mode in _ACCESS_MODES and mode != _ALONE for mode in modes):
        yield field.forbidden(path, "may not use ReadWriteOncePod with other access modes")


def validate_size(size: str | int | float, path: str) -> Iterator[Cause]:
    """Judge a quantity of storage, which is more than none."""
    try:
        number = parse_quantity(size)
    except QuantityError as error:
        yield field.invalid(path, size, str(error))
        return
    if number <= 0:
        yield field.invalid(path, str(size), "must be greater than zero")
    if number < 0:
        yield field.invalid(path, str(size), NOT_NEGATIVE)


def validate_class_and_mode(spec: Object, path: str) -> Iterator[Cause]:
    if name := spec.get("storageClassName"):
        at = f"{path}.storageClassName"
        yield from validation.validate_name(name, at, validation.dns1123_subdomain)
    mode = spec.get("volumeMode")
    if mode is not None and mode not in _VOLUME_MODES:
        yield field.not_supported(f"{path}.volumeMode", mode, _VOLUME_MODES)


def shown_modes(modes: Sequence[str] | None) -> str:
    """Return access modes as kubectl shows them."""
    given = modes or ()
    return ",".join(short for mode, short in _SHORT.items() if mode in given)


def shown_class(obj: Object) -> str:
    """Return the storage class of a volume or claim."""
    old = annotations_of(obj).get(CLASS_ANNOTATION)
    return old if old is not None else obj["spec"].get("storageClassName") or ""
