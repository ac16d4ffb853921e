"""Finalizers that keep claims and volumes while they are used (storageobjectinuseprotection)."""

from __future__ import annotations

from typing import Final

from kubeapi.objects import Object, metadata_of

CLAIM_FINALIZER: Final = "kubernetes.io/pvc-protection"
VOLUME_FINALIZER: Final = "kubernetes.io/pv-protection"


def protected(obj: Object, finalizer: str) -> Object | None:
    """Return *obj* with *finalizer*; None when it has it."""
    before = metadata_of(obj).get("finalizers") or []
    return None if finalizer in before else _with(obj, [*before, finalizer])


def unprotected(obj: Object, finalizer: str) -> Object | None:
    """Return *obj* without *finalizer*; None when it has it not."""
    before = metadata_of(obj).get("finalizers") or []
    return _with(obj, [one for one in before if one != finalizer]) if finalizer in before else None


def _with(obj: Object, finalizers: list[str]) -> Object:
    return {**obj, "metadata": {**metadata_of(obj), "finalizers": finalizers}}
