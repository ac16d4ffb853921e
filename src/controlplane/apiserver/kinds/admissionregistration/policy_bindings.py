"""ValidatingAdmissionPolicyBindings: where a policy holds, and with which parameters (v1)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from controlplane.apiserver.kinds import cells, metadata
from controlplane.apiserver.kinds.admissionregistration.policies import (
    UNSET,
    default_match_resources,
    validate_match_resources,
)
from controlplane.apiserver.kinds.kind import Cell, Column, Kind
from controlplane.apiserver.kinds.pod.scheduling import validate_label_selector
from kubeapi import field, validation
from kubeapi.objects import Object, name_of
from kubeapi.resources import VALIDATINGADMISSIONPOLICYBINDINGS
from kubeapi.status import Cause

_ACTIONS: Final = ("Audit", "Deny", "Warn")
_NOT_FOUND_ACTIONS: Final = ("Allow", "Deny")


def default(binding: Object) -> None:
    spec = binding["spec"] = binding.get("spec") or {}
    if spec.get("matchResources") is not None:
        default_match_resources(spec["matchResources"])


def prepare_create(binding: Object) -> None:
    binding["metadata"]["generation"] = 1


def prepare_update(new: Object, old: Object) -> None:
    generation = old["metadata"].get("generation", 0)
    new["metadata"]["generation"] = generation + (new["spec"] != old["spec"])


def validate(binding: Object) -> list[Cause]:
    return [
        *metadata.validate(binding, validation.dns1123_subdomain),
        *_validate_spec(binding["spec"], "spec"),
    ]


def _validate_spec(spec: Object, path: str) -> Iterator[Cause]:
    if not spec.get("policyName"):
        yield field.required(f"{path}.policyName")
    else:
        rule = validation.dns1123_subdomain
        yield from validation.validate_name(spec["policyName"], f"{path}.policyName", rule)
    if (reference := spec.get("paramRef")) is not None:
        yield from _validate_reference(reference, f"{path}.paramRef")
    if (matching := spec.get("matchResources")) is not None:
        yield from validate_match_resources(matching, f"{path}.matchResources")
    yield from _validate_actions(spec.get("validationActions") or [], f"{path}.validationActions")


def _validate_reference(reference: Object, path: str) -> Iterator[Cause]:
    name, selector = reference.get("name") or "", reference.get("selector")
    detail = "name and selector are mutually exclusive"
    if not name and selector is None:
        yield field.required(path, "one of name or selector must be specified")
    elif name and selector is not None:
        yield field.forbidden(f"{path}.name", detail)
        yield field.forbidden(f"{path}.selector", detail)
    elif selector is not None:
        yield from validate_label_selector(selector, f"{path}.selector")
    action, where = reference.get("parameterNotFoundAction"), f"{path}.parameterNotFoundAction"
    if action is None:
        yield field.required(where)
    elif action not in _NOT_FOUND_ACTIONS:
        yield field.not_supported(where, action, _NOT_FOUND_ACTIONS)


def _validate_actions(actions: Sequence[str], path: str) -> Iterator[Cause]:
    for index, action in enumerate(actions):
        if action not in _ACTIONS:
            yield field.not_supported(f"{path}[{index}]", action, _ACTIONS)
        if action in actions[:index]:
            yield field.duplicate(f"{path}[{index}]", action)
    if "Deny" in actions and "Warn" in actions:
        detail = (
            "must not contain both Deny and Warn (repeating the same validation failure"
            " information in the API response and headers serves no purpose)"
        )
        yield field.invalid(path, list(actions), detail)
    if not actions:
        yield field.required(path, "at least one validation action is required")


def row(binding: Object, now: float) -> Sequence[Cell]:
    spec = binding["spec"]
    reference = spec.get("paramRef")
    shown = UNSET
    if reference is not None:
        shown = f"{reference.get('namespace') or '*'}/{reference.get('name') or '*'}"
    return name_of(binding), spec.get("policyName") or "", shown, cells.age(binding, now)


VALIDATINGADMISSIONPOLICYBINDING: Final = Kind(
    resource=VALIDATINGADMISSIONPOLICYBINDINGS,
    singular="validatingadmissionpolicybinding",
    categories=("api-extensions",),
    default=default,
    prepare_create=prepare_create,
    prepare_update=prepare_update,
    validate=validate,
    validate_update=metadata.validate_update,
    columns=(
        cells.NAME,
        Column("PolicyName", description="The policy that is bound."),
        Column("ParamRef", description="Where its parameters are."),
        cells.AGE,
    ),
    cells=row,
)
