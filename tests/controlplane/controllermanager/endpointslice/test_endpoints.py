"""Pods as endpoints: what counts, with which conditions and ports."""

from __future__ import annotations

import pytest

from controlplane.controllermanager.endpointslice.endpoints import (
    Group,
    Port,
    pod_facts_that_matter,
    resolved_ports,
    selects,
    wanted_endpoints,
)


def service(**spec):
    base = {"selector": {"app": "web"}, "ports": [{"name": "http", "port": 80, "targetPort": 8080}]}
    return {"metadata": {"name": "web", "namespace": "ns"}, "spec": {**base, **spec}}


def pod(name="p", *, ready=True, terminating=False, phase="Running", ips=("10.0.0.1",), **spec):
    metadata = {"name": name, "namespace": "ns", "uid": f"uid-{name}", "labels": {"app": "web"}}
    if terminating:
        metadata["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    status = {
        "phase": phase,
        "podIP": ips[0] if ips else None,
        "podIPs": [{"ip": address} for address in ips],
        "conditions": [{"type": "Ready", "status": "True" if ready else "False"}],
    }
    return {"metadata": metadata, "spec": {"nodeName": "n1", **spec}, "status": status}


def only_endpoint(one, pods):
    groups = wanted_endpoints(one, pods, {})
    (endpoints,) = groups.values()
    (endpoint,) = endpoints
    return endpoint


@pytest.mark.parametrize(
    ("ready", "terminating", "publish", "expected"),
    [
        # → ready, serving, terminating (Kubernetes' table, terminating endpoints KEP)
        (True, False, False, (True, True, False)),
        (False, False, False, (False, False, False)),
        (True, True, False, (False, True, True)),
        (False, True, False, (False, False, True)),
        (False, False, True, (True, False, False)),
        (False, True, True, (True, False, True)),
    ],
)
def test_conditions(ready, terminating, publish, expected):
    endpoint = only_endpoint(
        service(publishNotReadyAddresses=publish), [pod(ready=ready, terminating=terminating)]
    )
    conditions = endpoint["conditions"]
    assert tuple(conditions[key] for key in ("ready", "serving", "terminating")) == expected


@pytest.mark.parametrize(
    "one",
    [
        pod(ips=()),
        pod(phase="Succeeded"),
        pod(phase="Failed"),
        {**pod(), "metadata": {"name": "p", "namespace": "ns", "uid": "u", "labels": {}}},
    ],
)
def test_no_endpoint(one):
    assert wanted_endpoints(service(), [one], {}) == {}


def test_an_endpoint_names_its_pod_and_place():
    nodes = {"n1": {"metadata": {"labels": {"topology.kubernetes.io/zone": "z1"}}}}
    groups = wanted_endpoints(service(), [pod()], nodes)
    assert groups == {
        Group("IPv4", (Port("http", "TCP", 8080),)): [
            {
                "addresses": ["10.0.0.1"],
                "conditions": {"ready": True, "serving": True, "terminating": False},
                "targetRef": {"kind": "Pod", "namespace": "ns", "name": "p", "uid": "uid-p"},
                "nodeName": "n1",
                "zone": "z1",
            }
        ]
    }


@pytest.mark.parametrize(
    ("subdomain", "expected"), [("web", "db-0"), ("other", None), (None, None)]
)
def test_hostname_is_for_the_governing_service_only(subdomain, expected):
    endpoint = only_endpoint(service(), [pod(hostname="db-0", subdomain=subdomain)])
    assert endpoint.get("hostname") == expected


def test_a_named_target_port_is_each_pods_own():
    one = service(ports=[{"name": "http", "port": 80, "targetPort": "web"}])
    ports = [{"name": "web", "containerPort": 8080}]
    other = [{"name": "web", "containerPort": 9090}]
    pods = [
        pod("a", containers=[{"ports": ports}]),
        pod("b", containers=[{}, {"ports": other}]),
        pod("without", containers=[{"ports": []}]),
    ]
    groups = wanted_endpoints(one, pods, {})
    found = {
        group.ports: [endpoint["targetRef"]["name"] for endpoint in endpoints]
        for group, endpoints in groups.items()
    }
    # Who has no such port is there all the same, in a slice without ports: its name resolves.
    assert {ports and ports[0].port: names for ports, names in found.items()} == {
        8080: ["a"],
        9090: ["b"],
        (): ["without"],
    }


def test_a_named_port_is_looked_up_by_protocol_too():
    one = service(ports=[{"name": "dns", "port": 53, "targetPort": "dns", "protocol": "UDP"}])
    ports = [
        {"name": "dns", "containerPort": 1, "protocol": "TCP"},
        {"name": "dns", "containerPort": 2, "protocol": "UDP"},
    ]
    assert resolved_ports(one, pod(containers=[{"ports": ports}])) == (Port("dns", "UDP", 2),)


def test_without_target_port_the_service_port_is_meant():
    one = service(ports=[{"port": 80, "appProtocol": "http"}])
    assert resolved_ports(one, pod()) == (Port("", "TCP", 80, "http"),)


def test_a_headless_service_needs_no_ports():
    groups = wanted_endpoints(service(ports=None, clusterIP="None"), [pod()], {})
    assert list(groups) == [Group("IPv4", ())]


def test_both_families():
    one = service(ipFamilies=["IPv4", "IPv6"])
    groups = wanted_endpoints(one, [pod(ips=("10.0.0.1", "fd00::1"))], {})
    found = {group.address_type: ends[0]["addresses"] for group, ends in groups.items()}
    assert found == {"IPv4": ["10.0.0.1"], "IPv6": ["fd00::1"]}


@pytest.mark.parametrize("selector", [None, {}])
def test_no_selector_selects_nothing(selector):
    assert not selects(service(selector=selector), pod())


def test_news_is_only_what_endpoints_depend_on():
    noisy = pod()
    noisy["metadata"]["resourceVersion"] = "7"
    noisy["status"]["containerStatuses"] = [{"restartCount": 3}]
    assert pod_facts_that_matter(noisy) == pod_facts_that_matter(pod())
    for other in (pod(ready=False), pod(terminating=True), pod(ips=("10.0.0.2",))):
        assert pod_facts_that_matter(other) != pod_facts_that_matter(pod())
