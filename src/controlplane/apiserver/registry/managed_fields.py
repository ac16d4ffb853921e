"""Whose the fields of an object are, as the registry keeps it (upstream: endpoints fieldmanager).

Every write is tracked in the version that its client speaks, after defaulting and before admission:
what defaults fill in belongs to whoever wrote, what plugins and strategies add belongs to nobody.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Final

from componentbase.clock import rfc3339
from controlplane.apiserver.conversion import ConversionNeeded
from controlplane.apiserver.kinds.kind import Kind
from controlplane.apiserver.registry.options import WriteOptions
from controlplane.apiserver.registry.update import STATUS
from kubeapi.apply import InvalidList, Writer, track
from kubeapi.apply.field_set import MEMBER, Node
from kubeapi.objects import Object, deep_copy
from kubeapi.resources import (
    APISERVICES,
    CUSTOMRESOURCEDEFINITIONS,
    DEPLOYMENTS,
    FLOWSCHEMAS,
    PODS,
    PRIORITYLEVELCONFIGURATIONS,
    VALIDATINGADMISSIONPOLICIES,
    VOLUMEATTACHMENTS,
    Resource,
)
from kubeapi.schema import TypeSchema

#: What the versions of a kind are: every one that is served.
Versions = Callable[[Kind], Sequence[Kind]]

_MANAGED: Final = "managedFields"
_STATUS_FIELDS: Final[Node] = {"f:status": MEMBER}
_SPEC_FIELDS: Final[Node] = {"f:spec": MEMBER}
_ALL_BUT_STATUS: Final[Node] = {"f:spec": MEMBER, "f:metadata": MEMBER}
#: What a webhook that converts is told of an object besides what managers own.
_IDENTITY: Final = ("name", "namespace", "uid", "creationTimestamp")
#: What a write of the status does not reach, where that is more than the spec (upstream:
#: GetResetFields of the status strategies).
_STATUS_MISSES: Final[Mapping[Resource, Node]] = {
    PODS: {
        "f:spec": MEMBER,
        "f:metadata": {"f:deletionTimestamp": MEMBER, "f:ownerReferences": MEMBER},
    },
    DEPLOYMENTS: {"f:spec": MEMBER, "f:metadata": {"f:labels": MEMBER}},
    **dict.fromkeys(
        (
            *(APISERVICES, CUSTOMRESOURCEDEFINITIONS, VALIDATINGADMISSIONPOLICIES),
            *(FLOWSCHEMAS, PRIORITYLEVELCONFIGURATIONS, VOLUMEATTACHMENTS),
        ),
        _ALL_BUT_STATUS,
    ),
}


def only(kind: Kind) -> Sequence[Kind]:
    """Return the versions of a kind that has one."""
    return (kind,)


def writer_of(
    kind: Kind,
    versions: Sequence[Kind],
    options: WriteOptions,
    subresource: str,
    now: float,
    *,
    head: Object,
) -> Writer:
    """Return who writes an object of *kind*, in the version that it is written in.

    *head* is the object, or any state of it: what it is and whose.
    """
    return Writer(
        manager=options.manager,
        api_version=kind.resource.api_version,
        schema=kind.schema,
        convert=_converter(versions, head),
        subresource=subresource,
        ignored=_missed(kind, subresource),
        now=rfc3339(now),
    )


def _missed(kind: Kind, subresource: str) -> Node | None:
    """Return the fields that a write does not reach."""
    if subresource == STATUS and kind.is_custom:
        fields = {f"f:{name}": MEMBER for name in kind.schema.properties if name != STATUS}
        return {**_ALL_BUT_STATUS, **fields}
    if subresource == STATUS:
        return _STATUS_MISSES.get(kind.resource, _SPEC_FIELDS)
    if subresource:
        return None
    has_status = STATUS in kind.subresources or STATUS in kind.strategies
    return _STATUS_FIELDS if has_status else None


def _named(obj: Object, head: Object) -> Object:
    """Return *obj* with what nobody owns of it and a webhook asks for; what is empty stays so."""
    if not any(value for key, value in obj.items() if key != "apiVersion"):
        return {**obj, "kind": head.get("kind")}
    whose = {key: value for key, value in head["metadata"].items() if key in _IDENTITY}
    return {**obj, "kind": head.get("kind"), "metadata": {**whose, **(obj.get("metadata") or {})}}


def _converter(
    versions: Sequence[Kind],
    head: Object,
) -> Callable[[Object, str], tuple[Object, TypeSchema] | None]:
    by_version = {kind.resource.api_version: kind for kind in versions}

    def convert(obj: Object, version: str) -> tuple[Object, TypeSchema] | None:
        own, wanted = by_version.get(obj["apiVersion"]), by_version.get(version)
        if own is None or wanted is None:
            return None
        if own is wanted:
            return obj, own.schema
        if wanted.is_converted:
            return wanted.from_hub(_named(obj, head)), wanted.schema
        return wanted.from_hub(own.to_hub(deep_copy(obj))), wanted.schema

    return convert


def differ_in_time_alone(new: Object, old: Object) -> bool:
    """Tell whether nothing was written but when (IgnoreManagedFieldsTimestampsTransformer).

    So it is when somebody sets again and again what his write does not reach.
    """
    if any(new.get(key) != old.get(key) for key in {**new, **old} if key != "metadata"):
        return False
    after, before = new["metadata"], old["metadata"]
    if any(after.get(key) != before.get(key) for key in {**after, **before} if key != _MANAGED):
        return False
    return _untimed(after.get(_MANAGED)) == _untimed(before.get(_MANAGED))


def _untimed(entries: Sequence[Object] | None) -> list[Object]:
    return [{key: e[key] for key in e if key != "time"} for e in entries or ()]


def note(
    kind: Kind,
    versions: Sequence[Kind],
    change: tuple[Object | None, Object],
    options: WriteOptions,
    *,
    subresource: str,
    now: float,
) -> None:
    """Note in the new object of *change* whom its fields belong to; the old one is its pair."""
    if options.is_apply:
        return
    old, new = change
    asked = options.version or kind
    writer = writer_of(asked, versions, options, subresource, now, head=new)
    entries = new["metadata"].get("managedFields")
    # What is wrong in a list is judged elsewhere, and nobody's (upstream: UpdateNoErrors).
    try:
        with suppress(InvalidList):
            if asked is kind:
                track(old, new, writer)
            else:
                _track_in_version(asked, old, new, writer)
    except ConversionNeeded:
        if entries is not None:
            new["metadata"]["managedFields"] = entries  # It is all to be done again.
        raise


def _track_in_version(asked: Kind, old: Object | None, new: Object, writer: Writer) -> None:
    seen = asked.from_hub(deep_copy(new))
    track(None if old is None else asked.from_hub(deep_copy(old)), seen, writer)
    new["metadata"].pop("managedFields", None)
    if "managedFields" in seen["metadata"]:
        new["metadata"]["managedFields"] = seen["metadata"]["managedFields"]
