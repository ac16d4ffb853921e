"""Policies, health checks and balancers: what the API refuses."""

from __future__ import annotations

import pytest

from controlplane.apiserver.kinds.service import strategy, traffic

BALANCER = {"ports": [{"port": 80}], "type": "LoadBalancer"}
LOCAL = BALANCER | {"externalTrafficPolicy": "Local"}


@pytest.mark.parametrize(
    ("spec", "cause"),
    [
        ({"ports": [{"port": 80}], "trafficDistribution": "PreferClose"}, None),
        ({"ports": [{"port": 80}], "trafficDistribution": "PreferSameZone"}, None),
        ({"ports": [{"port": 80}], "trafficDistribution": "PreferSameNode"}, None),
        (
            {"ports": [{"port": 80}], "trafficDistribution": "Near"},
            'spec.trafficDistribution: Unsupported value: "Near": supported values: "PreferClose"',
        ),
        (LOCAL | {"healthCheckNodePort": 30999}, None),
        (
            LOCAL | {"healthCheckNodePort": -1},
            "spec.healthCheckNodePort: Invalid value: -1: must be greater than or equal to 0",
        ),
        (
            BALANCER | {"healthCheckNodePort": 30999},
            "spec.healthCheckNodePort: Invalid value: 30999: may only be set when `type` is",
        ),
        (BALANCER | {"loadBalancerSourceRanges": [" 10.0.0.0/8 ", "2001:db8::/32"]}, None),
        (
            BALANCER | {"loadBalancerSourceRanges": ["10.0.0.0/33"]},
            'spec.LoadBalancerSourceRanges[0]: Invalid value: "10.0.0.0/33"',
        ),
        (BALANCER | {"loadBalancerClass": "example.com/fast"}, None),
        (
            BALANCER | {"loadBalancerClass": "example.com/a/b"},
            'spec.loadBalancerClass: Invalid value: "example.com/a/b": a qualified name must',
        ),
    ],
)
def test_spec(wrong, spec, cause):
    causes = wrong("Service", {"spec": spec})
    assert len(causes) == (cause is not None), causes
    assert all(each.startswith(cause) for each in causes)


@pytest.mark.parametrize(
    ("kind", "ingress", "cause"),
    [
        ("LoadBalancer", {"ip": "203.0.113.1", "ipMode": "VIP"}, None),
        ("LoadBalancer", {"ip": "203.0.113.1", "ipMode": "Proxy"}, None),
        ("LoadBalancer", {"hostname": "lb.example"}, None),
        ("LoadBalancer", {"ip": "203.0.113.1"}, None),  # It gets mode VIP.
        (
            "LoadBalancer",
            {"ip": "nowhere", "ipMode": "VIP"},
            'status.loadBalancer.ingress[0].ip: Invalid value: "nowhere"',
        ),
        (
            "LoadBalancer",
            {"ip": "203.0.113.1", "ipMode": "Both"},
            'status.loadBalancer.ingress[0].ipMode: Unsupported value: "Both"',
        ),
        (
            "LoadBalancer",
            {"hostname": "lb.example", "ipMode": "VIP"},
            "status.loadBalancer.ingress[0].ipMode: Forbidden: may not be specified when `ip`",
        ),
        (
            "LoadBalancer",
            {"hostname": "lb..example"},
            'status.loadBalancer.ingress[0].hostname: Invalid value: "lb..example"',
        ),
        (
            "ClusterIP",
            {"ip": "203.0.113.1", "ipMode": "VIP"},
            'status.loadBalancer.ingress: Forbidden: may only be used when `spec.type` is "Load',
        ),
    ],
)
def test_addresses_of_a_balancer(made, kind, ingress, cause):
    given = made("Service", {"spec": BALANCER | {"type": kind}})
    given["status"] = {"loadBalancer": {"ingress": [ingress]}}
    strategy.default(given)
    causes = [f"{each.field}: {each.message}" for each in traffic.validate(given)]
    assert len(causes) == (cause is not None), causes
    assert all(each.startswith(cause) for each in causes)


@pytest.mark.parametrize(
    ("kind", "text", "cause"),
    [
        ("LoadBalancer", " 10.0.0.0/8 , 2001:db8::/32", None),
        ("LoadBalancer", " ", None),
        ("LoadBalancer", "10.0.0.0/8,ten", ': Invalid value: "ten": must be a valid CIDR value'),
        ("ClusterIP", "10.0.0.0/8", ": Forbidden: may only be used when `type` is 'LoadBalancer'"),
    ],
)
def test_source_ranges_of_old(wrong, kind, text, cause):
    key = "service.beta.kubernetes.io/load-balancer-source-ranges"
    body = {"metadata": {"annotations": {key: text}}, "spec": BALANCER | {"type": kind}}
    causes = wrong("Service", body)
    assert len(causes) == (cause is not None), causes
    assert all(each.startswith(f"metadata.annotations[{key}]{cause}") for each in causes)


def test_a_balancers_class_is_for_good_while_it_is_one(made, update):
    def service(kind, name=None):
        return made("Service", {"spec": BALANCER | {"type": kind, "loadBalancerClass": name}})

    old = service("LoadBalancer", "example.com/a")
    for name, shown in (("example.com/b", '"example.com/b"'), (None, "null")):
        assert update("Service", service("LoadBalancer", name), old) == [
            f"spec.loadBalancerClass: Invalid value: {shown}: may not change once set"
        ]
    assert update("Service", service("NodePort"), old) == []
    assert update("Service", service("LoadBalancer", "example.com/b"), service("NodePort")) == []


def test_the_port_of_health_checks_stays(made, update):
    old = made("Service", {"spec": LOCAL | {"healthCheckNodePort": 30999}})
    new = made("Service", {"spec": LOCAL | {"healthCheckNodePort": 30998}})
    assert update("Service", new, old) == [
        "spec.healthCheckNodePort: Invalid value: 30998: field is immutable"
    ]
    assert update("Service", made("Service", {"spec": BALANCER}), old) == []
