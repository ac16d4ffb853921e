from __future__ import annotations

import pytest

ENDPOINT = {"addresses": ["10.244.1.2"], "conditions": {"ready": True}}
BODY = {"addressType": "IPv4", "endpoints": [ENDPOINT], "ports": [{"port": 80}]}


def test_ports_are_tcp_and_nameless_by_default(made):
    endpoint_slice = made("EndpointSlice", BODY)
    assert endpoint_slice["ports"] == [{"port": 80, "protocol": "TCP", "name": ""}]
    assert endpoint_slice["metadata"]["generation"] == 1


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        ({}, None),
        ({"addressType": ""}, "addressType: Required value"),
        ({"addressType": "IPX"}, 'addressType: Unsupported value: "IPX"'),
        ({"endpoints": [{"addresses": []}]}, "endpoints[0].addresses: Required value"),
        (
            {"endpoints": [{"addresses": ["::1"]}]},
            'endpoints[0].addresses[0]: Invalid value: "::1": may not be in the loopback',
        ),
        (
            {"endpoints": [{"addresses": ["2001:db8::1"]}]},
            'endpoints[0].addresses[0]: Invalid value: "2001:db8::1": must be an IPv4 address',
        ),
        (
            {"endpoints": [{**ENDPOINT, "hostname": "a.b"}]},
            'endpoints[0].hostname: Invalid value: "a.b"',
        ),
        ({"ports": [{"port": 1}, {"port": 2}]}, 'ports[1].name: Duplicate value: ""'),
        (
            {"ports": [{"port": 1, "protocol": "ICMP"}]},
            'ports[0].protocol: Unsupported value: "ICMP": supported values: "SCTP", "TCP", "UDP"',
        ),
        ({"endpoints": [ENDPOINT] * 1001}, "endpoints: Too many: 1001"),
    ],
)
def test_validation(wrong, change, cause):
    causes = wrong("EndpointSlice", {**BODY, **change})
    if cause is None:
        assert causes == []
    else:
        assert len(causes) == 1
        assert causes[0].startswith(cause)


def test_generation_counts_changes_of_endpoints_only(made, update):
    old = made("EndpointSlice", BODY)
    same, changed = made("EndpointSlice", BODY), made("EndpointSlice", {**BODY, "endpoints": []})
    same["metadata"]["annotations"] = {"a": "b"}
    assert update("EndpointSlice", same, old) == update("EndpointSlice", changed, old) == []
    assert same["metadata"]["generation"] == 1
    assert changed["metadata"]["generation"] == 2


def test_the_address_type_is_for_good(made, update):
    old = made("EndpointSlice", {**BODY, "endpoints": []})
    new = made("EndpointSlice", {**BODY, "endpoints": [], "addressType": "FQDN"})
    assert update("EndpointSlice", new, old) == [
        'addressType: Invalid value: "FQDN": field is immutable'
    ]


def test_row(kind_of, made):
    body = {**BODY, "endpoints": [{"addresses": [f"10.244.1.{n}"]} for n in range(2, 7)]}
    assert kind_of("EndpointSlice").cells(made("EndpointSlice", body), 1767323045) == (
        "web",
        "IPv4",
        "80",
        "10.244.1.2,10.244.1.3,10.244.1.4 + 2 more...",
        "0s",
    )
    empty = made("EndpointSlice", {"addressType": "IPv4"})
    assert kind_of("EndpointSlice").cells(empty, 1767323045)[2:4] == ("<unset>", "<unset>")


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        ({"addressType": "FQDN", "endpoints": [{"addresses": ["example.com"]}]}, None),
        (
            {"addressType": "FQDN", "endpoints": [{"addresses": ["Example"]}]},
            'endpoints[0].addresses[0]: Invalid value: "Example"',
        ),
        (
            {"endpoints": [{"addresses": ["10.1.1.1"] * 101}]},
            "endpoints[0].addresses: Too many: 101",
        ),
        ({"endpoints": [{**ENDPOINT, "nodeName": "A"}]}, "endpoints[0].nodeName: Invalid value"),
        ({"ports": [{"name": "A", "port": 1}]}, 'ports[0].name: Invalid value: "A"'),
        ({"ports": [{"port": 1, "appProtocol": "kubernetes.io/ws"}]}, None),
        (
            {"ports": [{"port": 1, "appProtocol": "a/b/c"}]},
            'ports[0].appProtocol: Invalid value: "a/b/c": a qualified name must',
        ),
        ({"ports": [{}] * 20_001}, "ports: Too many: 20001"),
    ],
)
def test_addresses_and_bounds(wrong, change, cause):
    causes = wrong("EndpointSlice", {**BODY, **change})
    if cause is None:
        assert causes == []
    else:
        assert len(causes) == 1
        assert causes[0].startswith(cause)


@pytest.mark.parametrize(
    ("hints", "cause"),
    [
        ({"forZones": [{"name": "a"}, {"name": "b"}]}, None),
        ({"forNodes": [{"name": "node-1"}]}, None),
        ({"forZones": [{"name": "a"}, {"name": "a"}]}, "hints.forZones[1].name: Duplicate value"),
        ({"forZones": [{"name": "a b"}]}, 'hints.forZones[0].name: Invalid value: "a b"'),
        ({"forNodes": [{"name": "Node"}]}, 'hints.forNodes[0].name: Invalid value: "Node"'),
        ({"forZones": [{"name": f"z{n}"} for n in range(9)]}, "hints.forZones: Too many: 9"),
    ],
)
def test_hints(wrong, hints, cause):
    endpoint = {"addresses": ["10.0.0.1"], "hints": hints}
    causes = wrong("EndpointSlice", {"addressType": "IPv4", "endpoints": [endpoint]})
    assert len(causes) == (cause is not None), causes
    assert all(each.startswith(f"endpoints[0].{cause}") for each in causes)
