"""Variables of compose.yaml: defaults, what is taken over, what is refused and how."""

from __future__ import annotations

import pytest

from podwire.cluster.layout import UsageError
from podwire.compose import settings
from podwire.compose.settings import Settings


def test_nothing_set_gives_the_defaults() -> None:
    assert settings.from_environment({"PODWIRE_NETWORK": ""}) == Settings()


def test_everything_set_is_taken_over() -> None:
    chosen = settings.from_environment(
        {
            "PODWIRE_NETWORK": "10.9.8",
            "PODWIRE_API_PORT": "7000",
            "PODWIRE_HA_API_PORT": "7001",
            "PODWIRE_TIMINGS": "kubernetes",
            "PODWIRE_IP_FAMILY": "dual",
            "PODWIRE_MTU": "9000",
            "PODWIRE_INGRESS": "true",
            "PODWIRE_DNS_REPLICAS": "2",
            "PODWIRE_PROXY_MODE": "ipvs",
            "PODWIRE_IPVS_SCHEDULER": "lc",
            "PODWIRE_OUTSIDE": "site=10.9.8.254:18099, time:123=10.9.8.9:1123/udp",
            "PODWIRE_NON_MASQUERADE_CIDRS": "10.0.0.0/8,172.16.0.0/12",
        }
    )
    assert chosen.subnet == "10.9.8.0/24"
    assert chosen.address(3) == "10.9.8.3"
    assert (chosen.api_port, chosen.ha_api_port) == (7000, 7001)
    assert chosen.timings == "kubernetes"
    assert chosen.ip_family == "dual"
    assert chosen.mtu == 9000
    assert chosen.ingress
    assert chosen.dns_replicas == 2
    assert (chosen.proxy_mode, chosen.ipvs_scheduler) == ("ipvs", "lc")
    assert chosen.non_masquerade_cidrs == ("10.0.0.0/8", "172.16.0.0/12")
    site, clock = chosen.outside
    assert (site.address(4), site.port, site.target) == ("203.0.113.1", 18099, "10.9.8.254:18099")
    assert (clock.address(4), clock.protocol, clock.target) == (
        "203.0.113.2",
        "UDP",
        "10.9.8.9:1123",
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PODWIRE_NETWORK", "192.168"),
        ("PODWIRE_NETWORK", "192.168.64.0/24"),
        ("PODWIRE_NETWORK", "192.168.300"),
        ("PODWIRE_API_PORT", "0"),
        ("PODWIRE_API_PORT", "65536"),
        ("PODWIRE_HA_API_PORT", "https"),
        ("PODWIRE_TIMINGS", "fast"),
        ("PODWIRE_IP_FAMILY", "v6"),
        ("PODWIRE_MTU", "1329"),
        ("PODWIRE_MTU", "65001"),
        ("PODWIRE_MTU", "9k"),
        ("PODWIRE_INGRESS", "yes"),
        ("PODWIRE_DNS_REPLICAS", "-1"),
        ("PODWIRE_DNS_REPLICAS", "11"),
        ("PODWIRE_PROXY_MODE", "userspace"),
        ("PODWIRE_IPVS_SCHEDULER", "random"),
        ("PODWIRE_OUTSIDE", "site"),
        ("PODWIRE_OUTSIDE", "site=127.0.0.1:80"),
        ("PODWIRE_OUTSIDE", "site=192.0.2.1:80"),
        ("PODWIRE_NON_MASQUERADE_CIDRS", "10.0.0.1/8"),
    ],
)
def test_what_makes_no_sense_is_named(name: str, value: str) -> None:
    with pytest.raises(UsageError, match=f"{name}={value} must be"):
        settings.from_environment({name: value})
