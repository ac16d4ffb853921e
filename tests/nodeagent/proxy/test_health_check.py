"""What a load balancer hears at a healthCheckNodePort."""

from __future__ import annotations

import json

import pytest

from nodeagent.proxy.endpointslice_cache import Endpoint
from nodeagent.proxy.health_check import health_check
from nodeagent.proxy.service_port import ServicePort, ServicePortName

KEY = ("d", "web")


def endpoint(address: str, port: int, *, node: str = "n1", ready: bool = True) -> Endpoint:
    return Endpoint(
        address=address,
        port=port,
        node=node,
        zone_hints=(),
        node_hints=(),
        ready=ready,
        serving=True,
        terminating=not ready,
    )


def ports(*numbers: int):
    return {
        ServicePortName("d", "web", f"p{index}", "TCP"): ServicePort(
            cluster_ip="10.96.0.9", port=80 + index, protocol="TCP", health_check_node_port=number
        ) for index, number in enumerate(numbers)
    }  # fmt: skip


@pytest.mark.parametrize(
    ("endpoints", "count", "status"),
    [
        ([], 0, 503),
        ([endpoint("10.0.0.2", 80, node="n2")], 0, 503),
        ([endpoint("10.0.0.1", 80, ready=False)], 0, 503),
        ([endpoint("10.0.0.1", 80)], 1, 200),
        ([endpoint("10.0.0.1", 80), endpoint("10.0.0.1", 443)], 1, 200),
        ([endpoint("10.0.0.1", 80), endpoint("10.0.0.3", 80)], 2, 200),
    ],
)
def test_this_nodes_ready_endpoints_are_counted(endpoints, count, status):
    groups = {(f"p{index}", "TCP", "IPv4"): (each,) for index, each in enumerate(endpoints)}
    check = health_check(KEY, ports(30999, 30999), groups, "n1")
    assert check is not None
    code, headers, body = check.answer()
    assert (code, headers["X-Load-Balancing-Endpoint-Weight"]) == (status, str(count))
    assert headers["Content-Type"] == "application/json"
    assert json.loads(body) == {
        "service": {"namespace": "d", "name": "web"},
        "localEndpoints": count,
        "serviceProxyHealthy": True,
    }


def test_a_service_without_the_port_has_none():
    assert health_check(KEY, ports(0, 0), {}, "n1") is None
    assert health_check(KEY, {}, {}, "n1") is None
