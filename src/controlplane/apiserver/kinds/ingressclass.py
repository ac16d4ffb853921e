"""IngressClasses: which controller serves the Ingresses that name them (networking.k8s.io/v1).

One may be the default: admission writes its name into Ingresses that name none.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from controlplane.apiserver.kinds import cells, metadata, strategy
from controlplane.apiserver.kinds.domain_path import validate_domain_path
from controlplane.apiserver.kinds.ingress import validate_reference
from controlplane.apiserver.kinds.kind import Cell, Column, Kind
from kubeapi import field, validation
from kubeapi.objects import Object, name_of
from kubeapi.resources import INGRESSCLASSES
from kubeapi.status import Cause

DEFAULT_ANNOTATION: Final = "ingressclass.kubernetes.io/is-default-class"
_CONTROLLER_MAX: Final = 250
_SCOPES: Final = ("Cluster", "Namespace")


def default(ingress_class: Object) -> None:
    """Parameters are of the cluster's."""
    parameters = (ingress_class.get("spec") or {}).get("parameters")
    if parameters is not None:
        parameters["scope"] = parameters.get("scope") or "Cluster"


def validate(ingress_class: Object) -> list[Cause]:
    spec = ingress_class.get("spec") or {}
    return [
        *metadata.validate(ingress_class, validation.dns1123_subdomain),
        *_validate_controller(spec.get("controller") or "", "spec.controller"),
        *_validate_parameters(spec.get("parameters"), "spec.parameters"),
    ]


def _validate_controller(controller: str, path: str) -> Iterator[Cause]:
    if len(controller) > _CONTROLLER_MAX:
        yield field.too_long(path, _CONTROLLER_MAX)
    yield from validate_domain_path(controller, path)


def _validate_parameters(parameters: Object | None, path: str) -> Iterator[Cause]:
    if parameters is None:
        return
    yield from validate_reference(parameters, path)
    scope, namespace = parameters["scope"], parameters.get("namespace")
    where = f"{path}.namespace"
    if scope not in _SCOPES:
        yield field.not_supported(f"{path}.scope", scope, _SCOPES)
    elif scope == "Cluster" and namespace is not None:
        yield field.forbidden(where, "`parameters.scope` is set to 'Cluster'")
    elif scope == "Namespace" and namespace is None:
        yield field.required(where, "`parameters.scope` is set to 'Namespace'")
    elif namespace is not None:
        for message in validation.dns1123_label(namespace):
            yield field.invalid(where, namespace, message)


def validate_update(new: Object, old: Object) -> list[Cause]:
    after, before = new.get("spec") or {}, old.get("spec") or {}
    return [
        *metadata.validate_update(new, old),
        *metadata.immutable(after, before, "controller", "spec.controller"),
    ]


def row(ingress_class: Object, now: float) -> Sequence[Cell]:
    spec = ingress_class.get("spec") or {}
    parameters = spec.get("parameters")
    return (
        name_of(ingress_class),
        spec.get("controller") or "",
        cells.NONE if parameters is None else _reference(parameters),
        cells.age(ingress_class, now),
    )


def _reference(parameters: Object) -> str:
    group = parameters.get("apiGroup")
    kind = f"{parameters['kind']}.{group}" if group is not None else parameters["kind"]
    return f"{kind}/{parameters['name']}"


INGRESSCLASS: Final = Kind(
    resource=INGRESSCLASSES,
    singular="ingressclass",
    default=default,
    prepare_create=strategy.first_generation,
    prepare_update=strategy.count,
    validate=validate,
    validate_update=validate_update,
    columns=(
        cells.NAME,
        Column("Controller", description="Controller that is to serve Ingresses of this class."),
        Column("Parameters", description="A resource with more configuration."),
        cells.AGE,
    ),
    cells=row,
)
