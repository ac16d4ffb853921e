from __future__ import annotations

import random
from ipaddress import ip_address, ip_network

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from controlplane.apiserver.kinds.service.strategy import default
from controlplane.apiserver.kinds.service_allocation import Pool, ServiceAllocator
from kubeapi.status import StatusError


def service(**spec):
    obj = {"metadata": {"name": "web"}, "spec": {"ports": [{"port": 80}], **spec}}
    default(obj)
    obj["spec"].setdefault("ipFamilies", ["IPv4"])
    return obj


@pytest.fixture
def allocator():
    return ServiceAllocator("10.96.0.0/16", "30000-32767", random.Random(1))


def test_addresses_come_from_above_the_static_band(allocator):
    for _ in range(50):
        new = service()
        assert allocator.assign(new, None) == []
        assert new["spec"]["clusterIPs"] == [new["spec"]["clusterIP"]]
        assert ip_address("10.96.1.0") < ip_address(new["spec"]["clusterIP"])


def test_node_ports_come_from_above_their_static_band(allocator):
    new = service(type="NodePort")
    assert allocator.assign(new, None) == []
    assert 30086 <= new["spec"]["ports"][0]["nodePort"] <= 32767


def test_a_named_address_is_honoured_once(allocator):
    assert allocator.assign(service(clusterIP="10.96.0.10"), None) == []
    [cause] = allocator.assign(service(clusterIP="10.96.0.10"), None)
    assert str(cause) == (
        'spec.clusterIPs: Invalid value: []string{"10.96.0.10"}: '
        "failed to allocate IP 10.96.0.10: provided IP is already allocated"
    )


def test_an_address_outside_the_range_is_refused(allocator):
    for address in ("10.97.0.1", "10.96.0.0", "10.96.255.255"):
        [cause] = allocator.assign(service(clusterIP=address), None)
        assert cause.message.endswith(
            f"the provided IP ({address}) is not in the valid range. "
            "The range of valid IPs is 10.96.0.0/16"
        )


def test_a_named_port_is_honoured_once(allocator):
    port = {"port": 80, "nodePort": 30080}
    assert allocator.assign(service(type="NodePort", ports=[dict(port)]), None) == []
    [cause] = allocator.assign(service(type="NodePort", ports=[dict(port)]), None)
    assert str(cause) == (
        "spec.ports[0].nodePort: Invalid value: 30080: provided port is already allocated"
    )
    [cause] = allocator.assign(service(type="NodePort", ports=[{"port": 1, "nodePort": 80}]), None)
    assert cause.message == (
        "Invalid value: 80: provided port is not in the valid range. "
        "The range of valid ports is 30000-32767"
    )


def test_a_refused_service_holds_nothing(allocator):
    ports = [{"name": "a", "port": 1, "nodePort": 30080}, {"name": "b", "port": 2, "nodePort": 80}]
    refused = service(type="NodePort", clusterIP="10.96.0.10", ports=ports)
    assert len(allocator.assign(refused, None)) == 1
    accepted = service(type="NodePort", clusterIP="10.96.0.10", ports=[ports[0]])
    assert allocator.assign(accepted, None) == []


def test_headless_and_external_services_get_nothing(allocator):
    headless = service(clusterIP="None")
    external = service(type="ExternalName", externalName="example.com")
    assert allocator.assign(headless, None) == allocator.assign(external, None) == []
    assert headless["spec"]["clusterIPs"] == ["None"]
    assert "clusterIP" not in external["spec"]


def test_one_port_under_two_protocols_gets_one_node_port(allocator):
    ports = [{"name": "a", "port": 53}, {"name": "b", "port": 53, "protocol": "UDP"}]
    dns = service(type="NodePort", ports=ports)
    assert allocator.assign(dns, None) == []
    assert dns["spec"]["ports"][0]["nodePort"] == dns["spec"]["ports"][1]["nodePort"]


def _port(number: int, protocol: str = "TCP", node_port: int = 0):
    asked = {"nodePort": node_port} if node_port else {}
    return {"name": f"{protocol}-{number}".lower(), "port": number, "protocol": protocol, **asked}


