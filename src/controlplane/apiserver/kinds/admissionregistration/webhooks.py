"""Configurations of webhooks, mutating and validating (admissionregistration.k8s.io/v1)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from controlplane.apiserver.kinds import cells, metadata
from controlplane.apiserver.kinds.admissionregistration.client_config import (
    default_client_config,
    validate_client_config,
)
from controlplane.apiserver.kinds.admissionregistration.expressions import validate_conditions
from controlplane.apiserver.kinds.admissionregistration.rules import (
    FAILURE_POLICIES,
    default_matching,
    validate_rule,
    validate_selectors,
)
from controlplane.apiserver.kinds.kind import Cell, Column, Kind
from kubeapi import field, validation
from kubeapi.objects import Object, name_of
from kubeapi.resources import MUTATINGWEBHOOKCONFIGURATIONS, VALIDATINGWEBHOOKCONFIGURATIONS
from kubeapi.status import Cause

_SIDE_EFFECTS: Final = ("None", "NoneOnDryRun")
_REINVOCATIONS: Final = ("IfNeeded", "Never")
_REVIEW_VERSIONS: Final = ("v1", "v1beta1")
_TIMEOUT_S: Final = 10
_TIMEOUT_MAX_S: Final = 30
_LABELS_MIN: Final = 3


def _default(configuration: Object) -> None:
    for hook in configuration.get("webhooks") or ():
        hook["failurePolicy"] = hook.get("failurePolicy") or "Fail"
        if hook.get("timeoutSeconds") is None:
            hook["timeoutSeconds"] = _TIMEOUT_S
        default_matching(hook, "rules")
        default_client_config(hook.get("clientConfig") or {})


def _default_mutating(configuration: Object) -> None:
    _default(configuration)
    for hook in configuration.get("webhooks") or ():
        hook["reinvocationPolicy"] = hook.get("reinvocationPolicy") or "Never"


def prepare_create(configuration: Object) -> None:
    configuration["metadata"]["generation"] = 1


def prepare_update(new: Object, old: Object) -> None:
    """Count a generation when a webhook changed."""
    generation = old["metadata"].get("generation", 0)
    new["metadata"]["generation"] = generation + (new.get("webhooks") != old.get("webhooks"))


def validate(configuration: Object) -> list[Cause]:
    """Judge all but the conditions, which may be of a release that knew other functions."""
    causes = metadata.validate(configuration, validation.dns1123_subdomain)
    names: set[str] = set()
    for index, hook in enumerate(configuration.get("webhooks") or ()):
        path, name = f"webhooks[{index}]", hook.get("name") or ""
        causes += _validate_hook(hook, path)
        if name and name in names:
            causes.append(field.duplicate(f"{path}.name", name))
        names.add(name)
    return causes


def _validate_hook(hook: Object, path: str) -> Iterator[Cause]:
    yield from _validate_name(hook.get("name") or "", f"{path}.name")
    for index, rule in enumerate(hook.get("rules") or ()):
        yield from validate_rule(rule, f"{path}.rules[{index}]")
    if hook["failurePolicy"] not in FAILURE_POLICIES:
        yield field.not_supported(f"{path}.failurePolicy", hook["failurePolicy"], FAILURE_POLICIES)
    yield from validate_selectors(hook, path)
    effects, where = hook.get("sideEffects"), f"{path}.sideEffects"
    if not effects:
        yield field.required(where, f"must specify one of {', '.join(_SIDE_EFFECTS)}")
    elif effects not in _SIDE_EFFECTS:
        yield field.not_supported(where, effects, _SIDE_EFFECTS)
    if not 1 <= hook["timeoutSeconds"] <= _TIMEOUT_MAX_S:
        detail = f"the timeout value must be between 1 and {_TIMEOUT_MAX_S} seconds"
        yield field.invalid(f"{path}.timeoutSeconds", hook["timeoutSeconds"], detail)
    reinvocation = hook.get("reinvocationPolicy", "Never")
    if reinvocation not in _REINVOCATIONS:
        yield field.not_supported(f"{path}.reinvocationPolicy", reinvocation, _REINVOCATIONS)
    yield from validate_client_config(hook.get("clientConfig") or {}, f"{path}.clientConfig")
    versions = hook.get("admissionReviewVersions") or []
    yield from _validate_versions(versions, f"{path}.admissionReviewVersions")


def _validate_name(name: str, path: str) -> Iterator[Cause]:
    if not name:
        yield field.required(path)
        return
    for message in validation.dns1123_subdomain(name):
        yield field.invalid(path, name, message)
    if len(name.split(".")) < _LABELS_MIN:
        detail = "should be a domain with at least three segments separated by dots"
        yield field.invalid(path, name, detail)


def _validate_versions(versions: Sequence[str], path: str) -> Iterator[Cause]:
    offered = ", ".join(_REVIEW_VERSIONS)
    if not versions:
        yield field.required(path, f"must specify one of {offered}")
        return
    for index, version in enumerate(versions):
        if version in versions[:index]:
            yield field.invalid(f"{path}[{index}]", version, "duplicate version")
            continue
        for message in validation.dns1035_label(version):
            yield field.invalid(f"{path}[{index}]", version, message)
    if not any(version in _REVIEW_VERSIONS for version in versions):
        yield field.invalid(path, list(versions), f"must include at least one of {offered}")


def validate_create(configuration: Object) -> list[Cause]:
    causes: list[Cause] = []
    for index, hook in enumerate(configuration.get("webhooks") or ()):
        path = f"webhooks[{index}].matchConditions"
        causes += validate_conditions(hook.get("matchConditions") or (), path)
    return causes


def validate_update(new: Object, old: Object) -> list[Cause]:
    causes = metadata.validate_update(new, old)
    if _conditions(new) != _conditions(old):
        causes += validate_create(new)
    return causes


def _conditions(configuration: Object) -> list[object]:
    return [hook.get("matchConditions") for hook in configuration.get("webhooks") or ()]


def row(configuration: Object, now: float) -> Sequence[Cell]:
    hooks = configuration.get("webhooks") or ()
    return name_of(configuration), len(hooks), cells.age(configuration, now)


_COLUMNS: Final = (
    cells.NAME,
    Column("Webhooks", "integer", description="How many webhooks are configured."),
    cells.AGE,
)
MUTATINGWEBHOOKCONFIGURATION: Final = Kind(
    resource=MUTATINGWEBHOOKCONFIGURATIONS,
    singular="mutatingwebhookconfiguration",
    categories=("api-extensions",),
    default=_default_mutating,
    prepare_create=prepare_create,
    prepare_update=prepare_update,
    validate=validate,
    validate_create=validate_create,
    validate_update=validate_update,
    columns=_COLUMNS,
    cells=row,
)
VALIDATINGWEBHOOKCONFIGURATION: Final = Kind(
    resource=VALIDATINGWEBHOOKCONFIGURATIONS,
    singular="validatingwebhookconfiguration",
    categories=("api-extensions",),
    default=_default,
    prepare_create=prepare_create,
    prepare_update=prepare_update,
    validate=validate,
    validate_create=validate_create,
    validate_update=validate_update,
    columns=_COLUMNS,
    cells=row,
)
