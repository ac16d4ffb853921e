"""What load balancers' numbers are called."""

from __future__ import annotations

import pytest

from controlplane.controllermanager.servicelb.pool import Pool

BOTH = Pool.of({"192.168.65.0/24": "127.0.64.0/24", "fd00:192:168:65::/120": "127.0.64.0/24"})


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("192.168.65.1", 1),
        ("192.168.65.127", 127),
        ("192.168.65.128", None),  # Another client's.
        ("192.168.65.0", None),
        ("127.0.64.9", 9),
        ("fd00:192:168:65::a", 10),
        ("10.0.0.1", None),
        ("", None),
        ("my-balancer", None),
    ],
)
def test_a_number_has_an_address_of_each_network(text, number):
    assert BOTH.number_of(text) == number


@pytest.mark.parametrize(
    ("families", "addresses"),
    [
        (["IPv4"], ["192.168.65.7"]),
        (["IPv6"], ["fd00:192:168:65::7"]),
        (["IPv6", "IPv4"], ["fd00:192:168:65::7", "192.168.65.7"]),
    ],
)
def test_a_service_gets_addresses_of_its_families_and_one_of_the_machine(families, addresses):
    wanted = [{"ip": each, "ipMode": "VIP"} for each in addresses]
    assert BOTH.ingress(7, families) == [*wanted, {"ip": "127.0.64.7", "ipMode": "Proxy"}]


def test_without_networks_there_is_no_pool():
    assert not Pool.of({})
    assert BOTH
    assert str(BOTH).startswith("192.168.65.1 to 192.168.65.127, fd00:192:168:65::1 to ")


def test_two_networks_of_the_machine_are_refused():
    with pytest.raises(ValueError, match="several networks"):
        Pool.of({"192.168.65.0/24": "127.0.64.0/24", "fd00::/120": "127.0.65.0/24"})
