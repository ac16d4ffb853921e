"""What a person may choose about a cluster of containers: variables of compose.yaml.

compose.yaml hands them on to the setup's container, so that both speak of the same addresses.
"""

from __future__ import annotations

import ipaddress
import typing
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from componentbase.timings import TimingsName
from nodeagent.proxy.mode import IpvsScheduler, ProxyModeName
from podwire.cluster import outside
from podwire.cluster.families import NETWORKS, IpFamily
from podwire.cluster.layout import DNS_REPLICAS_MAX, ETHERNET_MTU, MTU_MAX, MTU_MIN, UsageError
from podwire.cluster.outside import OutsideError, OutsideService

NODES: Final = 3  # As many as compose.yaml has services for.
CONTROL_PLANES_MAX: Final = 3

_TIMINGS: Final = typing.get_args(TimingsName)
_MODES: Final = typing.get_args(ProxyModeName)
_SCHEDULERS: Final = typing.get_args(IpvsScheduler)


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """The choices, checked."""

    network: str = "192.168.64"  # The first three numbers of the bridge network, a /24.
    api_port: int = 6443  # On this machine's loopback, for kubectl; with one master
    ha_api_port: int = 6444  # and with three.
    timings: TimingsName = "lab"
    ip_family: IpFamily = "ipv4"
    mtu: int = ETHERNET_MTU  # Of the bridge network.
    ingress: bool = False  # Whether it has an ingress controller.
    dns_replicas: int = 1
    proxy_mode: ProxyModeName = "iptables"
    ipvs_scheduler: IpvsScheduler = "rr"
    outside: tuple[OutsideService, ...] = ()  # What of the bridge network pods reach by name.
    non_masquerade_cidrs: tuple[str, ...] = ()

    @property
    def subnet(self) -> str:
        return f"{self.network}.0/24"

    def address(self, host: int) -> str:
        """Return the address of host part *host*; it is the same inside objects and outside."""
        return f"{self.network}.{host}"


def from_environment(environment: Mapping[str, str]) -> Settings:
    """Read the variables that are set; raises UsageError for what makes no sense."""
    defaults = Settings()
    timings = environment.get("PODWIRE_TIMINGS") or defaults.timings
    if timings not in _TIMINGS:
        raise UsageError(f"PODWIRE_TIMINGS={timings} must be one of {', '.join(_TIMINGS)}")
    family = environment.get("PODWIRE_IP_FAMILY") or defaults.ip_family
    if family not in NETWORKS:
        raise UsageError(f"PODWIRE_IP_FAMILY={family} must be one of {', '.join(NETWORKS)}")
    network = _network(environment.get("PODWIRE_NETWORK") or defaults.network)
    return Settings(
        network=network,
        api_port=_port(environment, "PODWIRE_API_PORT", defaults.api_port),
        ha_api_port=_port(environment, "PODWIRE_HA_API_PORT", defaults.ha_api_port),
        timings=typing.cast(TimingsName, timings),
        ip_family=typing.cast(IpFamily, family),
        mtu=_mtu(environment.get("PODWIRE_MTU") or str(defaults.mtu)),
        ingress=_one_of(environment, "PODWIRE_INGRESS", ("false", "true")) == "true",
        dns_replicas=_replicas(environment.get("PODWIRE_DNS_REPLICAS") or "1"),
        proxy_mode=typing.cast(ProxyModeName, _one_of(environment, "PODWIRE_PROXY_MODE", _MODES)),
        ipvs_scheduler=typing.cast(
            IpvsScheduler, _one_of(environment, "PODWIRE_IPVS_SCHEDULER", _SCHEDULERS)
        ),
        outside=_outside(environment.get("PODWIRE_OUTSIDE") or "", network),
        non_masquerade_cidrs=_cidrs(environment.get("PODWIRE_NON_MASQUERADE_CIDRS") or ""),
    )


def _one_of(environment: Mapping[str, str], name: str, choices: Sequence[str]) -> str:
    """Return what is chosen, by default the first of *choices*."""
    text = environment.get(name) or choices[0]
    if text not in choices:
        raise UsageError(f"{name}={text} must be one of {', '.join(choices)}")
    return text


def _replicas(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) <= DNS_REPLICAS_MAX):
        raise UsageError(
            f"PODWIRE_DNS_REPLICAS={text} must be a number of pods, 0 to {DNS_REPLICAS_MAX}"
        )
    return int(text)


def _outside(text: str, network: str) -> tuple[OutsideService, ...]:
    near = ipaddress.IPv4Network(f"{network}.0/24")
    try:
        found = [outside.parse(each, near) for each in text.replace(",", " ").split()]
        return outside.added((), found)
    except OutsideError as error:
        raise UsageError(f"PODWIRE_OUTSIDE={text} must be NAME=ADDRESS:PORT: {error}") from None


def _cidrs(text: str) -> tuple[str, ...]:
    try:
        return tuple(str(ipaddress.ip_network(each)) for each in text.replace(",", " ").split())
    except ValueError as error:
        raise UsageError(
            f"PODWIRE_NON_MASQUERADE_CIDRS={text} must be networks, such as 10.0.0.0/8: {error}"
        ) from None


def _network(text: str) -> str:
    try:
        network = ipaddress.IPv4Network(f"{text}.0/24")
    except ValueError:
        raise UsageError(
            f"PODWIRE_NETWORK={text} must be the first three numbers of a network, "
            "for example 192.168.65"
        ) from None
    return str(network.network_address).rpartition(".")[0]


def _mtu(text: str) -> int:
    if not (text.isascii() and text.isdigit() and MTU_MIN <= int(text) <= MTU_MAX):
        raise UsageError(f"PODWIRE_MTU={text} must be a number of octets, {MTU_MIN} to {MTU_MAX}")
    return int(text)


def _port(environment: Mapping[str, str], name: str, default: int) -> int:
    text = environment.get(name) or str(default)
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 65536):
        raise UsageError(f"{name}={text} must be a port number, for example {default}")
    return int(text)
