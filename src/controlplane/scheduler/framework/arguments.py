"""The plugins' arguments: pluginConfig of a KubeSchedulerConfiguration, as upstream names them.

Defaults are upstream's, too (kube-scheduler/config/v1 types_pluginargs.go). Fields keep upstream's
spelling, as in every file of the API. What msgspec cannot say of a value is checked in
`__post_init__`.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from kubeapi.objects import Object

_SHAPE_SCORE_MAX = 10
_WEIGHT_MAX = 100


class Arguments(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of all; both fields may stand in a file and say nothing new."""

    apiVersion: str = ""
    kind: str = ""


class NoArgs(Arguments, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Of plugins that have none."""


class NodeAffinityArgs(Arguments, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """*addedAffinity*: a NodeAffinity that holds for all pods of the profile."""

    addedAffinity: Object | None = None


class VolumeBindingArgs(Arguments, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long a pod's volumes may take to be bound."""

    bindTimeoutSeconds: int = 600

    def __post_init__(self) -> None:
        if self.bindTimeoutSeconds < 0:
            raise ValueError("bindTimeoutSeconds must be a positive integer")


class ResourceSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A resource that counts, and how much."""

    name: str
    weight: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.weight <= _WEIGHT_MAX:
            raise ValueError(f"resource weight of {self.name} must be in the range [1, 100]")


class ShapePoint(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """At *utilization* per cent the score is *score*, 0 to 10."""

    utilization: int
    score: int

    def __post_init__(self) -> None:
        if not 0 <= self.utilization <= 100:
            raise ValueError("utilization must be in the range [0, 100]")
        if not 0 <= self.score <= _SHAPE_SCORE_MAX:
            raise ValueError("score must be in the range [0, 10]")


class RequestedToCapacityRatio(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Scores by a line through points."""

    shape: tuple[ShapePoint, ...]

    def __post_init__(self) -> None:
        at = [point.utilization for point in self.shape]
        if not at:
            raise ValueError("at least one point must be specified in shape")
        if at != sorted(set(at)):
            raise ValueError("utilization values must be sorted in increasing order")


CPU_AND_MEMORY = (ResourceSpec("cpu", 1), ResourceSpec("memory", 1))


class ScoringStrategy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How free or full nodes are preferred."""

    type: Literal["LeastAllocated", "MostAllocated", "RequestedToCapacityRatio"] = "LeastAllocated"
    resources: tuple[ResourceSpec, ...] = CPU_AND_MEMORY
    requestedToCapacityRatio: RequestedToCapacityRatio | None = None

    def __post_init__(self) -> None:
        if self.type == "RequestedToCapacityRatio" and self.requestedToCapacityRatio is None:
            raise ValueError("RequestedToCapacityRatio needs requestedToCapacityRatio.shape")


class NodeResourcesFitArgs(Arguments, frozen=True, kw_only=True, forbid_unknown_fields=True):
    ignoredResources: tuple[str, ...] = ()
    ignoredResourceGroups: tuple[str, ...] = ()
    scoringStrategy: ScoringStrategy = ScoringStrategy()


class NodeResourcesBalancedAllocationArgs(
    Arguments, frozen=True, kw_only=True, forbid_unknown_fields=True
):
    resources: tuple[ResourceSpec, ...] = CPU_AND_MEMORY


class PodTopologySpreadArgs(Arguments, frozen=True, kw_only=True, forbid_unknown_fields=True):
    defaultConstraints: tuple[Object, ...] = ()
    defaultingType: Literal["System", "List"] = "System"

    def __post_init__(self) -> None:
        if self.defaultingType == "System" and self.defaultConstraints:
            raise ValueError("when .defaultingType is System, .defaultConstraints must be empty")


class InterPodAffinityArgs(Arguments, frozen=True, kw_only=True, forbid_unknown_fields=True):
    hardPodAffinityWeight: int = 1
    ignorePreferredTermsOfExistingPods: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.hardPodAffinityWeight <= _WEIGHT_MAX:
            raise ValueError("hardPodAffinityWeight must be in the range [0, 100]")


class DefaultPreemptionArgs(Arguments, frozen=True, kw_only=True, forbid_unknown_fields=True):
    minCandidateNodesPercentage: int = 10
    minCandidateNodesAbsolute: int = 100

    def __post_init__(self) -> None:
        if not 0 <= self.minCandidateNodesPercentage <= 100:
            raise ValueError("minCandidateNodesPercentage must be in the range [0, 100]")
        if self.minCandidateNodesAbsolute < 0:
            raise ValueError("minCandidateNodesAbsolute must not be negative")
        if self.minCandidateNodesPercentage == 0 == self.minCandidateNodesAbsolute:
            raise ValueError(
                "minCandidateNodesPercentage and minCandidateNodesAbsolute cannot both be 0"
            )