@pytest.mark.parametrize(
    ("ports", "same"),
    [
        pytest.param([_port(53), _port(53, "UDP")], True, id="multiport_multiproto_unspecified"),
        pytest.param(
            [_port(53, node_port=30053), _port(53, "UDP", 30053)],
            True,
            id="multiport_multiproto_same",
        ),
        pytest.param([_port(53), _port(53, "UDP", 30053)], True, id="multiport_multiproto_mixed"),
        pytest.param(
            [_port(53, node_port=30053), _port(53, "UDP", 30054)],
            False,
            id="multiport_multiproto_different",
        ),
        pytest.param([_port(53), _port(54, "UDP")], False, id="multiport_unspecified"),
        pytest.param(
            [_port(93, node_port=30093), _port(76, "UDP", 30093)],
            None,
            id="multiport_multiproto_conflict",
        ),
    ],
)
def test_node_ports_of_a_new_service(allocator, ports, same):
    """Upstream: TestCreateInitNodePorts, by the names of its cases."""
    asked = [port.get("nodePort") for port in ports]
    new = service(type="NodePort", ports=[dict(port) for port in ports])
    causes = allocator.assign(new, None)
    if same is None:
        assert [cause.field for cause in causes] == ["spec.ports[1].nodePort"]
        assert causes[0].message.endswith("provided port is already allocated")
        return
    assert causes == []
    assert (len({port["nodePort"] for port in new["spec"]["ports"]}) == 1) is same
    given = [port["nodePort"] for port in new["spec"]["ports"]]
    assert all(wish in (None, number) for wish, number in zip(asked, given, strict=True))


def test_a_service_that_is_changed_shares_no_node_port_by_itself(allocator):
    old = service(clusterIP="10.96.0.10", ports=[_port(53), _port(53, "UDP")])
    assert allocator.assign(old, None) == []
    new = service(type="NodePort", clusterIP="10.96.0.10", ports=[_port(53), _port(53, "UDP")])
    assert allocator.assign(new, old) == []
    assert len({port["nodePort"] for port in new["spec"]["ports"]}) == 2
    shared = [_port(53, node_port=30053), _port(54, "UDP", 30053)]
    again = service(type="NodePort", clusterIP="10.96.0.10", ports=shared)
    assert allocator.assign(again, new) == []


def test_a_change_of_type_takes_and_gives_back(allocator):
    old = service(clusterIP="10.96.0.10")
    assert allocator.assign(old, None) == []
    new = service(type="NodePort", clusterIP="10.96.0.10", ports=[{"port": 80, "nodePort": 30080}])
    assert allocator.assign(new, old) == []
    allocator.release(old, keep=new)
    assert allocator.assign(service(clusterIP="10.96.0.10"), None)
    allocator.release(new, keep=old)  # As after a failed write.
    assert allocator.assign(service(type="NodePort", ports=new["spec"]["ports"]), None) == []


def test_local_load_balancers_get_a_port_for_health_checks(allocator):
    new = service(type="LoadBalancer", externalTrafficPolicy="Local")
    assert allocator.assign(new, None) == []
    assert 30000 <= new["spec"]["healthCheckNodePort"] <= 32767
    assert new["spec"]["healthCheckNodePort"] != new["spec"]["ports"][0]["nodePort"]


def test_what_is_claimed_in_the_store_is_taken_except_for_its_owner(allocator):
    allocator.claim("serviceips/10.96.0.1", "dns")
    allocator.claim("servicenodeports/30080", "dns")
    ports = [{"port": 80, "nodePort": 30080}]
    [no_address] = allocator.assign(service(clusterIP="10.96.0.1"), None)
    assert no_address.message.endswith("provided IP is already allocated")
    [no_port] = allocator.assign(service(type="NodePort", ports=ports), None)
    assert no_port.message.endswith("provided port is already allocated")
    own = service(type="NodePort", clusterIP="10.96.0.1", ports=ports)
    own["metadata"]["name"] = "dns"
    assert allocator.assign(own, None) == []
    allocator.release(own)
    allocator.unclaim("serviceips/10.96.0.1")
    assert allocator.assign(service(clusterIP="10.96.0.1"), None) == []


def test_claims_are_never_given_out_at_random():
    small = ServiceAllocator("10.96.0.0/29", "30000-30001", random.Random(1))
    for number in range(1, 6):
        small.claim(f"serviceips/10.96.0.{number}", "other")
    small.claim("servicenodeports/30000", "other")
    new = service(type="NodePort")
    assert small.assign(new, None) == []
    assert small.held(new) == ["serviceips/10.96.0.6", "servicenodeports/30001"]


