"""etcd's refusals as the errors that the store's users know, with what to do about them."""

from __future__ import annotations

from controlplane.storage.etcd.refusal import Kind, Refusal
from controlplane.storage.interface import (
    Delete,
    LeaseNotFound,
    Put,
    StorageDenied,
    StorageError,
    StorageFull,
    StorageUnavailable,
    ValueTooLarge,
)


def explain(refusal: Refusal, lease: int = 0) -> StorageError:
    """Return *refusal* as the store's users know it."""
    match refusal.kind:
        case Kind.NO_LEASE:
            return LeaseNotFound(lease)
        case Kind.NO_SPACE:
            return StorageFull(
                "etcd: its space quota is used up; writes are refused until it is compacted and"
                f" defragmented and `etcdctl alarm disarm` was run ({refusal})"
            )
        case Kind.TOO_LARGE:
            return ValueTooLarge(f"etcd: the object is too large to be stored ({refusal})")
        case Kind.DENIED:
            return StorageDenied(
                f"etcd: access is denied ({refusal}); check the client certificate and, where"
                " etcd's authentication is on, the role of its common name"
            )
        case _:
            return StorageError(f"etcd: {refusal}")


def unknown(operation: Put | Delete, error: StorageError) -> StorageUnavailable:
    """Return *error* for a write that may have happened."""
    return StorageUnavailable(
        f"{error}; whether {operation.key} was written is not known: look before writing it again"
    )
