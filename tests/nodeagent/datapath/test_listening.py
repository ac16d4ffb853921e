"""At which sockets of the machine a node listens for its frontends."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address

from nodeagent.datapath import listening, tables
from nodeagent.datapath.external import ExternalMap
from nodeagent.datapath.listening import Destination, ListenKey, Place

PLACE = Place(
    IPv4Address("127.0.1.1"), IPv4Address("192.168.64.1"), IPv6Address("fd00:192:168:64::1")
)
HERE = (PLACE, ExternalMap({"192.168.65.0/24": "127.0.64.0/24"}))


def frontend(address, port=80, protocol="TCP"):
    return tables.Frontend(address=address, port=port, protocol=protocol, service="d/web")


def wanted(*entries):
    return {
        f"{key.protocol} {key.address}:{key.port}": (str(found.endpoint[0]), found.shared)
        for key, found in listening.wanted(entries, HERE).items()
    }


def test_ports_of_the_node_are_its_transport_addresss_and_balancers_are_shared():
    assert wanted(frontend("", 30080), frontend("192.168.65.7"), frontend("192.168.64.1", 81)) == {
        "TCP 127.0.1.1:30080": ("192.168.64.1", False),
        "TCP 127.0.64.7:80": ("192.168.65.7", True),
        "TCP 127.0.1.1:81": ("192.168.64.1", False),
    }


def test_what_this_machine_does_not_carry_is_not_listened_for():
    assert not wanted(frontend("203.0.113.9"), frontend("10.96.0.1"), frontend("127.0.0.1"))
    assert listening.socket_of("203.0.113.9", 80, "TCP", HERE) is None


def test_both_families_want_one_socket_and_ipv4_gets_it():
    for entries in ((frontend("::"), frontend("")), (frontend(""), frontend("::"))):
        assert wanted(*entries) == {"TCP 127.0.1.1:80": ("192.168.64.1", False)}
    assert wanted(frontend("::")) == {"TCP 127.0.1.1:80": ("fd00:192:168:64::1", False)}


def test_protocols_have_sockets_of_their_own():
    key = ListenKey("UDP", PLACE.transport, 53)
    found = listening.wanted([frontend("", 53), frontend("", 53, "UDP")], HERE)
    assert found[key] == Destination((ip_address("192.168.64.1"), 53), shared=False)
    assert listening.socket_of("", 53, "UDP", HERE) == key
    assert len(found) == 2


def test_a_node_without_ipv6_has_no_ipv6_ports():
    bare = (Place(PLACE.transport, PLACE.internal_ip, None), HERE[1])
    assert listening.socket_of("::", 80, "TCP", bare) is None
