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
        }
    )
    assert chosen.subnet == "10.9.8.0/24"
    assert chosen.address(3) == "10.9.8.3"
    assert (chosen.api_port, chosen.ha_api_port) == (7000, 7001)
    assert chosen.timings == "kubernetes"
    assert chosen.ip_family == "dual"
    assert chosen.mtu == 9000


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
    ],
)
def test_what_makes_no_sense_is_named(name: str, value: str) -> None:
    with pytest.raises(UsageError, match=f"{name}={value} must be"):
        settings.from_environment({name: value})
