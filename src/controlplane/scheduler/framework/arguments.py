"""The plugins' arguments: pluginConfig of a KubeSchedulerConfiguration, as upstream names them.

Defaults are upstream's, too (kube-scheduler/config/v1 types_pluginargs.go). Fields keep upstream's
spelling, as in every file of the API. Here stands what may be written; what makes sense says
`arguments_validation`.
"""

from __future__ import annotations

import msgspec

from kubeapi.objects import Object


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


class ResourceSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A resource that counts, and how much."""

    name: str
    weight: int = 1


class ShapePoint(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """At *utilization* per cent the score is *score*, 0 to 10."""

    utilization: int
    score: int


class RequestedToCapacityRatio(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Scores by a line through points."""

    shape: tuple[ShapePoint, ...]


CPU_AND_MEMORY = (ResourceSpec("cpu", 1), ResourceSpec("memory", 1))


class ScoringStrategy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How free or full nodes are preferred."""

    type: str = "LeastAllocated"
    resources: tuple[ResourceSpec, ...] = CPU_AND_MEMORY
    requestedToCapacityRatio: RequestedToCapacityRatio | None = None


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
    defaultingType: str = "System"


class InterPodAffinityArgs(Arguments, frozen=True, kw_only=True, forbid_unknown_fields=True):
    hardPodAffinityWeight: int = 1
    ignorePreferredTermsOfExistingPods: bool = False


class DefaultPreemptionArgs(Arguments, frozen=True, kw_only=True, forbid_unknown_fields=True):
    minCandidateNodesPercentage: int = 10
    minCandidateNodesAbsolute: int = 100
