"""Validation of metadata, the same for every kind (upstream: apimachinery `api/validation`)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from controlplane.apiserver.kinds.go_syntax import go_strings
from kubeapi import field, validation
from kubeapi.objects import Object, annotations_of, is_being_deleted, labels_of, metadata_of
from kubeapi.status import Cause

IMMUTABLE: Final = "field is immutable"

NameRule = Callable[[str], validation.Messages]

#: Finalizers without a prefix that upstream knows.
_STANDARD_FINALIZERS: Final = ("kubernetes", "orphan", "foregroundDeletion")
_KEPT: Final = ("name", "namespace", "uid", "creationTimestamp")


def validate(obj: Object, name_rule: NameRule, *, any_finalizer: bool = False) -> list[Cause]:
    """Judge the metadata; *name_rule* is the kind's own.

    With *any_finalizer* one without a prefix may be anybody's (upstream: kinds out of core).
    """
    metadata = metadata_of(obj)
    return [
        *_validate_name(metadata, name_rule),
        *validation.validate_labels(labels_of(obj), "metadata.labels"),
        *validation.validate_annotations(annotations_of(obj), "metadata.annotations"),
        *_validate_owners(metadata.get("ownerReferences") or []),
        *_validate_finalizers(metadata.get("finalizers") or [], any_finalizer=any_finalizer),
    ]


def _validate_name(metadata: Object, name_rule: NameRule) -> list[Cause]:
    causes: list[Cause] = []
    prefix: str = metadata.get("generateName") or ""
    if prefix:
        # What is generated ends in letters; a dash at the end of the prefix is no dash at the end.
        masked = prefix[:-2] + "a" if len(prefix) > 1 and prefix.endswith("-") else prefix
        causes += [
            field.invalid("metadata.generateName", prefix, message) for message in name_rule(masked)
        ]
    name: str = metadata.get("name") or ""
    if name:
        causes += validation.validate_name(name, "metadata.name", name_rule)
    elif not prefix:
        causes.append(field.required("metadata.name", "name or generateName is required"))
    return causes


def _validate_owners(owners: list[Object]) -> list[Cause]:
    causes, controllers = [], []
    for index, owner in enumerate(owners):
        path = f"metadata.ownerReferences[{index}]"
        for key, what in (
            ("apiVersion", "version"),
            ("kind", "kind"),
            ("name", "name"),
            ("uid", "uid"),
        ):
            if not owner.get(key):
                causes.append(field.invalid(f"{path}.{key}", "", f"{what} must not be empty"))
        version = owner.get("apiVersion") or ""
        if version and (version.endswith("/") or version.count("/") > 1):
            causes.append(field.invalid(f"{path}.apiVersion", version, "version must not be empty"))
        if (version, owner.get("kind")) == ("v1", "Event"):  # They come and go too often.
            detail = "/v1, Kind=Event is disallowed from being an owner"
            causes.append(field.invalid(path, owner, detail))
        if owner.get("controller"):
            controllers.append(f"{owner.get('kind')}/{owner.get('name')}")
    if len(controllers) > 1:
        detail = (
            "Only one reference can have Controller set to true. "
            f'Found "true" in references for {" and ".join(controllers)}'
        )
        causes.append(field.invalid("metadata.ownerReferences", owners, detail))
    return causes


def _validate_finalizers(finalizers: list[str], *, any_finalizer: bool) -> list[Cause]:
    causes = []
    for index, finalizer in enumerate(finalizers):
        whole = "metadata.finalizers"
        causes += validation.validate_name(finalizer, whole, validation.qualified_name)
        if not any_finalizer and "/" not in finalizer and finalizer not in _STANDARD_FINALIZERS:
            detail = "name is neither a standard finalizer name nor is it fully qualified"
            causes.append(field.invalid(f"{whole}[{index}]", finalizer, detail))
    if "orphan" in finalizers and "foregroundDeletion" in finalizers:
        detail = "finalizer orphan and foregroundDeletion cannot be both set"
        causes.append(field.invalid("metadata.finalizers", finalizers, detail))
    return causes


def validate_update(new: Object, old: Object) -> list[Cause]:
    """Find changes of metadata that nobody may make."""
    after, before = metadata_of(new), metadata_of(old)
    causes = [
        field.invalid(f"metadata.{key}", after[key], IMMUTABLE)
        for key in _KEPT
        if after.get(key) and after[key] != before.get(key)
    ]
    known = before.get("finalizers") or []
    added = sorted(item for item in after.get("finalizers") or [] if item not in known)
    if added and is_being_deleted(old):
        detail = (
            "no new finalizers can be added if the object is being deleted, "
            f"found new finalizers {go_strings(added)}"
        )
        causes.append(field.forbidden("metadata.finalizers", detail))
    return causes


def immutable(new: Object, old: Object, key: str, path: str) -> list[Cause]:
    """Find a change of *key*, which is fixed at creation (upstream: ValidateImmutableField)."""
    if new.get(key) == old.get(key):
        return []
    return [field.invalid(path, new.get(key), IMMUTABLE)]
