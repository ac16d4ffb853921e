"""What an update may change (upstream: rest.BeforeUpdate and the kinds' strategies)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from controlplane.apiserver.kinds.go_syntax import GoText
from controlplane.apiserver.kinds.kind import Kind
from controlplane.apiserver.registry.options import WriteOptions
from kubeapi import field
from kubeapi.objects import Object, deep_copy, resource_version_of, uid_of
from kubeapi.resources import (
    APISERVICES,
    CSIDRIVERS,
    CSINODES,
    CSISTORAGECAPACITIES,
    CUSTOMRESOURCEDEFINITIONS,
    LEASES,
    MUTATINGWEBHOOKCONFIGURATIONS,
    PODDISRUPTIONBUDGETS,
    RUNTIMECLASSES,
    VALIDATINGADMISSIONPOLICIES,
    VALIDATINGADMISSIONPOLICYBINDINGS,
    VALIDATINGWEBHOOKCONFIGURATIONS,
    VOLUMEATTACHMENTS,
)
from kubeapi.status import bad_request, conflict, invalid

#: Metadata that the server alone writes.
_KEPT: Final = (
    "uid",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "generation",
    "generateName",
)
STATUS: Final = "status"
#: Kinds whose updates must say what they were made from, besides custom ones (upstream:
#: AllowUnconditionalUpdate of their strategies).
_CONDITIONAL: Final = frozenset(
    {
        APISERVICES,
        CSIDRIVERS,
        CSINODES,
        CSISTORAGECAPACITIES,
        CUSTOMRESOURCEDEFINITIONS,
        LEASES,
        MUTATINGWEBHOOKCONFIGURATIONS,
        PODDISRUPTIONBUDGETS,
        RUNTIMECLASSES,
        VALIDATINGADMISSIONPOLICIES,
        VALIDATINGADMISSIONPOLICYBINDINGS,
        VALIDATINGWEBHOOKCONFIGURATIONS,
        VOLUMEATTACHMENTS,
    }
)


@dataclass(frozen=True, slots=True)
class View:
    """A subresource that shows an object as one of another kind, which admission sees (scale)."""

    object_kind: tuple[str, str, str]
    show: Callable[[Object], Object]
    put: Callable[[Object, Object], None]  # What of the view belongs into the object.


#: Subresources that make their one change themselves; strategies would undo it.
_OWN_CHANGE: Final = ("binding",)


def check_target(kind: Kind, new: Object, namespace: str, name: str) -> None:
    """Fill in name and namespace from the URL; raise StatusError 400 when the object disagrees."""
    metadata = new["metadata"]
    metadata.setdefault("name", name)
    if metadata["name"] != name:
        raise bad_request(
            f"the name of the object ({metadata['name']}) does not match the name on the URL "
            f"({name})"
        )
    if not kind.resource.namespaced:
        metadata.pop("namespace", None)
    elif metadata.setdefault("namespace", namespace) != namespace:
        raise bad_request(
            f"the namespace of the object ({metadata['namespace']}) does not match the "
            f"namespace on the URL ({namespace})"
        )


def check_preconditions(kind: Kind, new: Object, old: Object) -> None:
    """Raise StatusError 409 when *new* was made from another state than *old*, 422 for any."""
    name = old["metadata"]["name"]
    asked = resource_version_of(new)
    if asked in ("", "0") and _is_conditional(kind):
        cause = field.invalid(
            "metadata.resourceVersion", GoText("0x0"), "must be specified for an update"
        )
        raise invalid(kind.resource.kind, name, [cause], group=kind.resource.group)
    if asked and asked != "0" and asked != resource_version_of(old):
        raise conflict(kind.resource, name)
    uid = uid_of(new)
    if uid and uid != uid_of(old):
        why = f"Precondition failed: UID in precondition: {uid}, UID in object meta: {uid_of(old)}"
        raise conflict(kind.resource, name, why)


def _is_conditional(kind: Kind) -> bool:
    return kind.is_custom or kind.resource in _CONDITIONAL


def is_own_change(subresource: str) -> bool:
    """Tell whether *subresource* makes one change of its own, past strategies and admission."""
    return subresource in _OWN_CHANGE


def keep_metadata(new: Object, old: Object) -> None:
    """Put back what the server alone writes."""
    metadata, before = new["metadata"], old["metadata"]
    for key in _KEPT:
        if key in before:
            metadata[key] = before[key]
        else:
            metadata.pop(key, None)
    metadata["resourceVersion"] = before["resourceVersion"]


def judge_of(kind: Kind, options: WriteOptions) -> Kind:
    """Return whose rules count: a custom kind's are those of the version that the client speaks."""
    version = options.version
    return version if version is not None and version.is_custom else kind


def finish(kind: Kind, new: Object, old: Object, subresource: str, *, judge: Kind) -> None:
    """Take from *old* what a client may not change; raise StatusError 422 for what is wrong."""
    strategy = judge.strategies.get(subresource)
    prepare, validate_update = judge.prepare_update, judge.validate_update
    if strategy is not None:
        prepare, validate_update = strategy.prepare, strategy.validate
    elif subresource == STATUS:
        prepare = judge.prepare_status_update
    prepare(new, old)
    if judge is not kind:
        new, old = judge.from_hub(deep_copy(new)), judge.from_hub(deep_copy(old))
    causes = [*judge.validate(new), *validate_update(new, old)]
    if causes:
        resource = kind.resource
        unique = list(dict.fromkeys(causes))
        raise invalid(resource.kind, old["metadata"]["name"], unique, group=resource.group)
