"""Pods and Services where a filter or an interface has their names."""

from __future__ import annotations

from podwire.cli.capture_names import InterfaceNames, pod_endpoints, service_endpoints
from podwire.cli.places import link_addresses


def shown(endpoints):
    return [(str(each.address), each.port) for each in endpoints]


def test_a_pod_is_its_addresses():
    both = {"status": {"podIP": "10.244.1.5", "podIPs": [{"ip": "10.244.1.5"}, {"ip": "fd00::5"}]}}
    assert shown(pod_endpoints(both)) == [("10.244.1.5", None), ("fd00::5", None)]
    assert shown(pod_endpoints({"status": {"podIP": "10.244.1.5"}})) == [("10.244.1.5", None)]
    assert shown(pod_endpoints({"status": {}})) == []


def test_a_service_is_its_addresses_and_its_endpoints_ports():
    service = {"spec": {"clusterIP": "10.96.0.10", "clusterIPs": ["10.96.0.10"]}}
    one = {
        "ports": [{"port": 8080}, {"port": 8443}],
        "endpoints": [{"addresses": ["10.244.1.5"]}, {"addresses": ["10.244.2.5"]}],
    }
    assert shown(service_endpoints(service, [one])) == [
        ("10.96.0.10", None),
        ("10.244.1.5", 8080),
        ("10.244.2.5", 8080),
        ("10.244.1.5", 8443),
        ("10.244.2.5", 8443),
    ]
    headless = {"spec": {"clusterIP": "None"}}
    assert shown(service_endpoints(headless, [{"ports": None, "endpoints": []}])) == []


def test_verdicts_name_the_pod_behind_a_veth():
    names = InterfaceNames({("node-1", "veth0123abcd"): "pod default/web"})
    assert names.of("node-1", "veth0123abcd") == "pod default/web"
    assert names.of("node-2", "veth0123abcd") == "node-2/veth0123abcd"
    assert names.say("node-1", "forwarded to veth0123abcd, veth99999999") == (
        "forwarded to pod default/web, veth99999999"
    )


def test_a_link_is_known_by_its_addresses_of_either_family():
    assert link_addresses({"address": "10.244.1.5/24"}) == ["10.244.1.5"]
    both = {"address": "10.244.1.5/24", "address6": "fd00::5/64"}
    assert link_addresses(both) == ["10.244.1.5", "fd00::5"]
    assert link_addresses({"address": "", "address6": "fd00::5/64"}) == ["fd00::5"]
    assert link_addresses({"name": "eth0"}) == []
