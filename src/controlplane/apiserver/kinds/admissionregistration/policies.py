"""ValidatingAdmissionPolicies: what must hold of writes, as expressions (v1).

Upstream: validateValidatingAdmissionPolicySpec. Whether expressions fit the kinds that are matched
is found out afterwards, by validatingadmissionpolicy-status-controller.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from controlplane.apiserver.kinds import cells, metadata, strategy
from controlplane.apiserver.kinds.admissionregistration.expressions import (
    validate_conditions,
    validate_expression,
)
from controlplane.apiserver.kinds.admissionregistration.rules import (
    FAILURE_POLICIES,
    default_matching,
    validate_rule,
    validate_selectors,
)
from controlplane.apiserver.kinds.kind import Cell, Column, Kind
from kubeapi import field, validation
from kubeapi.objects import Object, name_of
from kubeapi.resources import VALIDATINGADMISSIONPOLICIES
from kubeapi.status import Cause

REASONS: Final = ("Forbidden", "Invalid", "RequestEntityTooLarge")
UNSET: Final = "<unset>"
_ANNOTATIONS_MAX: Final = 20
_ANNOTATION_TEXT_MAX: Final = 5 * 1024
_IDENTIFIER: Final = re.compile(r"[_a-zA-Z][_a-zA-Z0-9]*", re.ASCII)
_NOT_GIVEN: Final = "validations or auditAnnotations must contain at least one item"


def default(policy: Object) -> None:
    spec = policy["spec"] = policy.get("spec") or {}
    spec["failurePolicy"] = spec.get("failurePolicy") or "Fail"
    if spec.get("matchConstraints") is not None:
        default_match_resources(spec["matchConstraints"])


def default_match_resources(matching: Object) -> None:
    """Fill in what matchConstraints or matchResources leave open."""
    default_matching(matching, "resourceRules")
    for rule in matching.get("excludeResourceRules") or ():
        rule["scope"] = rule.get("scope") or "*"


def validate(policy: Object) -> list[Cause]:
    return [
        *metadata.validate(policy, validation.dns1123_subdomain),
        *_validate_spec(policy["spec"], "spec"),
    ]


def _validate_spec(spec: Object, path: str) -> Iterator[Cause]:
    if spec["failurePolicy"] not in FAILURE_POLICIES:
        yield field.not_supported(f"{path}.failurePolicy", spec["failurePolicy"], FAILURE_POLICIES)
    if (param_kind := spec.get("paramKind")) is not None:
        yield from _validate_param_kind(param_kind, f"{path}.paramKind")
    matching = spec.get("matchConstraints")
    if matching is None:
        yield field.required(f"{path}.matchConstraints")
    else:
        yield from validate_match_resources(matching, f"{path}.matchConstraints")
        if not matching.get("resourceRules"):
            yield field.required(f"{path}.matchConstraints.resourceRules")
    if not spec.get("validations") and not spec.get("auditAnnotations"):
        yield field.required(f"{path}.validations", _NOT_GIVEN)
        yield field.required(f"{path}.auditAnnotations", _NOT_GIVEN)


def _validate_param_kind(kind: Object, path: str) -> Iterator[Cause]:
    api_version, name = kind.get("apiVersion") or "", kind.get("kind") or ""
    if not api_version:
        yield field.required(f"{path}.apiVersion")
    else:
        group, _, version = api_version.rpartition("/")
        for part, rule in (
            (group, validation.dns1123_subdomain),
            (version, validation.dns1035_label),
        ):
            if wrong := rule(part) if part or rule is validation.dns1035_label else []:
                yield field.invalid(f"{path}.apiVersion", part, ",".join(wrong))
    if not name:
        yield field.required(f"{path}.kind")
    elif wrong := validation.dns1035_label(name.lower()):
        detail = f"may have mixed case, but should otherwise match: {','.join(wrong)}"
        yield field.invalid(f"{path}.kind", name, detail)


def validate_match_resources(matching: Object, path: str) -> Iterator[Cause]:
    yield from validate_selectors(matching, path)
    for key in ("resourceRules", "excludeResourceRules"):
        for index, rule in enumerate(matching.get(key) or ()):
            at = f"{path}.{key}[{index}]"
            yield from _validate_names(rule.get("resourceNames") or (), f"{at}.resourceNames")
            yield from validate_rule(rule, at)


def _validate_names(names: Sequence[str], path: str) -> Iterator[Cause]:
    for index, name in enumerate(names):
        if name in (".", "..") or "/" in name or "%" in name:
            yield field.invalid(
                f"{path}[{index}]", name, "may not be '.' or '..' nor contain '/' or '%'"
            )
        if name in names[:index]:
            yield field.duplicate(f"{path}[{index}]", name)


def validate_create(policy: Object) -> list[Cause]:
    """Judge the expressions; what is stored is not judged again while it stays as it is."""
    spec = policy["spec"]
    return [
        *validate_conditions(
            spec.get("matchConditions") or (),
            "spec.matchConditions",
            params=spec.get("paramKind") is not None,
        ),
        *_validate_variables(spec, "spec.variables"),
        *_validate_validations(spec, "spec.validations"),
        *_validate_annotations(name_of(policy), spec, "spec.auditAnnotations"),
    ]


def _validate_variables(spec: Object, path: str) -> Iterator[Cause]:
    names: set[str] = set()
    for index, variable in enumerate(spec.get("variables") or ()):
        at, name = f"{path}[{index}]", variable.get("name") or ""
        text = variable.get("expression") or ""
        if not name.strip():
            yield field.required(f"{at}.name", "name is not specified")
        elif not _IDENTIFIER.fullmatch(name):
            yield field.invalid(f"{at}.name", name, "name is not a valid CEL identifier")
        if name in names:
            yield field.duplicate(f"{at}.name", name)
        names.add(name)
        if not text.strip():
            yield field.required(f"{at}.expression", "expression is not specified")
        else:
            yield from _expression(spec, text, f"{at}.expression", ())


def _expression(
    spec: Object, text: str, path: str, returns: Sequence[str], *, authorizer: bool = True
) -> Iterator[Cause]:
    params, variables = spec.get("paramKind") is not None, bool(spec.get("variables"))
    given: Mapping[str, bool] = {
        "params": params,
        "variables": variables,
        "authorizer": authorizer,
    }
    for cause in validate_expression(text, path, returns, **given):
        if returns or "must evaluate to" not in cause.message:
            yield cause


def _validate_validations(spec: Object, path: str) -> Iterator[Cause]:
    for index, rule in enumerate(spec.get("validations") or ()):
        at, text = f"{path}[{index}]", rule.get("expression") or ""
        said, computed = rule.get("message") or "", rule.get("messageExpression") or ""
        if not text.strip():
            yield field.required(f"{at}.expression", "expression is not specified")
        else:
            yield from _expression(spec, text, f"{at}.expression", ("bool",))
        if computed and not computed.strip():
            detail = "must be non-empty if specified"
            yield field.invalid(f"{at}.messageExpression", computed, detail)
        elif computed:
            where = f"{at}.messageExpression"
            yield from _expression(spec, computed, where, ("string",), authorizer=False)
        if said and not said.strip():
            yield field.invalid(f"{at}.message", said, "message must be non-empty if specified")
        elif "\n" in said.strip():
            yield field.invalid(f"{at}.message", said, "message must not contain line breaks")
        if (reason := rule.get("reason")) is not None and reason not in REASONS:
            yield field.not_supported(f"{at}.reason", reason, REASONS)


def _validate_annotations(name: str, spec: Object, path: str) -> Iterator[Cause]:
    annotations = spec.get("auditAnnotations") or []
    if len(annotations) > _ANNOTATIONS_MAX:
        detail = f"must not have more than {_ANNOTATIONS_MAX} auditAnnotations"
        yield field.invalid(path, annotations, detail)
        return
    keys: set[str] = set()
    for index, annotation in enumerate(annotations):
        at, key = f"{path}[{index}]", annotation.get("key") or ""
        text = annotation.get("valueExpression") or ""
        for message in validation.qualified_name(f"{name}/{key}"):
            yield field.invalid(f"{at}.key", key, message)
        if key in keys:
            yield field.duplicate(f"{at}.key", key)
        keys.add(key)
        if not text.strip():
            yield field.required(f"{at}.valueExpression", "valueExpression is not specified")
        elif len(text) > _ANNOTATION_TEXT_MAX:
            yield field.too_long(f"{at}.valueExpression", _ANNOTATION_TEXT_MAX)
        else:
            wanted = ("string", "null")
            yield from _expression(spec, text, f"{at}.valueExpression", wanted)


def validate_update(new: Object, old: Object) -> list[Cause]:
    causes = metadata.validate_update(new, old)
    return causes + validate_create(new) if new["spec"] != old["spec"] else causes


def row(policy: Object, now: float) -> Sequence[Cell]:
    spec = policy.get("spec") or {}
    kind = spec.get("paramKind")
    shown = UNSET
    if kind is not None:
        shown = f"{kind.get('apiVersion') or ''}/{kind.get('kind') or ''}"
    return name_of(policy), len(spec.get("validations") or ()), shown, cells.age(policy, now)


VALIDATINGADMISSIONPOLICY: Final = Kind(
    resource=VALIDATINGADMISSIONPOLICIES,
    singular="validatingadmissionpolicy",
    categories=("api-extensions",),
    subresources=("status",),
    default=default,
    prepare_create=strategy.begin_generation,
    prepare_update=strategy.keep_status_and_count,
    prepare_status_update=strategy.keep_all_but_status,
    validate=validate,
    validate_create=validate_create,
    validate_update=validate_update,
    columns=(
        cells.NAME,
        Column("Validations", "integer", description="How many validations there are."),
        Column("ParamKind", description="The kind of its parameters."),
        cells.AGE,
    ),
    cells=row,
)
