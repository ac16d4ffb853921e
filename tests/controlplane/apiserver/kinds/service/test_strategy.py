from __future__ import annotations

import pytest

PORT = {"port": 80}


@pytest.fixture
def service(made):
    def make(**spec):
        return made("Service", {"spec": {"ports": [dict(PORT)], **spec}})

    return make


def test_defaults_of_a_cluster_ip(service):
    assert service()["spec"] == {
        "type": "ClusterIP",
        "ports": [{"port": 80, "protocol": "TCP", "targetPort": 80}],
        "sessionAffinity": "None",
        "internalTrafficPolicy": "Cluster",
        "ipFamilies": ["IPv4"],
        "ipFamilyPolicy": "SingleStack",
    }
    assert service()["status"] == {"loadBalancer": {}}


@pytest.mark.parametrize(
    ("spec", "has", "lacks"),
    [
        (
            {"type": "NodePort"},
            {"externalTrafficPolicy": "Cluster"},
            {"allocateLoadBalancerNodePorts"},
        ),
        ({"externalIPs": ["10.1.1.1"]}, {"externalTrafficPolicy": "Cluster"}, set()),
        ({"type": "LoadBalancer"}, {"allocateLoadBalancerNodePorts": True}, set()),
        (
            {"type": "ExternalName", "externalName": "example.com"},
            {},
            {"ipFamilies", "internalTrafficPolicy", "externalTrafficPolicy"},
        ),
        (
            {"sessionAffinity": "ClientIP"},
            {"sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 10800}}},
            set(),
        ),
        ({"clusterIP": "10.96.0.10"}, {"clusterIPs": ["10.96.0.10"]}, set()),
    ],
)
def test_defaults_by_type(service, spec, has, lacks):
    found = service(**spec)["spec"]
    assert has.items() <= found.items()
    assert not lacks & found.keys()


def test_an_update_may_leave_out_what_the_cluster_chose(service, update):
    old = service(type="NodePort", clusterIP="10.96.3.3")
    old["spec"]["ports"][0] |= {"name": "a", "nodePort": 30080}
    new = service(type="NodePort")
    new["spec"]["ports"].append({"port": 81, "name": "b"})
    new["spec"]["ports"][0] |= {"name": "a", "port": 8080}  # The name says which port it is.
    assert update("Service", new, old) == []
    assert new["spec"]["clusterIPs"] == ["10.96.3.3"]
    assert new["spec"]["clusterIP"] == "10.96.3.3"
    assert [port.get("nodePort") for port in new["spec"]["ports"]] == [30080, None]


def test_a_change_to_cluster_ip_gives_the_node_port_up(service, update):
    old = service(type="NodePort", clusterIP="10.96.3.3")
    old["spec"]["ports"][0]["nodePort"] = 30080
    new = service(type="ClusterIP", clusterIP="10.96.3.3", externalTrafficPolicy="Cluster")
    new["spec"]["ports"][0]["nodePort"] = 30080
    assert update("Service", new, old) == []
    assert "nodePort" not in new["spec"]["ports"][0]
    assert "externalTrafficPolicy" not in new["spec"]


def test_a_change_to_external_name_gives_the_address_up(service, update):
    old = service(clusterIP="10.96.3.3")
    new = service(type="ExternalName", externalName="example.com", clusterIP="10.96.3.3")
    assert update("Service", new, old) == []
    assert not {"clusterIP", "clusterIPs"} & new["spec"].keys()


def test_a_load_balancer_that_is_none_any_more_loses_its_status(service, update):
    old = service(type="LoadBalancer", clusterIP="10.96.3.3")
    old["status"] = {"loadBalancer": {"ingress": [{"ip": "10.1.1.1"}]}}
    new = service(clusterIP="10.96.3.3", allocateLoadBalancerNodePorts=True)
    assert update("Service", new, old) == []
    assert new["status"] == {"loadBalancer": {}}
    assert "allocateLoadBalancerNodePorts" not in new["spec"]


def test_either_form_of_the_address_may_be_left_out(service, update):
    old = service(clusterIP="10.96.3.3")
    new = service(clusterIP="10.96.3.3")
    del new["spec"]["clusterIPs"]
    assert update("Service", new, old) == []
    assert new["spec"]["clusterIPs"] == ["10.96.3.3"]


@pytest.mark.parametrize(
    ("cluster_ip", "cluster_ips", "expected"),
    [
        (None, ["10.96.3.3"], "10.96.3.3"),  # clusterIP taken out: it comes back.
        ("10.96.4.4", ["10.96.3.3"], "10.96.4.4"),  # Changed: refused later, as it was meant.
        ("10.96.3.3", ["10.96.4.4"], "10.96.4.4"),
        ("10.96.3.3", None, "10.96.3.3"),
    ],
)
def test_the_form_that_changed_is_meant(service, update, cluster_ip, cluster_ips, expected):
    old = service(clusterIP="10.96.3.3")
    new = service(clusterIP="10.96.3.3")
    for key, value in (("clusterIP", cluster_ip), ("clusterIPs", cluster_ips)):
        if value is None:
            del new["spec"][key]
        else:
            new["spec"][key] = value
    causes = update("Service", new, old)
    assert (new["spec"]["clusterIP"], new["spec"]["clusterIPs"]) == (expected, [expected])
    assert bool(causes) == (expected != "10.96.3.3")


def test_a_health_check_port_is_kept_and_given_up(service, update):
    old = service(type="LoadBalancer", externalTrafficPolicy="Local", healthCheckNodePort=30999)
    kept = service(type="LoadBalancer", externalTrafficPolicy="Local")
    assert update("Service", kept, old) == []
    assert kept["spec"]["healthCheckNodePort"] == 30999
    lost = service(type="LoadBalancer", healthCheckNodePort=30999)
    assert update("Service", lost, old) == []
    assert "healthCheckNodePort" not in lost["spec"]


def test_a_service_that_is_external_no_more_forgets_the_name(service, update):
    old = service(type="ExternalName", externalName="example.com")
    new = service(externalName="example.com")
    assert update("Service", new, old) == []
    assert "externalName" not in new["spec"]


def test_fields_to_select_by(kind_of, made):
    named = made("Service", {"spec": {"type": "ExternalName", "externalName": "a.example"}})
    inside = made("Service", {"spec": {"clusterIP": "10.96.0.1", "ports": [{"port": 443}]}})
    fields = kind_of("Service").fields
    assert fields(named) == {"spec.clusterIP": "", "spec.type": "ExternalName"}
    assert fields(inside) == {"spec.clusterIP": "10.96.0.1", "spec.type": "ClusterIP"}
