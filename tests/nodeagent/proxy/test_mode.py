"""Proxy modes and what they stand for."""

import pytest

from nodeagent.proxy.mode import IPTABLES, proxy_mode


@pytest.mark.parametrize(
    ("name", "scheduler", "guards"),
    [("iptables", "random", False), ("nftables", "random", True), ("ipvs", "sed", True)],
)
def test_modes(name, scheduler, guards):
    mode = proxy_mode(name, "sed")
    assert (mode.scheduler, mode.refuses_other_ports) == (scheduler, guards)


def test_iptables_is_the_default_and_ipvs_goes_round():
    assert proxy_mode("iptables") == IPTABLES
    assert proxy_mode("ipvs").scheduler == "rr"
