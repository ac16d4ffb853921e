"""A pod's resolv.conf as a value, by dnsPolicy and dnsConfig (upstream: kubelet/network/dns).

What is beyond resolv.conf's limits is left out from the end, as there; the event that upstream
writes about it (DNSConfigForming) is absent.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from kubeapi.objects import Object, namespace_of

#: Upstream: MaxDNSNameservers, MaxDNSSearchPaths, MaxDNSSearchListChars.
SERVERS_MAX: Final = 3
SEARCHES_MAX: Final = 32
SEARCH_CHARACTERS_MAX: Final = 2048


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterDns:
    """What pods are told about name resolution."""

    server: str
    domain: str
    node_server: str = ""  # Whom the node itself asks: for dnsPolicy Default.


def dns_config(pod: Object, dns: ClusterDns) -> Object:
    """Return servers, search path and options of *pod*."""
    spec = pod["spec"]
    servers: list[str] = []
    searches: list[str] = []
    options: list[str] = []
    match _policy(spec):
        case "ClusterFirst":
            servers = [dns.server]
            zone = f"svc.{dns.domain}"
            searches = [f"{namespace_of(pod)}.{zone}", zone, dns.domain]
            options = ["ndots:5"]
        case "Default" if dns.node_server:
            servers = [dns.node_server]
    extra = spec.get("dnsConfig") or {}
    for option in extra.get("options") or ():
        text = f"{option['name']}:{option['value']}" if option.get("value") else option["name"]
        options = [o for o in options if o.partition(":")[0] != option["name"]] + [text]
    servers = list(dict.fromkeys((*servers, *(extra.get("nameservers") or ()))))
    searches = list(dict.fromkeys((*searches, *(extra.get("searches") or ()))))
    return {
        "servers": servers[:SERVERS_MAX],
        "searches": list(_that_fit(searches[:SEARCHES_MAX])),
        "options": options,
    }


def _policy(spec: Object) -> str:
    """Return the policy that applies: a pod in its node's network asks as the node does."""
    policy = str(spec.get("dnsPolicy") or "ClusterFirst")
    if policy == "ClusterFirstWithHostNet":
        return "ClusterFirst"
    return "Default" if policy == "ClusterFirst" and spec.get("hostNetwork") else policy


def _that_fit(searches: list[str]) -> Iterable[str]:
    length = -1
    for search in searches:
        length += 1 + len(search)
        if length > SEARCH_CHARACTERS_MAX:
            return
        yield search