def test_numbers_of_other_ranges_are_not_ours_to_hold(allocator):
    old = service(type="NodePort", clusterIP="172.16.0.1", ports=[{"port": 1, "nodePort": 20000}])
    old["spec"]["clusterIPs"] = ["172.16.0.1"]
    assert allocator.held(old) == []


def test_a_range_ends(allocator):
    small = ServiceAllocator("10.96.0.0/29", "30000-30001", random.Random(1))
    assert [small.assign(service(), None) for _ in range(6)] == [[]] * 6
    with pytest.raises(StatusError) as caught:
        small.assign(service(), None)
    assert (caught.value.code, caught.value.message) == (
        500,
        "Internal error occurred: failed to allocate a serviceIP: range is full",
    )
    small.release(service(clusterIP="10.96.0.3"))
    new = service()
    assert small.assign(new, None) == []
    assert new["spec"]["clusterIP"] == "10.96.0.3"


def test_the_low_band_is_given_out_last():
    pool = Pool(0, 31, (16, 256, 16), random.Random(1))
    taken = [pool.take_any() for _ in range(32)]
    assert set(taken[:16]) == set(range(16, 32))
    assert set(taken[16:]) == set(range(16))
    assert pool.take_any() is None


class Allocations(RuleBasedStateMachine):
    """Services come, change and go; a set of plain numbers keeps the books."""

    def __init__(self):
        super().__init__()
        self.allocator = ServiceAllocator("10.96.0.0/28", "30000-30007", random.Random(1))
        self.services = []

    def held(self, but=None):
        others = [item for item in self.services if item is not but]
        addresses = [s["spec"].get("clusterIP") for s in others]
        ports = [p.get("nodePort") for s in others for p in s["spec"]["ports"]]
        return [a for a in addresses if a], [p for p in ports if p]

    def is_refused(self, new, old):
        """A range that is full is a 500, everything else an invalid field."""
        try:
            return bool(self.allocator.assign(new, old))
        except StatusError as error:
            if "range is full" not in error.message:
                raise
            return True

    @rule(
        kind=st.sampled_from(["ClusterIP", "NodePort"]),
        address=st.sampled_from(["", "10.96.0.1", "10.96.0.9"]),
        port=st.sampled_from([0, 30001, 30007]),
    )
    def create(self, kind, address, port):
        new = service(type=kind, clusterIP=address) if address else service(type=kind)
        if port and kind == "NodePort":
            new["spec"]["ports"][0]["nodePort"] = port
        addresses, ports = self.held()
        wanted_ports = kind == "NodePort"
        refused = address in addresses if address else len(addresses) == 14
        if wanted_ports:
            refused = refused or (port in ports if port else len(ports) == 8)
        assert self.is_refused(new, None) == refused
        if not refused:
            self.services.append(new)

    @precondition(lambda self: self.services)
    @rule(data=st.data(), kind=st.sampled_from(["ClusterIP", "NodePort"]), fails=st.booleans())
    def change_type(self, data, kind, fails):
        old = data.draw(st.sampled_from(self.services))
        new = service(type=kind, clusterIP=old["spec"]["clusterIP"])
        if kind == old["spec"]["type"]:
            new["spec"]["ports"] = [dict(port) for port in old["spec"]["ports"]]
        if self.is_refused(new, old):
            assert len(self.held()[1]) == 8
        elif fails:
            self.allocator.release(new, keep=old)
        else:
            self.allocator.release(old, keep=new)
            self.services[self.services.index(old)] = new

    @precondition(lambda self: self.services)
    @rule(data=st.data())
    def delete(self, data):
        gone = data.draw(st.sampled_from(self.services))
        self.services.remove(gone)
        self.allocator.release(gone)

    @invariant()
    def nothing_is_held_twice_and_all_is_in_range(self):
        addresses, ports = self.held()
        assert len(set(addresses)) == len(addresses)
        assert len(set(ports)) == len(ports)
        assert all(ip_address(a) in ip_network("10.96.0.0/28") for a in addresses)
        assert all(30000 <= port <= 30007 for port in ports)


