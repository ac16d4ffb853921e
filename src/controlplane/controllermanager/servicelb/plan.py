"""What a Service needs of its load balancer: an address, its release, or an explanation.

Upstream's rules (k8s.io/cloud-provider/controllers/service): a finalizer holds the Service until
its balancer is released; a `loadBalancerClass` that is not ours is somebody else's affair. Who has
which address stands in the Services' status and nowhere else.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from controlplane.controllermanager.servicelb.pool import NUMBERS, Pool
from kubeapi.objects import Object, is_being_deleted, key_of, uid_of

FINALIZER: Final = "service.kubernetes.io/load-balancer-cleanup"
CLASS: Final = "podwire.io/loadbalancer"

#: Who has a number: the key of its Service.
Holders = Mapping[int, str]


@dataclass(frozen=True, slots=True)
class Ensure:
    """Give the Service the address *number*."""

    number: int


@dataclass(frozen=True, slots=True)
class Release:
    """Take the address away, and let the Service go."""


@dataclass(frozen=True, slots=True)
class Refuse:
    """It cannot have an address now; *why* is for people."""

    why: str


def has_finalizer(service: Object) -> bool:
    """Tell whether the Service waits for the release of its address."""
    return FINALIZER in (service["metadata"].get("finalizers") or ())


def ingress_of(service: Object) -> list[Object]:
    """Return what the Service's status says."""
    balancer = (service.get("status") or {}).get("loadBalancer") or {}
    return list(balancer.get("ingress") or ())


def number_in(service: Object, pool: Pool) -> int | None:
    """Return which address its status says that the Service has."""
    numbers = (pool.number_of(item.get("ip") or "") for item in ingress_of(service))
    return next((number for number in numbers if number is not None), None)


def holders(services: Iterable[Object], pool: Pool) -> dict[int, str]:
    """Return who has which number; of two that claim one, the older has it."""
    found: dict[int, str] = {}
    for service in sorted(services, key=_age):
        number = number_in(service, pool)
        if number is not None:
            found.setdefault(number, key_of(service))
    return found


def _age(service: Object) -> tuple[str, str]:
    return service["metadata"].get("creationTimestamp") or "", uid_of(service)


def plan(service: Object, held: Holders, pool: Pool) -> Ensure | Release | Refuse | None:
    """Return the next step for *service*; None when there is nothing to do."""
    spec = service["spec"]
    if (spec.get("loadBalancerClass") or CLASS) != CLASS:
        return None
    if spec.get("type") != "LoadBalancer" or is_being_deleted(service):
        return Release() if has_finalizer(service) else None
    number = _choose(service, held, pool)
    if isinstance(number, Refuse):
        return number
    wanted = pool.ingress(number, spec.get("ipFamilies") or ["IPv4"])
    if has_finalizer(service) and ingress_of(service) == wanted:
        return None
    return Ensure(number)


def _choose(service: Object, held: Holders, pool: Pool) -> int | Refuse:
    """Return the number that *service* asks for, else the one that it has, else the first free."""
    key, asked = key_of(service), service["spec"].get("loadBalancerIP") or ""
    if asked:
        number = pool.number_of(asked)
        if number is None:
            return Refuse(f"loadBalancerIP {asked} is not one of {pool}")
        owner = held.get(number, key)
        return number if owner == key else Refuse(f"loadBalancerIP {asked} belongs to {owner}")
    own = next((number for number, owner in held.items() if owner == key), None)
    free = own or next((number for number in NUMBERS if number not in held), None)
    return free or Refuse(f"all addresses are in use: {pool}")
