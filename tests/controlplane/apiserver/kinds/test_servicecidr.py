"""Upstream's TestServiceCIDR, TestValidateIPAddress and their updates as rows."""

from __future__ import annotations

import copy

import pytest

PARENT = {"group": "", "resource": "services", "namespace": "default", "name": "web"}


@pytest.mark.parametrize(
    ("cidrs", "cause"),
    [
        (["10.0.0.0/24"], None),
        (["10.0.0.0/24", "fd00::/64"], None),
        ([], ": Required value: at least one CIDR required"),
        (["10.0.0.0/24", "fd00::/64", "10.1.0.0/24"],
         ': Invalid value: {"cidrs":["10.0.0.0/24","fd00::/64","10.1.0.0/24"]}: may only hold up '
         "to 2 values"),
        (["10.0.0.0/24", "10.1.0.0/24"],
         ': Invalid value: {"cidrs":["10.0.0.0/24","10.1.0.0/24"]}: may specify no more than one '
         "IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64"),
        (["10.0.0"], '[0]: Invalid value: "10.0.0": must be a valid CIDR value, (e.g. 10.9.8.0/24 '
                     "or 2001:db8::/64)"),
    ],
)  # fmt: skip
def test_networks(wrong, cidrs, cause):
    found = wrong("ServiceCIDR", {"spec": {"cidrs": cidrs}})
    assert found == ([f"spec.cidrs{cause}"] if cause else [])


def test_networks_are_for_good(made, update):
    old = made("ServiceCIDR", {"spec": {"cidrs": ["10.0.0.0/24"]}})
    new = {**copy.deepcopy(old), "spec": {"cidrs": ["10.1.0.0/24"]}}
    assert update("ServiceCIDR", new, old) == [
        'spec.cidrs: Invalid value: ["10.1.0.0/24"]: field is immutable'
    ]


@pytest.mark.parametrize(
    ("name", "parent", "cause"),
    [
        ("10.0.0.1", PARENT, None),
        ("2001:db8::1", PARENT, None),
        ("10.0.0", PARENT, 'metadata.name: Invalid value: "10.0.0": must be a valid IP address, '
         "(e.g. 10.9.8.7 or 2001:db8::ffff)"),
        ("2001:DB8::1", PARENT,
         'metadata.name: Invalid value: "2001:DB8::1": must be in canonical form ("2001:db8::1")'),
        ("10.0.0.1", None, "spec.parentRef: Required value"),
        ("10.0.0.1", {**PARENT, "resource": ""}, "spec.parentRef.resource: Required value"),
        ("10.0.0.1", {**PARENT, "name": "a/b"},
         'spec.parentRef.name: Invalid value: "a/b": may not contain \'/\''),
    ],
)  # fmt: skip
def test_addresses(wrong, name, parent, cause):
    found = wrong("IPAddress", {"spec": {} if parent is None else {"parentRef": parent}}, name)
    assert found == ([cause] if cause else [])


def test_who_has_an_address_is_for_good(made, update):
    old = made("IPAddress", {"spec": {"parentRef": PARENT}}, "10.0.0.1")
    new = {**copy.deepcopy(old), "spec": {"parentRef": {**PARENT, "name": "db"}}}
    [message] = update("IPAddress", new, old)
    assert message.startswith("spec.parentRef: Invalid value: {")


def test_rows(kind_of, made):
    address = made("IPAddress", {"spec": {"parentRef": PARENT}}, "10.0.0.1")
    assert kind_of("IPAddress").cells(address, 0) == ("10.0.0.1", "services/default/web")
    networks = made("ServiceCIDR", {"spec": {"cidrs": ["10.0.0.0/24", "fd00::/64"]}})
    shown = kind_of("ServiceCIDR").cells(networks, 1767323045)
    assert shown == ("web", "10.0.0.0/24,fd00::/64", "0s")
