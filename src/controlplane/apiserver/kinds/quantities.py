"""Resource lists (`cpu: 100m`): their canonical form and what may be wrong with them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from kubeapi import field, validation
from kubeapi.quantity import QuantityError, canonical, parse_quantity
from kubeapi.status import Cause

Quantities = Mapping[str, str | int | float]

#: Resources of containers and nodes without a domain (upstream: standardContainerResources).
STANDARD: Final = ("cpu", "ephemeral-storage", "memory")
#: What a quota may count or sum up, without a domain (upstream: standardQuotaResources).
COUNTED: Final = (
    "pods",
    "resourcequotas",
    "services",
    "replicationcontrollers",
    "secrets",
    "persistentvolumeclaims",
    "configmaps",
    "services.nodeports",
    "services.loadbalancers",
)
OF_QUOTAS: Final = (
    *STANDARD,
    *(f"requests.{name}" for name in (*STANDARD, "storage")),
    *(f"limits.{name}" for name in STANDARD),
    *COUNTED,
)
_HUGE_PAGES: Final = "hugepages-"
NOT_NEGATIVE: Final = "must be greater than or equal to 0"


def canonicalized(quantities: Quantities) -> dict[str, str | int | float]:
    """Return *quantities* as upstream stores them; what is none stays, for validation to name."""
    return {name: _canonical(text) for name, text in quantities.items()}


def _canonical(text: str | int | float) -> str | int | float:
    try:
        return canonical(text)
    except QuantityError:
        return text


def is_overcommittable(name: str) -> bool:
    """Tell whether a limit above the request makes sense (not for devices and huge pages)."""
    return name in STANDARD or ("kubernetes.io/" in name and not name.startswith(_HUGE_PAGES))


def is_of_quotas(name: str) -> bool:
    """Tell whether a resource without a domain is one that quotas know."""
    return name in OF_QUOTAS or name.startswith((_HUGE_PAGES, f"requests.{_HUGE_PAGES}"))


def is_extended(name: str) -> bool:
    """Tell devices of vendors: they have a domain, and it is not Kubernetes'."""
    return "/" in name and "kubernetes.io/" not in name and not name.startswith("requests.")


def is_known(name: str) -> bool:
    """Tell whether a resource without a domain is one that containers may ask for."""
    return "/" in name or name in STANDARD or name.startswith(_HUGE_PAGES)


def validate(quantities: Quantities, path: str) -> Iterator[Cause]:
    """Judge names and numbers of a resource list."""
    for name, text in quantities.items():
        at = f"{path}[{name}]"
        yield from validation.validate_name(name, at, validation.qualified_name)
        try:
            number = parse_quantity(text)
        except QuantityError as error:
            yield field.invalid(at, text, str(error))
            continue
        if number < 0:
            yield field.invalid(at, str(text), NOT_NEGATIVE)
        elif number.denominator != 1 and not is_overcommittable(name):
            yield field.invalid(at, str(text), "must be an integer")
