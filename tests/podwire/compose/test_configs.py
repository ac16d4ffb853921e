"""Configurations: each is one that its process takes, and they agree with each other."""

from __future__ import annotations

import msgspec
import pytest

import controlplane.apiserver.config
import controlplane.controllermanager.config
import controlplane.scheduler.config
import nodeagent.config
import nodeagent.datapath.config
import podruntime.config
from podwire.cluster import addons
from podwire.cluster.families import NETWORKS, IpFamily
from podwire.compose import balancer, configs, settings
from podwire.compose.configs import Parameters
from podwire.compose.settings import Settings

KINDS = {
    "apiserver": controlplane.apiserver.config.Config,
    "scheduler": controlplane.scheduler.config.Config,
    "controller-manager": controlplane.controllermanager.config.Config,
    "podruntime": podruntime.config.Config,
    "datapath": nodeagent.datapath.config.Config,
    "nodeagent": nodeagent.config.NodeAgentConfig,
    "balancer": balancer.Config,
}


def parameters(control_planes: int, family: IpFamily = "ipv4") -> Parameters:
    chosen = Settings(ip_family=family)
    return Parameters(uid="a-uid", control_planes=control_planes, settings=chosen)


@pytest.mark.parametrize("family", list(NETWORKS))
@pytest.mark.parametrize("control_planes", [1, 3])
def test_every_process_takes_its_configuration(control_planes: int, family: IpFamily) -> None:
    given = parameters(control_planes, family)
    made = [*configs.node(given, 1), *configs.control_plane(given, control_planes)]
    for name, config in made:
        msgspec.convert(config, KINDS[name], strict=True)
    assert ("balancer" in dict(made)) == (control_planes > 1)


def test_masters_have_numbers_when_there_are_several() -> None:
    one = dict(configs.control_plane(parameters(1), 1))
    assert one["scheduler"]["name"] == "scheduler"
    third = dict(configs.control_plane(parameters(3), 3))
    assert third["scheduler"]["name"] == "scheduler-3"
    assert third["apiserver"]["advertise_address"] == "192.168.64.253"


def test_an_api_server_asks_the_member_of_its_own_number_first() -> None:
    second = dict(configs.control_plane(parameters(3), 2))["apiserver"]
    assert second["etcd_endpoints"] == [
        "192.168.64.242:2379",
        "192.168.64.241:2379",
        "192.168.64.243:2379",
    ]


def test_etcd_members_know_each_other_and_their_cluster() -> None:
    alone, third = configs.etcd(parameters(1), 1), configs.etcd(parameters(3), 3)
    assert alone["initial-cluster"] == "etcd-1=https://192.168.64.241:2380"
    assert third["initial-cluster"].count("https://") == 3
    assert third["initial-advertise-peer-urls"] in third["initial-cluster"]
    assert third["initial-cluster-token"] == "a-uid"
    for side in ("client-transport-security", "peer-transport-security"):
        assert third[side]["client-cert-auth"] is True


def test_ipv6_is_carried_by_the_bridge_networks_ipv4() -> None:
    assert dict(configs.node(parameters(1), 1))["datapath"]["transport_map"] == {}
    dual = dict(configs.node(parameters(1, "dual"), 2))
    assert dual["nodeagent"]["internal_ip6"] == "fd00:192:168:64::2"
    assert dual["datapath"]["transport_map"] == {
        "192.168.64.0/24": "192.168.64.0/24",
        "fd00:192:168:64::/120": "192.168.64.0/24",
    }
    assert dual["datapath"]["mtu"] == dual["nodeagent"]["mtu"] == 1500
    server = dict(configs.control_plane(parameters(1, "ipv6"), 1))["apiserver"]
    assert server["advertise_address"] == "fd00:192:168:64::fb"


def test_nodes_are_told_the_mtu_of_their_network() -> None:
    given = Parameters(uid="a-uid", control_planes=1, settings=Settings(mtu=9000))
    node = dict(configs.node(given, 1))
    assert node["datapath"]["mtu"] == node["nodeagent"]["mtu"] == 9000


def test_what_may_be_chosen_reaches_the_processes() -> None:
    chosen = settings.from_environment({
        "PODWIRE_INGRESS": "true", "PODWIRE_PROXY_MODE": "ipvs", "PODWIRE_IPVS_SCHEDULER": "lc",
        "PODWIRE_OUTSIDE": "site=192.168.64.254:80", "PODWIRE_DNS_REPLICAS": "3",
        "PODWIRE_NON_MASQUERADE_CIDRS": "10.0.0.0/8",
    })  # fmt: skip
    given = Parameters(uid="a-uid", control_planes=1, settings=chosen)
    node = dict(configs.node(given, 1))
    assert node["datapath"]["outside_services"] == [
        {
            "address": "203.0.113.1",
            "port": 80,
            "protocol": "TCP",
            "target": "192.168.64.254:80",
        }
    ]
    assert node["nodeagent"]["proxy_mode"] == "ipvs"
    assert node["nodeagent"]["ipvs_scheduler"] == "lc"
    assert node["nodeagent"]["non_masquerade_cidrs"] == ("10.0.0.0/8",)
    made = addons.objects(given.cluster)
    assert {each["kind"] for each in made} >= {"IngressClass"}
    (dns,) = (each for each in made if each["metadata"]["name"] == "coredns" and "spec" in each)
    assert dns["spec"]["replicas"] == 3
    (corefile,) = (each["data"]["Corefile"] for each in made if each["kind"] == "ConfigMap")
    assert "203.0.113.1 site site.outside" in corefile


def test_balancers_are_at_the_nodes_addresses() -> None:
    assert dict(configs.control_plane(parameters(1), 1))["controller-manager"]["node_balancers"]
