"""The kinds of policies there are, and who reads each: several front ends of one rule set."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from kubeapi.objects import Object
from kubeapi.resources import (
    ADMINNETWORKPOLICIES,
    BASELINEADMINNETWORKPOLICIES,
    CLUSTERNETWORKPOLICIES,
    NETWORKPOLICIES,
    Resource,
)
from nodeagent.policy import adminnetworkpolicy, clusternetworkpolicy, networkpolicy
from nodeagent.policy.spec import PolicySpec

Reader = Callable[[Object], PolicySpec]

FRONT_ENDS: Final[Mapping[Resource, Reader]] = {
    NETWORKPOLICIES: networkpolicy.read,
    ADMINNETWORKPOLICIES: adminnetworkpolicy.read,
    BASELINEADMINNETWORKPOLICIES: adminnetworkpolicy.read_baseline,
    CLUSTERNETWORKPOLICIES: clusternetworkpolicy.read,
}
