"""A Deployment with its ReplicaSets: which is the new one, which are old (upstream: util).

The new ReplicaSet is the oldest one whose pod template equals the Deployment's, apart from the
pod-template-hash label: an earlier template applied again finds its earlier ReplicaSet again,
which is all that a rollback is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from controlplane.controllermanager import pod_facts
from controlplane.controllermanager.int_or_percent import Rounding, resolve
from kubeapi.objects import Object, name_of

TEMPLATE_HASH: Final = "pod-template-hash"
_DEFAULT_SHARE: Final = "25%"


def replicas(obj: Object) -> int:
    """Return `spec.replicas`, of a Deployment or a ReplicaSet."""
    count = obj["spec"].get("replicas")
    return 1 if count is None else int(count)


def observed(replica_set: Object, field: str) -> int:
    """Return a number of the ReplicaSet's status."""
    return int((replica_set.get("status") or {}).get(field) or 0)


@dataclass(frozen=True, slots=True)
class Scale:
    """A ReplicaSet is to have this many replicas."""

    replica_set: Object
    to: int


@dataclass(frozen=True, slots=True)
class View:
    """A Deployment and what belongs to it; *old* by age, the oldest first."""

    deployment: Object
    new: Object | None
    old: tuple[Object, ...]

    @property
    def all(self) -> tuple[Object, ...]:
        return self.old if self.new is None else (*self.old, self.new)

    @property
    def active(self) -> tuple[Object, ...]:
        """Return the ReplicaSets that want any pod."""
        return tuple(one for one in self.all if replicas(one) > 0)

    @property
    def active_old(self) -> tuple[Object, ...]:
        return tuple(one for one in self.old if replicas(one) > 0)

    @property
    def wanted(self) -> int:
        return replicas(self.deployment)

    @property
    def is_rolling(self) -> bool:
        strategy = self.deployment["spec"].get("strategy") or {}
        return bool(strategy.get("type", "RollingUpdate") == "RollingUpdate")

    @property
    def max_surge(self) -> int:
        return self._fenceposts()[0]

    @property
    def max_unavailable(self) -> int:
        return min(self._fenceposts()[1], self.wanted)

    def _fenceposts(self) -> tuple[int, int]:
        """Return (surge, unavailable); not both 0, or nothing could ever move."""
        if not self.is_rolling or self.wanted == 0:
            return 0, 0
        strategy = self.deployment["spec"].get("strategy") or {}
        rolling = strategy.get("rollingUpdate") or {}
        surge = resolve(rolling.get("maxSurge", _DEFAULT_SHARE), self.wanted, Rounding.UP)
        unavailable = resolve(
            rolling.get("maxUnavailable", _DEFAULT_SHARE), self.wanted, Rounding.DOWN
        )
        return (surge, unavailable) if surge or unavailable else (0, 1)


def total_wanted(replica_sets: Sequence[Object]) -> int:
    return sum(replicas(one) for one in replica_sets)


def total_observed(replica_sets: Sequence[Object], field: str) -> int:
    return sum(observed(one, field) for one in replica_sets)


def view_of(deployment: Object, replica_sets: Sequence[Object]) -> View:
    """Return *deployment* with its *replica_sets*, sorted into new and old."""
    by_age = sorted(replica_sets, key=lambda one: (pod_facts.created_at(one), name_of(one)))
    template = comparable(deployment["spec"]["template"])
    new = next((one for one in by_age if comparable(one["spec"]["template"]) == template), None)
    return View(deployment, new, tuple(one for one in by_age if one is not new))


def comparable(template: Object) -> Object:
    """Return *template* without the hash label and without what says nothing."""
    metadata = dict(template.get("metadata") or {})
    labels = dict(metadata.get("labels") or {})
    labels.pop(TEMPLATE_HASH, None)
    metadata["labels"] = labels
    return {
        "metadata": {key: value for key, value in metadata.items() if value},
        "spec": template.get("spec") or {},
    }
