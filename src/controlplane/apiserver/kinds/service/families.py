"""Which address families a Service has (KEP-563; upstream: service/storage `initIPFamilyFields`).

A user names a policy, families, cluster IPs, any of them or none; `settle` infers what is missing
and leaves contradictions to validation. A Service never goes from one family to two, or back,
unless its policy says so: one that merely prefers two and is written as it was stays as it was,
even where the cluster has been given or deprived of a family since.

*configured* are the cluster's families, its first one foremost.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from ipaddress import ip_address
from typing import Final

from controlplane.apiserver.kinds.addresses import validate_address
from controlplane.apiserver.kinds.go_syntax import go_strings
from controlplane.apiserver.kinds.service.strategy import HEADLESS, is_headless, needs_cluster_ip
from kubeapi import field
from kubeapi.objects import Object
from kubeapi.status import Cause

FAMILIES: Final = ("IPv4", "IPv6")
_POLICIES: Final = ("PreferDualStack", "RequireDualStack", "SingleStack")
_SINGLE: Final = "SingleStack"
_REQUIRE: Final = "RequireDualStack"
_PREFER: Final = "PreferDualStack"
_CLUSTER_IPS_MAX: Final = 2


def family_of(address: str) -> str:
    """Return the family of a well-formed *address*."""
    return FAMILIES[ip_address(address).version == 6]


def settle(service: Object, old: Object | None, configured: Sequence[str]) -> None:
    """Fill in policy and families, and take away what a step down to one family gives up."""
    if not needs_cluster_ip(service):
        return
    spec, before = service["spec"], (old or {}).get("spec") or {}
    if old is not None:
        _trim(spec, before)
        if _prefers_what_it_had(spec, before):
            return
    free_choice = is_headless(service) and not spec.get("selector")
    if not spec.get("ipFamilyPolicy"):
        default = _REQUIRE if free_choice else _SINGLE
        spec["ipFamilyPolicy"] = before.get("ipFamilyPolicy") or default
    if any(_malformed(spec)):
        return
    families = list(spec.get("ipFamilies") or ())
    families += map(family_of, _cluster_ips(spec)[len(families) :])
    families = families or [configured[0]]
    wants_two = spec["ipFamilyPolicy"] != _SINGLE
    if wants_two and len(families) == 1 and (free_choice or len(configured) == len(FAMILIES)):
        families += [family for family in FAMILIES if family not in families]
    spec["ipFamilies"] = families


def _cluster_ips(spec: Object) -> list[str]:
    return [address for address in spec.get("clusterIPs") or () if address != HEADLESS]


def _trim(spec: Object, before: Object) -> None:
    """Drop the second address and family when the policy says that there is one from now on."""
    if before.get("ipFamilyPolicy") not in (_PREFER, _REQUIRE):
        return
    if spec.get("ipFamilyPolicy") == _SINGLE:
        for key in ("clusterIPs", "ipFamilies"):
            if len(spec.get(key) or ()) > 1:
                spec[key] = spec[key][:1]


def _prefers_what_it_had(spec: Object, before: Object) -> bool:
    return all(one.get("ipFamilyPolicy") == _PREFER for one in (spec, before)) and all(
        (spec.get(key) or []) == (before.get(key) or []) for key in ("clusterIPs", "ipFamilies")
    )


def validate(service: Object, configured: Sequence[str]) -> Iterator[Cause]:
    """Judge policy, families and cluster IPs (ValidateServiceClusterIPsRelatedFields)."""
    spec = service["spec"]
    if spec["type"] == "ExternalName":
        detail = "may not be set for ExternalName services"
        for key in ("clusterIPs", "ipFamilies", "ipFamilyPolicy"):
            if spec.get(key):
                yield field.forbidden(f"spec.{key}", detail)
    if not needs_cluster_ip(service):
        return
    malformed = list(_malformed(spec))
    yield from malformed
    if not malformed:
        yield from _contradictions(spec)
        if spec.get("selector") or not is_headless(service):
            yield from _not_configured(spec, configured)


def _malformed(spec: Object) -> Iterator[Cause]:
    """Judge each field alone: who finds nothing here may read them without care."""
    families = spec.get("ipFamilies") or []
    for index, family in enumerate(families):
        if family not in FAMILIES:
            yield field.not_supported(f"spec.ipFamilies[{index}]", family, FAMILIES)
        elif family in families[:index]:
            yield field.duplicate(f"spec.ipFamilies[{index}]", family)
    policy = spec.get("ipFamilyPolicy")
    if policy is not None and policy not in _POLICIES:
        yield field.not_supported("spec.ipFamilyPolicy", policy, _POLICIES)
    yield from _malformed_addresses(spec.get("clusterIPs") or [])


def _malformed_addresses(addresses: list[str]) -> Iterator[Cause]:
    shown = go_strings(addresses)
    if len(addresses) > _CLUSTER_IPS_MAX:
        detail = f"may only hold up to {_CLUSTER_IPS_MAX} values"
        yield field.invalid("spec.clusterIPs", shown, detail)
    causes: list[Cause] = []
    for index, address in enumerate(addresses):
        if index == 0 and address == HEADLESS:
            if len(addresses) > 1:
                detail = "'None' must be the first and only value"
                causes.append(field.invalid("spec.clusterIPs", shown, detail))
        else:
            causes += validate_address(address, f"spec.clusterIPs[{index}]")
    yield from causes
    if not causes and len(addresses) == 2 and family_of(addresses[0]) == family_of(addresses[1]):
        detail = "may specify no more than one IP for each IP family"
        yield field.invalid("spec.clusterIPs", shown, detail)


def _contradictions(spec: Object) -> Iterator[Cause]:
    addresses, families = _cluster_ips(spec), spec.get("ipFamilies") or []
    for index, (address, family) in enumerate(zip(addresses, families, strict=False)):
        if family_of(address) != family:
            detail = f"expected an {family} value as indicated by `ipFamilies[{index}]`"
            yield field.invalid(f"spec.clusterIPs[{index}]", address, detail)
    if spec["ipFamilyPolicy"] != _SINGLE:
        return
    for key, values in (("clusterIPs", addresses), ("ipFamilies", families)):
        if len(values) > 1:
            detail = f"must be RequireDualStack or PreferDualStack when multiple '{key}' are"
            yield field.invalid("spec.ipFamilyPolicy", _SINGLE, f"{detail} specified")
            return


def _not_configured(spec: Object, configured: Sequence[str]) -> Iterator[Cause]:
    if spec["ipFamilyPolicy"] == _REQUIRE and len(configured) < len(FAMILIES):
        detail = "this cluster is not configured for dual-stack services"
        yield field.invalid("spec.ipFamilyPolicy", _REQUIRE, detail)
    addresses = _cluster_ips(spec)
    for index, family in enumerate(spec.get("ipFamilies") or ()):
        if family in configured:
            continue
        if index < len(addresses):
            detail = f"{family} is not configured on this cluster"
            yield field.invalid(f"spec.clusterIPs[{index}]", go_strings(addresses), detail)
        else:
            detail = "not configured on this cluster"
            yield field.invalid(f"spec.ipFamilies[{index}]", family, detail)


def validate_update(new: Object, old: Object) -> Iterator[Cause]:
    """Judge a change: the first stays, the second may come, and go with the policy's leave."""
    for key, name in (("clusterIPs", "clusterIP"), ("ipFamilies", "ipFamily")):
        after, before = new["spec"].get(key) or [], old["spec"].get(key) or []
        shown = go_strings(after)
        if before and not after:
            yield field.invalid(f"spec.{key}[0]", shown, f"primary {name} can not be unset")
            continue
        for index, (one, other) in enumerate(zip(after, before, strict=False)):
            if one != other:
                detail = "may not change once set"
                yield field.invalid(f"spec.{key}[{index}]", shown, detail)
        policy = new["spec"].get("ipFamilyPolicy")
        if len(after) == 1 < len(before) and policy != _SINGLE:
            detail = f"must be set to 'SingleStack' when releasing the secondary {name}"
            yield field.invalid("spec.ipFamilyPolicy", policy, detail)
