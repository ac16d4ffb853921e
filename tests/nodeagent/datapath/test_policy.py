"""Which networks a node counts among the cluster's."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest

from nodeagent.datapath.policy import Cidrs, Policy

POD, OTHER = int(ip_address("10.244.1.5")), int(ip_address("8.8.8.8"))
POD6, OTHER6 = int(ip_address("fd00:10:244:1::5")), int(ip_address("2001:db8::1"))
BOTH = "10.244.0.0/16,fd00:10:244::/56"


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("", [None, None, None, None]),
        ("10.244.0.0/16", [True, False, None, None]),
        ("fd00:10:244::/56", [None, None, True, False]),
        (BOTH, [True, False, True, False]),
        ("fd00:10:244::/56, 10.244.0.0/16", [True, False, True, False]),
        ("0.0.0.0/0,::/0", [True, True, True, True]),
    ],
)
def test_a_network_of_each_family(text, holds):
    cidrs = Cidrs.parse(text)
    assert [cidrs.holds(address) for address in (POD, OTHER, POD6, OTHER6)] == holds


@pytest.mark.parametrize(
    "text", ["10.0.0.0/8,11.0.0.0/8", "fd00::/64,fd01::/64", "10.0.0.0/33", ","]
)
def test_nonsense_is_refused(text):
    with pytest.raises(ValueError, match=r"one network of a family|does not appear"):
        Cidrs.parse(text)


@pytest.mark.parametrize(("pod", "other"), [(POD, OTHER), (POD6, OTHER6)])
def test_who_is_masqueraded(pod, other):
    policy = Policy(Cidrs.parse(BOTH), Cidrs.parse(BOTH))
    assert not policy.masquerades("off-cluster", pod)
    assert policy.masquerades("off-cluster", other)
    assert policy.masquerades("always", pod)
    assert not policy.masquerades("never", other)
    assert policy.leaves_cluster(pod, other)
    assert not policy.leaves_cluster(pod, pod)
    assert not policy.leaves_cluster(other, pod)
    assert not Policy().masquerades("off-cluster", other)
    assert not Policy().leaves_cluster(pod, other)


def test_some_networks_see_pods_as_they_are():
    policy = Policy(
        masquerade_cidr=Cidrs.parse(BOTH),
        non_masquerade_cidrs=(ip_network("8.0.0.0/8"), ip_network("2001:db8::/32")),
    )
    assert not policy.leaves_cluster(POD, OTHER)
    assert not policy.leaves_cluster(POD6, OTHER6)
    assert policy.leaves_cluster(POD, int(ip_address("9.9.9.9")))
    assert policy.leaves_cluster(POD6, int(ip_address("2002::1")))
