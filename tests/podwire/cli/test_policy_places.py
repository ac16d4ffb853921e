"""What people write as ends of connections."""

from __future__ import annotations

import pytest

from kubeapi import resources
from podwire.cli.policy_places import Target, backends, source
from podwire.cluster.layout import UsageError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("web:80", ("web", "80", "TCP")),
        ("shop/db:5432/udp", ("shop/db", "5432", "UDP")),
        ("svc/shop/web:http", ("svc/shop/web", "http", "TCP")),
        ("[fd00::1]:53/SCTP", ("fd00::1", "53", "SCTP")),
        ("10.0.0.1/ICMP", ("10.0.0.1", "", "ICMP")),
        ("[fd00::1]/icmp", ("fd00::1", "", "ICMP")),
    ],
)
def test_targets(text, expected):
    target = Target.parse(text)
    assert (target.host, target.port, target.protocol) == expected


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("web", "which port"),
        ("shop/web", "which port"),
        (":80", "which port"),
        ("fd00::1:80", "which port"),
        ("web:", "which port"),
        ("web:80/GRE", "no protocol 'GRE': it is one of TCP, UDP, SCTP, ICMP"),
        ("shop/web:80/ICMP", "ICMP has no ports: write shop/web/ICMP"),
        ("web:0", "0 is no port"),
        ("web:65536", "65536 is no port"),
    ],
)
def test_targets_that_make_no_sense(text, said):
    with pytest.raises(UsageError, match=said):
        Target.parse(text)


def _meta(name, **labels):
    return {"name": name, "namespace": "shop", "labels": labels}


@pytest.fixture
def objects():
    port = {"name": "http", "containerPort": 8080}
    pod = {
        "metadata": _meta("web-1"),
        "spec": {"nodeName": "node-1", "containers": [{"ports": [port]}]},
        "status": {"phase": "Running", "podIPs": [{"ip": "10.244.1.5"}]},
    }
    service = {
        "metadata": _meta("web"),
        "spec": {"clusterIPs": ["10.96.0.9"], "ports": [{"port": 80, "name": "http"}]},
    }
    endpoints = {
        "metadata": _meta("web-x", **{"kubernetes.io/service-name": "web"}),
        "ports": [{"name": "http", "port": 8080}],
        "endpoints": [
            {"addresses": ["10.244.1.5"], "conditions": {"ready": True}},
            {"addresses": ["10.244.1.6"], "conditions": {"ready": False}},
        ],
    }
    node = {
        "metadata": {"name": "node-1"},
        "status": {"addresses": [{"type": "InternalIP", "address": "192.168.64.1"}]},
    }
    starting = {"metadata": _meta("new"), "spec": {"containers": []}, "status": {}}
    return {
        resources.PODS: [pod, starting],
        resources.SERVICES: [service],
        resources.ENDPOINTSLICES: [endpoints],
        resources.NODES: [node],
    }


OUTSIDE = ["192.168.64.254"]


@pytest.mark.parametrize(
    ("text", "name", "address"),
    [
        ("shop/web-1", "shop/web-1", "10.244.1.5"),
        ("10.244.1.5", "shop/web-1", "10.244.1.5"),
        ("203.0.113.1", "203.0.113.1", "203.0.113.1"),
        ("node-1", "node-1", "192.168.64.1"),
        ("outside", "outside", "192.168.64.254"),
    ],
)
def test_sources(objects, text, name, address):
    end = source(text, objects, OUTSIDE)
    assert (end.name, end.addresses) == (name, (address,))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("web-1", "there is no pod default/web-1"),
        ("shop/new", "pod shop/new has no address yet"),
        ("node-7", "there is no node-7"),
        ("svc/shop/web", "a Service sends nothing"),
    ],
)
def test_sources_that_are_not_there(objects, text, said):
    with pytest.raises(UsageError, match=said):
        source(text, objects, OUTSIDE)


@pytest.mark.parametrize(
    "text", ["shop/web-1:http", "svc/shop/web:80", "svc/shop/web:http", "10.96.0.9:80"]
)
def test_names_and_services_become_endpoints(objects, text):
    (backend,) = backends(Target.parse(text), objects, OUTSIDE)
    assert (backend.end.name, backend.port) == ("shop/web-1", 8080)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("shop/web-1:dns", "shop/web-1 has no port called dns of TCP"),
        ("svc/shop/web:81", "Service shop/web has no port 81/TCP"),
        ("svc/shop/web:80/UDP", "Service shop/web has no port 80/UDP"),
        ("svc/web:80", "there is no Service default/web"),
    ],
)
def test_ports_and_services_that_are_not_there(objects, text, said):
    with pytest.raises(UsageError, match=said):
        backends(Target.parse(text), objects, OUTSIDE)


def test_a_service_without_endpoints_is_told(objects):
    objects[resources.ENDPOINTSLICES] = []
    with pytest.raises(UsageError, match="has no ready endpoints"):
        backends(Target.parse("svc/shop/web:80"), objects, OUTSIDE)
