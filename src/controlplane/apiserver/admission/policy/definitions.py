"""Policies and their bindings, compiled; read anew when one of them has changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from controlplane.apiserver import keys
from controlplane.apiserver.admission.expressions import Condition, conditions_of, program_of
from controlplane.apiserver.admission.matching import Matching
from controlplane.apiserver.cacher import Cacher
from kubeapi.objects import Object, name_of
from kubeapi.resources import VALIDATINGADMISSIONPOLICIES, VALIDATINGADMISSIONPOLICYBINDINGS

if TYPE_CHECKING:
    from kubeapi.cel import Program


@dataclass(frozen=True, slots=True, kw_only=True)
class Validation:
    """One thing that must hold, and what is said when it does not."""

    source: str
    program: Program | None  # None: it does not compile any more.
    message: str
    message_program: Program | None
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """Where a policy holds, with which parameters, and what a violation leads to."""

    name: str
    matching: Matching | None
    param_ref: Object | None
    actions: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    name: str
    matching: Matching
    fails_open: bool
    param_kind: Object | None
    conditions: tuple[Condition, ...]
    variables: dict[str, Program | None]
    validations: tuple[Validation, ...]
    annotations: tuple[tuple[str, Program | None], ...]
    bindings: tuple[Binding, ...]


def _validations(spec: Object) -> list[Validation]:
    params, variables = spec.get("paramKind") is not None, bool(spec.get("variables"))
    found: list[Validation] = []
    for rule in spec.get("validations") or ():
        said = rule.get("messageExpression") or ""
        found.append(
            Validation(
                source=rule["expression"],
                program=program_of(rule["expression"], params=params, variables=variables),
                message=rule.get("message") or "",
                message_program=program_of(
                    said, params=params, variables=variables, authorizer=False
                )
                if said
                else None,
                reason=rule.get("reason") or "Invalid",
            )
        )
    return found


def policy_of(policy: Object, bindings: Sequence[Binding]) -> Policy:
    """Compile a policy."""
    spec = policy["spec"]
    params, variables = spec.get("paramKind") is not None, bool(spec.get("variables"))
    return Policy(
        name=name_of(policy),
        matching=Matching.from_object(spec.get("matchConstraints") or {}, "resourceRules"),
        fails_open=spec.get("failurePolicy") == "Ignore",
        param_kind=spec.get("paramKind"),
        conditions=conditions_of(spec, params=params),
        variables={
            each["name"]: program_of(each["expression"], params=params, variables=True)
            for each in spec.get("variables") or ()
        },
        validations=tuple(_validations(spec)),
        annotations=tuple(
            (
                each["key"],
                program_of(each["valueExpression"], params=params, variables=variables),
            )
            for each in spec.get("auditAnnotations") or ()
        ),
        bindings=tuple(bindings),
    )


def binding_of(binding: Object) -> Binding:
    spec = binding["spec"]
    resources = spec.get("matchResources")
    return Binding(
        name=name_of(binding),
        matching=None if resources is None else Matching.from_object(resources, "resourceRules"),
        param_ref=spec.get("paramRef"),
        actions=frozenset(spec.get("validationActions") or ()),
    )


class Policies:
    """All policies that are bound."""

    def __init__(self, cacher: Cacher) -> None:
        self._cacher = cacher
        self._read_at = (-1, -1)
        self._policies: tuple[Policy, ...] = ()

    def all(self) -> tuple[Policy, ...]:
        """Return them by name."""
        policies = self._cacher.cache(VALIDATINGADMISSIONPOLICIES)
        bindings = self._cacher.cache(VALIDATINGADMISSIONPOLICYBINDINGS)
        changed_at = policies.changed_at, bindings.changed_at
        if changed_at != self._read_at:
            bound: dict[str, list[Binding]] = {}
            for stored in bindings.below(keys.prefix(VALIDATINGADMISSIONPOLICYBINDINGS)):
                name = stored.object["spec"].get("policyName") or ""
                bound.setdefault(name, []).append(binding_of(stored.object))
            self._policies = tuple(
                policy_of(stored.object, bound[name_of(stored.object)])
                for stored in policies.below(keys.prefix(VALIDATINGADMISSIONPOLICIES))
                if name_of(stored.object) in bound
            )
            self._read_at = changed_at
        return self._policies
