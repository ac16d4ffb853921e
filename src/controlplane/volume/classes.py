"""Which StorageClass is the default one: for admission and for the binder."""

from __future__ import annotations

from typing import Final

from kubeapi.objects import Object, annotations_of

#: Annotations that make a class the default one: today's and an older one.
DEFAULT_ANNOTATIONS: Final = (
    "storageclass.kubernetes.io/is-default-class",
    "storageclass.beta.kubernetes.io/is-default-class",
)


def is_default(storage_class: Object) -> bool:
    """Tell whether claims that name no class get this one."""
    annotations = annotations_of(storage_class)
    return any(annotations.get(name) == "true" for name in DEFAULT_ANNOTATIONS)
