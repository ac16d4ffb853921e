"""What a person may choose about a cluster of containers: variables of compose.yaml.

compose.yaml hands them on to the setup's container, so that both speak of the same addresses.
"""

from __future__ import annotations

import ipaddress
import typing
from collections.abc import Mapping
from typing import Final

import msgspec

from componentbase.timings import TimingsName
from podwire.cluster.families import NETWORKS, IpFamily
from podwire.cluster.layout import ETHERNET_MTU, MTU_MAX, MTU_MIN, UsageError

NODES: Final = 3  # As many as compose.yaml has services for.
CONTROL_PLANES_MAX: Final = 3

_TIMINGS: Final = typing.get_args(TimingsName)


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """The choices, checked."""

    network: str = "192.168.64"  # The first three numbers of the bridge network, a /24.
    api_port: int = 6443  # On this machine's loopback, for kubectl; with one master
    ha_api_port: int = 6444  # and with three.
    timings: TimingsName = "lab"
    ip_family: IpFamily = "ipv4"
    mtu: int = ETHERNET_MTU  # Of the bridge network.

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
    return Settings(
        network=_network(environment.get("PODWIRE_NETWORK") or defaults.network),
        api_port=_port(environment, "PODWIRE_API_PORT", defaults.api_port),
        ha_api_port=_port(environment, "PODWIRE_HA_API_PORT", defaults.ha_api_port),
        timings=typing.cast(TimingsName, timings),
        ip_family=typing.cast(IpFamily, family),
        mtu=_mtu(environment.get("PODWIRE_MTU") or str(defaults.mtu)),
    )


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
