"""ReplicationControllers: what ReplicaSets came from (core/v1). Their selector is a map."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from controlplane.apiserver.kinds import cells, metadata, replicaset, strategy, workload
from controlplane.apiserver.kinds.kind import Cell, Kind
from kubeapi import field, validation
from kubeapi.objects import Object
from kubeapi.resources import REPLICATIONCONTROLLERS
from kubeapi.selectors import LabelSelector
from kubeapi.status import Cause


def default(controller: Object) -> None:
    """One replica; selector and labels come from the template where they are left out."""
    spec = controller["spec"] = controller.get("spec") or {}
    if spec.get("replicas") is None:
        spec["replicas"] = 1
    if spec.get("template") is None:
        return  # It is asked for, not made up.
    workload.default_template(spec)
    if labels := spec["template"]["metadata"].get("labels"):
        spec["selector"] = spec.get("selector") or dict(labels)
        meta = controller["metadata"]
        meta["labels"] = meta.get("labels") or dict(labels)


def validate(controller: Object) -> list[Cause]:
    spec = controller["spec"]
    return [
        *metadata.validate(controller, validation.dns1123_subdomain),
        *workload.validate_count(spec, "minReadySeconds"),
        *_validate_selector(spec),
        *workload.validate_count(spec, "replicas"),
        *_validate_template(spec),
    ]


def _validate_selector(spec: Object) -> Iterator[Cause]:
    if not spec.get("selector"):
        yield field.required("spec.selector")


def _validate_template(spec: Object) -> Iterator[Cause]:
    template = spec.get("template")
    if template is None:
        yield field.required("spec.template")
        return
    if selector := _selector(spec):
        yield from workload.validate_match(selector, template, "spec.template")
    yield from workload.validate_template(template, "spec.template")
    yield from workload.validate_endless(template, "ReplicationController")


def _selector(spec: Mapping[str, object]) -> LabelSelector | None:
    given = spec.get("selector")
    return LabelSelector.from_object({"matchLabels": given}) if given else None


def scale_selector(controller: Object) -> str:
    """Return the selector as the scale subresource shows it."""
    return str(_selector(controller["spec"]) or "")


def row(controller: Object, now: float) -> Sequence[Cell]:
    selector = (controller.get("spec") or {}).get("selector")
    return *replicaset.cells_of(controller, now), cells.labels(selector)


REPLICATIONCONTROLLER: Final = Kind(
    resource=REPLICATIONCONTROLLERS,
    singular="replicationcontroller",
    short_names=("rc",),
    categories=("all",),
    subresources=("status", "scale"),
    default=default,
    prepare_create=replicaset.prepare_create,
    prepare_update=strategy.keep_status_and_count,
    prepare_status_update=strategy.keep_spec,
    validate=validate,
    validate_update=metadata.validate_update,
    fields=replicaset.fields,
    columns=replicaset.COLUMNS,
    cells=row,
    scale_selector=scale_selector,
    default_propagation="Orphan",
)
