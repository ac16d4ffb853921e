"""Owners named twice are named once (upstream: handlers' dedupOwnerReferences)."""

from __future__ import annotations

from controlplane.apiserver.registry.options import WriteOptions
from kubeapi.objects import Object


def deduplicate(obj: Object, options: WriteOptions, *, admitted: bool) -> None:
    """Drop entries that are there already, and warn of them; *admitted* after plugins have seen it.

    Entries that share a uid and differ in something else stay.
    """
    owners: list[Object] = obj["metadata"].get("ownerReferences") or []
    if len(owners) < 2:
        return
    kept: list[Object] = []
    again: list[str] = []
    for owner in owners:
        if owner in kept:
            again.append(str(owner.get("uid")))
        else:
            kept.append(owner)
    if not again:
        return
    obj["metadata"]["ownerReferences"] = kept
    after = " after mutating admission happens" if admitted else ""
    warning = (
        f".metadata.ownerReferences contains duplicate entries{after}; API server dedups owner "
        "references in 1.20+, and may reject such requests as early as 1.24; please fix your "
        f"requests; duplicate UID(s) observed: [{' '.join(again)}]"
    )
    if warning not in options.warnings:  # The same may be decided several times.
        options.warnings.append(warning)
