"""What each kind costs (upstream: pkg/quota/v1/install).

Pods, Services and claims cost more than a place in the store; every other kind of a namespace
costs `count/RESOURCE.GROUP`, and some of the core group their bare name as well.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from controlplane.quota import pods
from controlplane.quota.amounts import ONE, Amounts, read
from kubeapi.objects import Object
from kubeapi.resources import PERSISTENTVOLUMECLAIMS, PODS, SERVICES, Resource

_BARE_NAMES: Final = ("configmaps", "secrets", "replicationcontrollers", "resourcequotas")
_CLASS_ANNOTATION: Final = "volume.beta.kubernetes.io/storage-class"
_CLASS_SUFFIX: Final = ".storageclass.storage.k8s.io/"

Usage = Callable[[Object, float], Amounts]
Selector = tuple[str, str, tuple[str, ...]]  # Scope, operator, values.


@dataclass(frozen=True, slots=True)
class Evaluator:
    """What objects of one kind cost."""

    resource: Resource
    usage: Usage
    concerns: Callable[[str], bool]
    on_update: bool  # Whether an update may cost more.

    def matching(self, names: Iterable[str]) -> list[str]:
        """Return those resources of a quota that this kind costs."""
        return sorted(name for name in names if self.concerns(name))

    def matches(self, quota: Object, hard: Collection[str], obj: Object) -> bool:
        """Tell whether *quota* is charged for *obj*."""
        return bool(self.matching(hard)) and all(
            self.resource == PODS and pods.is_in_scope(obj, *selector)
            for selector in scopes_of(quota)
        )


def scopes_of(quota: Object) -> list[Selector]:
    """Return the scopes of a quota, both ways to write them."""
    spec = quota.get("spec") or {}
    rows = (spec.get("scopeSelector") or {}).get("matchExpressions") or ()
    return [
        *((scope, "Exists", ()) for scope in spec.get("scopes") or ()),
        *((row["scopeName"], row["operator"], tuple(row.get("values") or ())) for row in rows),
    ]


def count_name(resource: Resource) -> str:
    return f"count/{resource.qualified}"


def _service_usage(service: Object, _now: float) -> Amounts:
    spec = service.get("spec") or {}
    ports = Fraction(len(spec.get("ports") or ()))
    counted: Amounts = {
        count_name(SERVICES): ONE,
        "services": ONE,
        "services.nodeports": Fraction(),
        "services.loadbalancers": Fraction(),
    }
    if spec.get("type") == "NodePort":
        counted["services.nodeports"] = ports
    elif spec.get("type") == "LoadBalancer":
        given = spec.get("allocateLoadBalancerNodePorts")
        if given is None or given:
            counted["services.nodeports"] = ports
        else:
            chosen = [port for port in spec.get("ports") or () if port.get("nodePort")]
            counted["services.nodeports"] = Fraction(len(chosen))
        counted["services.loadbalancers"] = ONE
    return counted


def _claim_usage(claim: Object, _now: float) -> Amounts:
    spec, metadata = claim.get("spec") or {}, claim.get("metadata") or {}
    name = (metadata.get("annotations") or {}).get(_CLASS_ANNOTATION)
    storage_class = name or spec.get("storageClassName") or ""
    asked = read((spec.get("resources") or {}).get("requests")).get("storage")
    usage: Amounts = {count_name(PERSISTENTVOLUMECLAIMS): ONE}
    for prefix in ("", storage_class + _CLASS_SUFFIX if storage_class else None):
        if prefix is not None:
            usage[f"{prefix}persistentvolumeclaims"] = ONE
            usage |= {} if asked is None else {f"{prefix}requests.storage": asked}
    return usage


def _concerns_services(name: str) -> bool:
    return name in _service_usage({}, 0)


def _concerns_claims(name: str) -> bool:
    bare = name.partition(_CLASS_SUFFIX)[2] or name
    return bare in ("persistentvolumeclaims", "requests.storage") or name == count_name(
        PERSISTENTVOLUMECLAIMS
    )


_OWN: Final = {
    PODS: Evaluator(PODS, pods.usage, pods.concerns, False),
    SERVICES: Evaluator(SERVICES, _service_usage, _concerns_services, True),
    PERSISTENTVOLUMECLAIMS: Evaluator(PERSISTENTVOLUMECLAIMS, _claim_usage, _concerns_claims, True),
}


def evaluator_of(resource: Resource) -> Evaluator:
    """Return the evaluator of a kind of namespaces' objects."""
    own = _OWN.get(resource)
    if own is not None:
        return own
    names = [count_name(resource)]
    if not resource.group and resource.plural in _BARE_NAMES:
        names.append(resource.plural)
    counted = dict.fromkeys(names, ONE)
    return Evaluator(resource, lambda _obj, _now: dict(counted), counted.__contains__, False)
