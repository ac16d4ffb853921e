"""The row of Pods in the registry."""

from __future__ import annotations

from typing import Final

from controlplane.apiserver.authz.references import MIRROR
from controlplane.apiserver.kinds import strategy as strategies
from controlplane.apiserver.kinds.kind import Kind
from controlplane.apiserver.kinds.pod import (
    ephemeral_containers,
    printer,
    strategy,
    validation,
)
from controlplane.apiserver.kinds.pod.admission import admit
from controlplane.apiserver.kinds.pod.defaults import default_pod, default_spec
from controlplane.apiserver.kinds.pod.update import validate_update
from kubeapi.objects import Object
from kubeapi.resources import PODS


def default(pod: Object) -> None:
    spec = pod["spec"] = pod.get("spec") or {}
    default_spec(spec)
    default_pod(spec)
    if MIRROR not in ((pod.get("metadata") or {}).get("annotations") or {}):
        admit(spec)  # A static pod runs as nobody's account.


POD: Final = Kind(
    resource=PODS,
    returns_deleted=True,
    singular="pod",
    short_names=("po",),
    categories=("all",),
    subresources=("status",),
    strategies={"ephemeralcontainers": ephemeral_containers.STRATEGY},
    default=default,
    prepare_create=strategy.prepare_create,
    prepare_update=strategies.keep_status,
    prepare_status_update=strategy.prepare_status_update,
    validate=validation.validate,
    validate_create=validation.validate_create,
    validate_update=validate_update,
    fields=strategy.fields,
    indexed_fields=("spec.nodeName",),
    columns=printer.COLUMNS,
    cells=printer.row,
    grace_s=strategy.grace_s,
)
