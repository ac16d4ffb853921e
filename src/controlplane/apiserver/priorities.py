"""Which group and version a name is looked for in first (upstream: apiVersionPriorities).

APIServices carry these numbers, and discovery lists groups in their order.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

_GROUPS: Final[Mapping[str, int]] = {
    "": 18_000,
    "apps": 17_800,
    "events.k8s.io": 17_750,
    "authentication.k8s.io": 17_700,
    "authorization.k8s.io": 17_600,
    "autoscaling": 17_500,
    "batch": 17_400,
    "certificates.k8s.io": 17_300,
    "networking.k8s.io": 17_200,
    "policy": 17_100,
    "rbac.authorization.k8s.io": 17_000,
    "storage.k8s.io": 16_800,
    "apiextensions.k8s.io": 16_700,
    "apiregistration.k8s.io": 16_700,
    "admissionregistration.k8s.io": 16_700,
    "scheduling.k8s.io": 16_600,
    "coordination.k8s.io": 16_500,
    "node.k8s.io": 16_300,
    "discovery.k8s.io": 16_200,
}
_CUSTOM_GROUP, _CUSTOM_VERSION = 1_000, 100
_VERSION: Final = 15
_VERSIONS: Final[Mapping[tuple[str, str], int]] = {("", "v1"): 1, ("autoscaling", "v2"): 30}


def is_built_in(group: str) -> bool:
    """Tell whether a release of Kubernetes has *group*."""
    return group in _GROUPS


def of_group(group: str) -> int:
    """Return the priority of *group*; the highest is looked at first."""
    return _GROUPS.get(group, _CUSTOM_GROUP)


def of_version(group: str, version: str) -> int:
    """Return the priority of a version within its group."""
    if not is_built_in(group):
        return _CUSTOM_VERSION
    return _VERSIONS.get((group, version), _VERSION)
