"""kube-proxy's core: single cases, and any history against a computation from nothing."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nodeagent.proxy.change_tracker import ChangeTracker
from nodeagent.proxy.mode import IPTABLES, ProxyMode, check_node_port_addresses, proxy_mode
from nodeagent.proxy.proxier import Proxier
from nodeagent.proxy.topology import Topology
from nodeagent.tables import Tables

HERE = Topology(
    node="n1",
    addresses=("192.168.64.1", "fd00:192:168:64::1"),
    pod_addresses=("10.244.0.0", "10.244.0.1", "fd00:10:244::", "fd00:10:244::1"),
)


def service(name: str = "web", ip: str = "10.96.0.9", **spec):
    ports = [{"name": "http", "port": 80, "protocol": "TCP"}]
    return {
        "metadata": {"name": name, "namespace": "d"},
        "spec": {"clusterIP": ip, "ports": ports, **spec},
    }


def endpoint_slice(
    *addresses: str, name: str = "web-1", service: str = "web", port: str = "http", **conditions
):
    return {
        "metadata": {
            "name": name,
            "namespace": "d",
            "labels": {"kubernetes.io/service-name": service},
        },
        "addressType": "IPv4",
        "ports": [{"name": port, "port": 8080, "protocol": "TCP"}],
        "endpoints": [
            {"addresses": [a], "conditions": {"ready": True, **conditions}, "nodeName": "n1"}
            if a.endswith(".1")
            else {"addresses": [a], "conditions": {"ready": True, **conditions}, "nodeName": "n2"}
            for a in addresses
        ],
    }


def proxier(mode: ProxyMode = IPTABLES) -> tuple[Proxier, Tables]:
    tables = Tables()
    return Proxier(HERE, tables, mode), tables


def synced(*objects, mode: ProxyMode = IPTABLES) -> dict:
    core, tables = proxier(mode)
    for obj in objects:
        (core.slice_changed if "endpoints" in obj else core.service_changed)(obj)
    core.sync()
    return dict(tables.wanted("frontend"))


def addresses(entry) -> list[str]:
    return [backend["address"] for backend in entry["backends"]]


def test_a_service_of_two_families_reaches_endpoints_of_the_same_family():
    dual = service(
        clusterIPs=["10.96.0.9", "fd00:10:96::9"],
        type="NodePort",
        externalIPs=["192.0.2.1", "2001:db8::1"],
        ports=[{"name": "http", "port": 80, "protocol": "TCP", "nodePort": 30080}],
    )
    second = endpoint_slice("fd00:10:244::5", name="web-6") | {"addressType": "IPv6"}
    names = endpoint_slice("web.example", name="web-f") | {"addressType": "FQDN"}
    found = synced(dual, endpoint_slice("10.0.0.1"), second, names)
    assert {key[0]: addresses(entry) for key, entry in found.items()} == {
        "10.96.0.9": ["10.0.0.1"],
        "192.0.2.1": ["10.0.0.1"],
        "": ["10.0.0.1"],
        "fd00:10:96::9": ["fd00:10:244::5"],
        "2001:db8::1": ["fd00:10:244::5"],
        "::": ["fd00:10:244::5"],
    }
    assert found["", 30080, "TCP"]["listen"]
    assert found["::", 30080, "TCP"]["listen"], "one listener of the datapath serves both"


def test_cluster_ip_has_its_endpoints():
    found = synced(service(), endpoint_slice("10.0.0.1", "10.0.0.2"))
    entry = found["10.96.0.9", 80, "TCP"]
    assert entry == {
        "address": "10.96.0.9",
        "port": 80,
        "protocol": "TCP",
        "service": "d/web:http",
        "backends": [
            {"address": "10.0.0.1", "port": 8080, "node": "n1"},
            {"address": "10.0.0.2", "port": 8080, "node": "n2"},
        ],
        "local_backends": None,
        "retained": [],
        "source_ranges": [],
        "scheduler": "random",
        "affinity_s": 0,
        "masquerade": "off-cluster",
        "on_empty": "reject",
        "listen": False,
    }


@pytest.mark.parametrize("ip", ["None", ""])
def test_headless_services_have_no_frontend(ip):
    assert synced(service(ip=ip), endpoint_slice("10.0.0.1")) == {}


def test_external_name_has_no_frontend():
    assert synced(service(type="ExternalName")) == {}


def test_node_port_listens_on_every_address_and_masquerades():
    ports = [{"name": "http", "port": 80, "nodePort": 30080}]
    entry = synced(service(ports=ports), endpoint_slice("10.0.0.2"))["", 30080, "TCP"]
    assert (entry["listen"], entry["masquerade"], entry["on_empty"]) == (True, "always", "reject")


def test_external_traffic_policy_local_answers_the_outside_with_what_is_here():
    ports = [{"name": "http", "port": 80, "nodePort": 30080}]
    local = service(ports=ports, type="NodePort", externalTrafficPolicy="Local")
    entry = synced(local, endpoint_slice("10.0.0.1", "10.0.0.2"))["", 30080, "TCP"]
    assert (addresses(entry), entry["masquerade"]) == (["10.0.0.1", "10.0.0.2"], "never")
    assert [each["address"] for each in entry["local_backends"]] == ["10.0.0.1"]
    none_here = synced(local, endpoint_slice("10.0.0.2"))
    outside = none_here["", 30080, "TCP"]
    assert (addresses(outside), outside["local_backends"]) == (["10.0.0.2"], [])
    assert outside["on_empty"] == "drop"
    assert addresses(none_here["10.96.0.9", 80, "TCP"]) == ["10.0.0.2"]
    assert synced(local)["", 30080, "TCP"]["on_empty"] == "reject"


def test_internal_traffic_policy_local():
    local = service(internalTrafficPolicy="Local")
    found = synced(local, endpoint_slice("10.0.0.2"))["10.96.0.9", 80, "TCP"]
    assert (found["backends"], found["on_empty"]) == ([], "drop")


@pytest.mark.parametrize(
    ("spec", "affinity_s"),
    [
        ({}, 0),
        ({"sessionAffinity": "ClientIP"}, 10800),
        (
            {
                "sessionAffinity": "ClientIP",
                "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 60}},
            },
            60,
        ),
    ],
)
def test_session_affinity(spec, affinity_s):
    assert synced(service(**spec))["10.96.0.9", 80, "TCP"]["affinity_s"] == affinity_s


def test_external_ips_and_balancer_addresses():
    obj = service(externalIPs=["1.2.3.4"])
    obj["status"] = {"loadBalancer": {"ingress": [{"ip": "5.6.7.8"}, {"hostname": "h"}]}}
    assert {key[0] for key in synced(obj)} == {"10.96.0.9", "1.2.3.4", "5.6.7.8"}


def balanced(*ingress, **spec):
    ports = [{"name": "http", "port": 80, "protocol": "TCP", "nodePort": 30080}]
    obj = service(type="LoadBalancer", ports=ports, **spec)
    obj["status"] = {"loadBalancer": {"ingress": list(ingress)}}
    return obj


def test_source_ranges_are_of_balancer_addresses_alone_and_of_their_family():
    ranges = [" 192.0.2.0/24", "10.1.2.3/8", "2001:db8::/32"]
    found = synced(
        balanced({"ip": "5.6.7.8"}, loadBalancerSourceRanges=ranges, externalIPs=["1.2.3.4"])
    )
    assert found["5.6.7.8", 80, "TCP"]["source_ranges"] == ["192.0.2.0/24", "10.0.0.0/8"]
    for key in (("1.2.3.4", 80, "TCP"), ("10.96.0.9", 80, "TCP"), ("", 30080, "TCP")):
        assert found[key]["source_ranges"] == []


def test_an_address_of_mode_proxy_is_left_to_the_balancer():
    found = synced(
        balanced({"ip": "5.6.7.8", "ipMode": "VIP"}, {"ip": "5.6.7.9", "ipMode": "Proxy"})
    )
    assert {key[0] for key in found} == {"10.96.0.9", "5.6.7.8", ""}


def test_ports_of_sctp_are_nobodys():
    ports = [
        {"name": "http", "port": 80, "protocol": "TCP"},
        {"name": "sctp", "port": 80, "protocol": "SCTP"},
    ]
    assert list(synced(service(ports=ports))) == [("10.96.0.9", 80, "TCP")]


def test_udp_retains_who_serves_and_gets_nobody_new():
    ports = [{"name": "http", "port": 53, "protocol": "UDP", "nodePort": 30053}]
    local = service(ports=ports, type="NodePort", externalTrafficPolicy="Local")
    one = endpoint_slice("10.0.0.1", "10.0.0.2")
    one["ports"][0]["protocol"] = "UDP"
    leaving = endpoint_slice("10.0.0.3", name="web-2", ready=False, serving=True, terminating=True)
    leaving["ports"][0]["protocol"] = "UDP"
    entry = synced(local, one, leaving)["10.96.0.9", 53, "UDP"]
    assert addresses(entry) == ["10.0.0.1", "10.0.0.2"]
    assert [each["address"] for each in entry["retained"]] == ["10.0.0.3"]


def test_nftables_refuses_other_ports_and_has_node_ports_on_one_address():
    ports = [
        {"name": "http", "port": 80, "protocol": "TCP", "nodePort": 30080},
        {"name": "more", "port": 81, "protocol": "TCP"},
    ]
    found = synced(
        service(type="NodePort", ports=ports),
        endpoint_slice("10.0.0.1"),
        mode=proxy_mode("nftables"),
    )
    guard = found["10.96.0.9", 0, "TCP"]
    assert (guard["service"], guard["backends"]) == ("d/web", [])
    assert ("10.96.0.9", 0, "UDP") in found
    assert found["192.168.64.1", 30080, "TCP"]["listen"]
    assert ("", 30080, "TCP") not in found


@pytest.mark.parametrize(
    ("wanted", "addresses"),
    [
        ((), {"", "::"}),
        (("primary",), {"192.168.64.1", "fd00:192:168:64::1"}),
        (("192.168.64.0/24",), {"192.168.64.1"}),
        (("192.168.64.77/24",), {"192.168.64.1"}),
        (("fd00::/16",), {"fd00:192:168:64::1", "fd00:10:244::", "fd00:10:244::1"}),
        (("10.244.0.0/16",), {"10.244.0.0", "10.244.0.1"}),
        (("0.0.0.0/0",), {"192.168.64.1", "10.244.0.0", "10.244.0.1"}),
        (("203.0.113.0/24",), set()),
    ],
)
@pytest.mark.parametrize("mode", ["iptables", "nftables", "ipvs"])
def test_node_ports_are_at_the_addresses_that_are_wanted(mode, wanted, addresses):
    dual = service(
        clusterIPs=["10.96.0.9", "fd00:10:96::9"],
        type="NodePort",
        ports=[{"name": "http", "port": 80, "protocol": "TCP", "nodePort": 30080}],
    )
    found = synced(dual, mode=proxy_mode(mode, "rr", wanted))
    expected = (
        {"192.168.64.1", "fd00:192:168:64::1"} if (mode, wanted) == ("nftables", ()) else addresses
    )
    entries = {key[0]: entry for key, entry in found.items() if key[1] == 30080}
    assert set(entries) == expected
    dialled = {address for address, entry in entries.items() if entry["listen"]}
    assert dialled == expected & {"", "::", "192.168.64.1", "fd00:192:168:64::1"}


@pytest.mark.parametrize("wanted", [("primary", "10.0.0.0/8"), ("here",), ("10.0.0.0/99",), ("",)])
def test_node_port_addresses_that_make_no_sense(wanted):
    with pytest.raises(ValueError, match=r"stands alone|does not appear"):
        check_node_port_addresses(wanted)


def test_a_guard_stays_until_the_last_port_goes():
    ports = [
        {"name": "http", "port": 80, "protocol": "TCP"},
        {"name": "more", "port": 81, "protocol": "TCP"},
    ]
    core, tables = proxier(proxy_mode("nftables"))
    core.service_changed(service(ports=ports))
    core.sync()
    core.service_changed(service(ports=ports[1:]))
    core.sync()
    assert ("10.96.0.9", 0, "TCP") in tables.wanted("frontend")
    core.service_changed(service(ports=ports[1:]), deleted=True)
    core.sync()
    assert not tables.wanted("frontend")


def test_ports_that_are_silent_here_are_counted():
    """Upstream: TestNoEndpointsMetric."""
    ports = [{"name": "http", "port": 80, "nodePort": 30080, "protocol": "TCP"}]
    both = {"internalTrafficPolicy": "Local", "externalTrafficPolicy": "Local"}
    local = service(ports=ports, type="NodePort", **both)
    core, _ = proxier()
    counts = []
    for endpoints in ([], ["10.0.0.2"], ["10.0.0.1", "10.0.0.2"]):
        core.service_changed(local)
        core.slice_changed(endpoint_slice(*endpoints))
        core.sync()
        counts.append(tuple(core.no_local_endpoints().values()))
    assert counts == [(0, 0), (1, 1), (0, 0)], "a Service without any endpoint refuses"
    core.slice_changed(endpoint_slice("10.0.0.2"))
    core.service_changed(service(ports=ports, type="NodePort", externalTrafficPolicy="Local"))
    core.sync()
    assert core.no_local_endpoints() == {"internal": 0, "external": 1}


def test_ipvs_schedules_and_lets_local_fall_back():
    ports = [{"name": "http", "port": 80, "nodePort": 30080}]
    spec = {"type": "NodePort", "externalTrafficPolicy": "Local", "internalTrafficPolicy": "Local"}
    local = service(ports=ports, **spec)
    mode = proxy_mode("ipvs", "wlc")
    found = synced(local, endpoint_slice("10.0.0.2"), mode=mode)
    for key in (("10.96.0.9", 80, "TCP"), ("", 30080, "TCP")):
        entry = found[key]
        assert (addresses(entry), entry["on_empty"]) == (["10.0.0.2"], "reject")
        assert (entry["scheduler"], entry["local_backends"]) == ("wlc", None)
    here = synced(local, endpoint_slice("10.0.0.1", "10.0.0.2"), mode=mode)
    assert addresses(here["", 30080, "TCP"]) == ["10.0.0.1"]


def test_a_node_that_changes_zone_looks_at_every_service_again():
    core, tables = proxier()
    one = endpoint_slice("10.0.0.1", "10.0.0.2")
    for endpoint, zone in zip(one["endpoints"], ("a", "b"), strict=True):
        endpoint["hints"] = {"forZones": [{"name": zone}]}
    core.service_changed(service())
    core.slice_changed(one)
    core.sync()
    assert len(addresses(tables.wanted("frontend")["10.96.0.9", 80, "TCP"])) == 2
    core.topology_changed(HERE)
    assert not core.pending
    core.topology_changed(Topology(node="n1", zone="b"))
    assert core.pending
    core.sync()
    assert addresses(tables.wanted("frontend")["10.96.0.9", 80, "TCP"]) == ["10.0.0.2"]


def test_health_checks_come_and_go_with_their_services():
    core, tables = proxier()
    obj = balanced(externalTrafficPolicy="Local", healthCheckNodePort=30999)
    core.service_changed(obj)
    core.sync()
    (check,) = core.health_checks.values()
    assert (check.port, check.local_endpoints) == (30999, 0)
    assert tables.wanted("host_listener") == {
        ("TCP", 30999): {"protocol": "TCP", "port": 30999, "service": "d/web"}
    }
    core.slice_changed(endpoint_slice("10.0.0.1", "10.0.0.2"))
    core.sync()
    (check,) = core.health_checks.values()
    assert check.local_endpoints == 1
    core.service_changed(balanced())
    core.sync()
    assert (core.health_checks, dict(tables.wanted("host_listener"))) == ({}, {})


def test_endpoint_in_two_slices_counts_once_and_the_better_condition_wins():
    found = synced(
        service(),
        endpoint_slice("10.0.0.1", name="a", ready=False),
        endpoint_slice("10.0.0.1", "10.0.0.2", name="b"),
    )
    assert addresses(found["10.96.0.9", 80, "TCP"]) == ["10.0.0.1", "10.0.0.2"]


def test_other_address_types_and_unnamed_slices_are_ignored():
    six = {**endpoint_slice("10.0.0.1"), "addressType": "IPv6"}
    stray = endpoint_slice("10.0.0.1")
    stray["metadata"]["labels"] = {}
    assert addresses(synced(service(), six, stray)["10.96.0.9", 80, "TCP"]) == []


def test_contested_frontend_goes_to_the_next_when_the_first_lets_go():
    core, tables = proxier()
    first = service("a", "10.96.0.1", externalIPs=["1.2.3.4"])
    core.service_changed(first)
    core.service_changed(service("b", "10.96.0.2", externalIPs=["1.2.3.4"]))
    core.sync()
    assert tables.wanted("frontend")["1.2.3.4", 80, "TCP"]["service"] == "d/a:http"
    core.service_changed(first, deleted=True)
    core.sync()
    assert tables.wanted("frontend")["1.2.3.4", 80, "TCP"]["service"] == "d/b:http"


def test_change_that_changes_back_is_no_change():
    core, _ = proxier()
    core.service_changed(service())
    core.service_changed(service(), deleted=True)
    assert not core.pending


def test_tracker_merges_to_the_net_change():
    tracker: ChangeTracker[str, int] = ChangeTracker()
    tracker.note("a", 1, 2)
    tracker.note("a", 2, 3)
    tracker.note("b", 5, 6)
    tracker.note("b", 6, 5)
    assert tracker.checkout() == {"a": (1, 3)}
    assert len(tracker) == 0


services = st.builds(
    lambda name, ip, node_port, local: service(
        name,
        f"10.96.0.{ip}",
        ports=[{"name": "http", "port": 80, **({"nodePort": node_port} if node_port else {})}],
        externalTrafficPolicy="Local" if local else "Cluster",
    ),
    st.sampled_from("abc"),
    st.integers(1, 3),
    st.sampled_from([0, 30001, 30002]),
    st.booleans(),
)
slices = st.builds(
    lambda name, owner, ends, ready: endpoint_slice(
        *(f"10.0.0.{n}" for n in ends), name=name, service=owner, ready=ready
    ),
    st.sampled_from(["s1", "s2", "s3"]),
    st.sampled_from("abc"),
    st.lists(st.integers(1, 4), max_size=3, unique=True),
    st.booleans(),
)
steps = st.lists(st.tuples(st.one_of(services, slices), st.booleans(), st.booleans()), max_size=25)


@settings(max_examples=150)
@given(steps)
def test_any_history_equals_a_computation_from_nothing(history):
    core, tables = proxier()
    present: dict[tuple[str, str], dict] = {}
    for obj, deleted, sync in history:
        kind = "slice" if "endpoints" in obj else "service"
        place = (kind, obj["metadata"]["name"])
        known = present.get(place)
        if kind == "slice" and known is not None:
            # As upstream, a slice never moves to another Service.
            obj["metadata"]["labels"] = known["metadata"]["labels"]
        if deleted and known is None:
            continue
        change = core.slice_changed if kind == "slice" else core.service_changed
        change(obj, deleted=deleted)
        if deleted:
            del present[place]
        else:
            present[place] = obj
        if sync:
            core.sync()
    core.sync()
    naive = synced(*present.values())
    got = dict(tables.wanted("frontend"))
    assert got.keys() == naive.keys()
    for key, entry in got.items():
        owners = [o for o in present.values() if o["metadata"]["name"] == entry["service"][2]]
        assert owners, "a frontend of a Service that is gone"
        if entry["service"] == naive[key]["service"]:
            assert entry == naive[key]
