"""How a pod resolves names: dnsPolicy, dnsConfig, hostAliases (upstream: validatePodDNSConfig)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from controlplane.apiserver.kinds.addresses import validate_address
from controlplane.apiserver.kinds.go_syntax import go_strings
from kubeapi import field, validation
from kubeapi.objects import Object
from kubeapi.status import Cause

POLICIES: Final = ("ClusterFirst", "ClusterFirstWithHostNet", "Default", "None")
_NAMESERVERS_MAX: Final = 3
_SEARCHES_MAX: Final = 32
_SEARCHES_OCTETS_MAX: Final = 2048


def validate_dns(spec: Object, path: str) -> Iterator[Cause]:
    """Judge what *spec*, under *path*, says of names."""
    config, at = spec.get("dnsConfig") or {}, f"{path}.dnsConfig"
    yield from _nameservers(spec["dnsPolicy"], config.get("nameservers") or [], at)
    yield from _searches(config.get("searches") or [], f"{at}.searches")
    for index, option in enumerate(config.get("options") or ()):
        if not option.get("name"):
            yield field.required(f"{at}.options[{index}]", "must not be empty")
    for index, alias in enumerate(spec.get("hostAliases") or []):
        alias_path = f"{path}.hostAliases[{index}]"
        yield from validate_address(alias.get("ip") or "", f"{alias_path}.ip")
        for number, name in enumerate(alias.get("hostnames") or []):
            name_path = f"{alias_path}.hostnames[{number}]"
            yield from validation.validate_name(name, name_path, validation.dns1123_subdomain)


def _nameservers(policy: str, servers: list[str], path: str) -> Iterator[Cause]:
    at = f"{path}.nameservers"
    if policy == "None" and not servers:
        detail = f"must provide at least one DNS nameserver when `dnsPolicy` is {policy}"
        yield field.required(at, detail)
    if len(servers) > _NAMESERVERS_MAX:
        detail = f"must not have more than {_NAMESERVERS_MAX} nameservers"
        yield field.invalid(at, go_strings(servers), detail)
    for index, server in enumerate(servers):
        yield from validate_address(server, f"{at}[{index}]")


def _searches(searches: list[str], path: str) -> Iterator[Cause]:
    if len(searches) > _SEARCHES_MAX:
        detail = f"must not have more than {_SEARCHES_MAX} search paths"
        yield field.invalid(path, go_strings(searches), detail)
    if len(" ".join(searches)) > _SEARCHES_OCTETS_MAX:
        detail = f"must not have more than {_SEARCHES_OCTETS_MAX} characters (including spaces)"
        yield field.invalid(path, go_strings(searches), f"{detail} in the search list")
    for index, search in enumerate(searches):
        name = search.removesuffix(".")
        yield from validation.validate_name(name, f"{path}[{index}]", validation.dns1123_subdomain)
