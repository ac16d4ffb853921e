"""ValidatingAdmissionPolicy: policies judge what is written; bindings say what follows."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Final

import msgspec

from controlplane.apiserver.admission.attributes import Attributes, Operation, Validating
from controlplane.apiserver.admission.expressions import Variables
from controlplane.apiserver.admission.matching import EXEMPT, asked_kind
from controlplane.apiserver.admission.policy.definitions import Binding, Policies, Policy
from controlplane.apiserver.admission.webhook.asking import Asking
from controlplane.apiserver.conversion import settled
from controlplane.apiserver.kinds.kind import Kind
from kubeapi.objects import Object
from kubeapi.status import StatusError, forbidden

if TYPE_CHECKING:
    from controlplane.apiserver.admission.policy.judging import Violation

_CODES: Final = {
    "Forbidden": 403,
    "Invalid": 422,
    "RequestEntityTooLarge": 413,
}
_FAILURE: Final = "validation.policy.admission.k8s.io/validation_failure"


@dataclass(slots=True)
class _Findings:
    """What all policies have to say of one write."""

    refusal: StatusError | None = None
    audited: list[Object] = field(default_factory=list)
    annotations: dict[str, list[str]] = field(default_factory=dict)

    def add(self, other: _Findings) -> None:
        self.refusal = self.refusal or other.refusal
        self.audited += other.audited
        for key, texts in other.annotations.items():
            self.annotations.setdefault(key, []).extend(texts)


class ValidatingAdmissionPolicy(Validating):
    """Asks policies by name, each with every binding and all its parameters."""

    name = "ValidatingAdmissionPolicy"

    def __init__(self, asking: Asking, kinds: Callable[[], Iterable[Kind]]) -> None:
        self._asking, self._kinds = asking, kinds
        self._policies = Policies(asking.cacher)

    def handles(self, operation: Operation, kind: Kind, subresource: str) -> bool:
        return kind.resource not in EXEMPT

    async def validate(self, attributes: Attributes) -> None:
        policies = self._policies.all()
        if not policies:
            return
        findings = _Findings()
        for policy in policies:
            findings.add(await settled(partial(self._judged, policy, attributes)))
        if findings.audited:
            attributes.annotate(_FAILURE, msgspec.json.encode(findings.audited).decode())
        for key, texts in findings.annotations.items():
            attributes.annotate(key, ", ".join(dict.fromkeys(texts)))
        if findings.refusal is not None:
            raise findings.refusal

    def _judged(self, policy: Policy, attributes: Attributes) -> _Findings:
        findings, asking = _Findings(), self._asking
        versions, asked = asking.versions(attributes.kind), asked_kind(attributes)
        kind = policy.matching.kind_of(attributes, asked, versions, asking.cacher)
        if kind is None:
            return findings
        for binding in policy.bindings:
            matching = binding.matching
            if matching is not None and matching.rules:
                bound = matching.kind_of(attributes, asked, versions, asking.cacher)
            else:
                bound = kind if self._selected(binding, attributes) else None
            if bound is not None:
                self._judge_bound(policy, binding, attributes, kind, findings)
        return findings

    def _selected(self, binding: Binding, attributes: Attributes) -> bool:
        """Tell whether a binding without rules of its own means the write."""
        return binding.matching is None or binding.matching.selects(
            attributes, asked_kind(attributes), self._asking.cacher
        )

    def _judge_bound(
        self,
        policy: Policy,
        binding: Binding,
        attributes: Attributes,
        kind: Kind,
        findings: _Findings,
    ) -> None:
        from controlplane.apiserver.admission.policy.judging import Violation, judge
        from controlplane.apiserver.admission.policy.parameters import (
            BadConfiguration,
            parameters,
        )

        asking = self._asking
        try:
            found = parameters(policy, binding, attributes, self._kinds(), asking.cacher)
        except BadConfiguration as error:
            if not policy.fails_open:
                why = f"failed to configure binding: {error}"
                _deny(policy, binding, attributes, Violation(why), findings)
            return
        for params in found:
            variables = Variables(attributes, kind, asking.cacher, asking.authorize)
            variables.put("params", params)
            judgement = judge(policy, variables)
            for key, text in judgement.annotations:
                findings.annotations.setdefault(f"{policy.name}/{key}", []).append(text)
            for violation in judgement.violations:
                _act(policy, binding, attributes, violation, findings)


def _act(
    policy: Policy, binding: Binding, attributes: Attributes, violation: Violation, found: _Findings
) -> None:
    if "Deny" in binding.actions:
        _deny(policy, binding, attributes, violation, found)
    if "Warn" in binding.actions:
        attributes.warn(
            f"Validation failed for ValidatingAdmissionPolicy '{policy.name}' with binding"
            f" '{binding.name}': {violation.message}"
        )
    if "Audit" in binding.actions:
        found.audited.append(
            {
                "message": violation.message,
                "policy": policy.name,
                "binding": binding.name,
                "expressionIndex": violation.index,
                "validationActions": sorted(binding.actions),
            }
        )


def _deny(
    policy: Policy, binding: Binding, attributes: Attributes, violation: Violation, found: _Findings
) -> None:
    if found.refusal is not None:
        return
    message = (
        f"ValidatingAdmissionPolicy '{policy.name}' with binding '{binding.name}' denied request:"
        f" {violation.message}"
    )
    error = forbidden(attributes.kind.resource, attributes.name, message)
    error.reason, error.code = violation.reason, _CODES[violation.reason]
    error.details["causes"] = [{"message": message}]
    found.refusal = error
