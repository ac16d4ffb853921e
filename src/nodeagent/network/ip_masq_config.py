"""The configuration of ip-masq-agent, as its ConfigMap has it (kubernetes-sigs/ip-masq-agent).

`nonMasqueradeCIDRs` keep the pods' addresses as sources, and so does the link-local network unless
`masqLinkLocal` (`masqLinkLocalIPv6` for fe80::/10). `resyncInterval` is Go's notation, 60s by
default. Unlike upstream, which has private networks for that, nothing is the default of the first:
without a ConfigMap all that leaves the pods' network is masqueraded, as flannel has it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Final

from kubeapi.objects import Object

NAMESPACE: Final = "kube-system"
NAME: Final = "ip-masq-agent"
KEY: Final = "config"
RESYNC_S: Final = 60.0
CIDRS_MAX: Final = 64  # cidrLimit of upstream's flags.
_OCTETS_MAX: Final = 64 * 1024
_LINK_LOCAL: Final = {"masqLinkLocal": "169.254.0.0/16", "masqLinkLocalIPv6": "fe80::/10"}
_UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_DURATION: Final = re.compile(r"(?:[0-9]+(?:\.[0-9]+)?(?:ms|s|m|h))+")
_PART: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h)")


class BadConfig(ValueError):
    """What the ConfigMap says makes no sense; the text says why."""


@dataclass(frozen=True, slots=True)
class IpMasqConfig:
    """Where sources are kept, and how often the configuration is read."""

    non_masquerade_cidrs: tuple[str, ...] = ()
    resync_s: float = RESYNC_S


def parse(text: str, resync_s: float = RESYNC_S) -> IpMasqConfig:
    """Read YAML or JSON, *resync_s* being the default; raises BadConfig."""
    import yaml  # Few clusters have such a ConfigMap.

    if len(text) > _OCTETS_MAX:
        raise BadConfig(f"it is longer than {_OCTETS_MAX} octets")
    try:
        given = yaml.safe_load(text) or {}
    except (yaml.YAMLError, RecursionError) as error:
        raise BadConfig(" ".join(str(error).split())) from None
    if not isinstance(given, dict):
        raise BadConfig("it is no mapping")
    cidrs = given.get("nonMasqueradeCIDRs") or []
    if not isinstance(cidrs, list) or len(cidrs) > CIDRS_MAX:
        raise BadConfig(f"nonMasqueradeCIDRs is no list of at most {CIDRS_MAX} networks")
    kept = [_network(each) for each in cidrs]
    for name, network in _LINK_LOCAL.items():
        if not _flag(given, name):
            kept.append(network)
    if (interval := given.get("resyncInterval")) is not None:
        resync_s = _seconds(interval)
    return IpMasqConfig(tuple(dict.fromkeys(kept)), resync_s)


def _network(given: object) -> str:
    try:
        return str(ip_network(str(given)))
    except ValueError as error:
        raise BadConfig(f"nonMasqueradeCIDRs: {error}") from None


def _flag(given: Object, name: str) -> bool:
    value = given.get(name, False)
    if not isinstance(value, bool):
        raise BadConfig(f"{name} is neither true nor false")
    return value


def _seconds(given: object) -> float:
    if not isinstance(given, str) or not _DURATION.fullmatch(given):
        raise BadConfig(f"resyncInterval: {given!r} is no duration such as 60s")
    return sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(given))
