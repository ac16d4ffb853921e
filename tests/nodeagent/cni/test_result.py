"""What of a plugin's result becomes a pod's link and its sandbox's network."""

from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodeagent.cni import result
from nodeagent.cni.errors import CniError

INSIDE = {"name": "eth0", "sandbox": "/n"}


def made(*ips, **inside):
    return {"interfaces": [{"name": "cni0"}, {**INSIDE, **inside}], "ips": [*ips]}


def attachment(document):
    return result.attachment_of(document, "uid", "/n", 1450)


def test_names_and_macs_are_functions():
    assert result.interface_name("uid-1") == result.interface_name("uid-1")
    assert result.interface_name("uid-1") != result.interface_name("uid-2")
    assert len(result.interface_name("x" * 100)) <= 15
    assert result.mac_of(IPv4Address("10.244.1.5")) == "0a:58:0a:f4:01:05"
    assert result.mac_of(IPv6Address("fd00::5")).startswith("0a:58:")


def test_ipv4_gives_the_mac_where_the_result_has_none():
    both = made({"address": "fd00::5/64"}, {"address": "10.0.0.5/24", "gateway": "10.0.0.1"})
    found = attachment(both)
    assert found.mac == "0a:58:0a:00:00:05"
    assert found.network("/v") == {
        "interface": result.interface_name("uid"),
        "mac": "0a:58:0a:00:00:05",
        "address": "10.0.0.5/24",
        "address6": "fd00::5/64",
        "gateway": "10.0.0.1",
        "mtu": 1450,
        "veth_socket": "/v",
    }


def test_a_result_may_say_mac_and_mtu_and_speak_of_other_interfaces():
    other = {"address": "10.9.0.1/24", "interface": 0}
    mine = {"address": "10.0.0.5/24", "interface": 1}
    found = attachment(made(other, mine, mac="02:00:00:00:00:0A", mtu=1400))
    assert found.link() == {
        "name": result.interface_name("uid"),
        "kind": "veth",
        "mac": "02:00:00:00:00:0a",
        "address": "10.0.0.5/24",
        "mtu": 1400,
    }


@pytest.mark.parametrize(
    ("document", "text"),
    [
        ({}, "has 0 interfaces in /n"),
        ({"interfaces": [INSIDE, INSIDE]}, "has 2 interfaces in /n"),
        (made(), "0 addresses"),
        (made({"address": "10.0.0.5/24"}, {"address": "10.0.0.6/24"}), "2 addresses"),
        (made({"address": "10.0.0.5/24", "gateway": "x"}), "invalid result"),
        (made({"address": "10.0.0.5/24"}, mac="ff:ff:ff:ff:ff:ff"), "invalid MAC address"),
    ],
    ids=["none", "two", "no-address", "one-family", "gateway", "mac"],
)
def test_what_no_pod_can_have_is_refused(document, text):
    with pytest.raises(CniError, match=text):
        attachment(document)


@given(st.text(max_size=20))
def test_any_text_is_a_mac_or_an_error(text):
    try:
        found = result.canonical_mac(text)
    except CniError:
        return
    assert len(found) == 17
    assert result.canonical_mac(found) == found