TestAllocations = Allocations.TestCase
TestAllocations.settings = settings(max_examples=60, stateful_step_count=30)


def test_node_ports_end():
    small = ServiceAllocator("10.96.0.0/24", "30000-30001", random.Random(1))
    assert [small.assign(service(type="NodePort"), None) for _ in range(2)] == [[], []]
    with pytest.raises(StatusError, match="failed to allocate a nodePort: range is full") as caught:
        small.assign(service(type="NodePort", clusterIP="10.96.0.9"), None)
    assert caught.value.code == 500
    again = service(clusterIP="10.96.0.9")
    assert small.assign(again, None) == [], "what the failed one took was given back"
    balanced = service(
        type="LoadBalancer", externalTrafficPolicy="Local", allocateLoadBalancerNodePorts=False
    )
    with pytest.raises(StatusError, match="a HealthCheck NodePort 0: range is full"):
        small.assign(balanced, None)


def test_a_named_health_check_port_is_honoured_once(allocator):
    wish = {"externalTrafficPolicy": "Local", "healthCheckNodePort": 30999}
    assert allocator.assign(service(type="LoadBalancer", **wish), None) == []
    with pytest.raises(StatusError) as caught:
        allocator.assign(service(type="LoadBalancer", **wish), None)
    assert (caught.value.code, caught.value.message) == (
        500,
        "Internal error occurred: failed to allocate requested HealthCheck NodePort 30999: "
        "provided port is already allocated",
    )


def test_a_port_is_not_for_traffic_and_for_health_checks(allocator):
    wish = {"externalTrafficPolicy": "Local", "healthCheckNodePort": 30053}
    both = service(type="LoadBalancer", ports=[_port(53, node_port=30053)], **wish)
    with pytest.raises(StatusError, match=r"HealthCheck NodePort 30053: .*already allocated"):
        allocator.assign(both, None)
    assert allocator.assign(service(type="NodePort", ports=[_port(1, "TCP", 30053)]), None) == []


@pytest.fixture
def dual():
    return ServiceAllocator("10.96.0.0/16,fd00:10:96::/108", "30000-32767", random.Random(1))


def of_two(**spec):
    return service(ipFamilies=["IPv4", "IPv6"], ipFamilyPolicy="RequireDualStack", **spec)


def test_two_families_have_an_address_each(dual):
    new = of_two()
    assert dual.assign(new, None) == []
    first, second = map(ip_address, new["spec"]["clusterIPs"])
    assert first in ip_network("10.96.0.0/16")
    assert second in ip_network("fd00:10:96::/108")
    assert new["spec"]["clusterIP"] == str(first)
    assert set(dual.held(new)) == {f"serviceips/{first}", f"serviceips/{second}"}


def test_a_service_that_steps_up_keeps_its_first_address(dual):
    old = service()
    assert dual.assign(old, None) == []
    new = of_two(clusterIP=old["spec"]["clusterIP"])
    assert dual.assign(new, old) == []
    assert new["spec"]["clusterIPs"][0] == old["spec"]["clusterIP"]
    assert ip_address(new["spec"]["clusterIPs"][1]).version == 6


def test_one_address_that_is_taken_gives_the_other_back(dual):
    assert dual.assign(service(clusterIP="fd00:10:96::a", ipFamilies=["IPv6"]), None) == []
    asked = of_two(clusterIP="10.96.0.10", clusterIPs=["10.96.0.10", "fd00:10:96::a"])
    [cause] = dual.assign(asked, None)
    assert "failed to allocate IP fd00:10:96::a: provided IP is already allocated" in str(cause)
    assert dual.assign(service(clusterIP="10.96.0.10"), None) == []


def test_the_last_address_of_ipv6_is_no_broadcast_address():
    allocator = ServiceAllocator("fd00:10:96::/126", "30000-32767", random.Random(1))
    last = service(clusterIP="fd00:10:96::3", ipFamilies=["IPv6"])
    assert allocator.assign(last, None) == []


def test_a_claim_of_a_family_that_is_no_longer_there_harms_nobody(allocator):
    allocator.claim("serviceips/fd00:10:96::a", "default/web")
    allocator.unclaim("serviceips/fd00:10:96::a")
    assert allocator.assign(service(), None) == []
