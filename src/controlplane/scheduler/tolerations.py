"""Taints and tolerations (upstream: component-helpers `corev1`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kubeapi.objects import Object


@dataclass(frozen=True, slots=True)
class Taint:
    """What a node has against pods."""

    key: str
    value: str
    effect: str  # "NoSchedule", "PreferNoSchedule", "NoExecute"

    @classmethod
    def from_object(cls, taint: Object) -> Taint:
        return cls(taint.get("key") or "", taint.get("value") or "", taint.get("effect") or "")


@dataclass(frozen=True, slots=True)
class Toleration:
    """What a pod puts up with."""

    key: str
    operator: str
    value: str
    effect: str

    @classmethod
    def from_object(cls, toleration: Object) -> Toleration:
        return cls(
            toleration.get("key") or "",
            toleration.get("operator") or "Equal",
            toleration.get("value") or "",
            toleration.get("effect") or "",
        )

    def tolerates(self, taint: Taint) -> bool:
        """Empty effect means any; empty key (with Exists) means any."""
        if self.effect and self.effect != taint.effect:
            return False
        if self.key and self.key != taint.key:
            return False
        return self.operator == "Exists" or self.value == taint.value


def tolerated(taint: Taint, tolerations: Sequence[Toleration]) -> bool:
    return any(toleration.tolerates(taint) for toleration in tolerations)
