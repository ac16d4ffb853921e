import json

import msgspec
import pytest

from componentbase.process import load_config
from nodeagent.__main__ import main
from nodeagent.availability import Availability
from nodeagent.config import NodeAgentConfig, transport_address, underlay_prefix

MAP = {"192.168.64.0/24": "127.0.3.0/24"}


@pytest.mark.parametrize(
    ("address", "networks", "expected"),
    [
        ("192.168.64.7", MAP, "127.0.3.7"),
        ("10.0.0.1", MAP, "10.0.0.1"),
        ("192.168.64.7", {}, "192.168.64.7"),
    ],
)
def test_transport_address(address, networks, expected):
    assert transport_address(address, networks) == expected


def test_an_address_of_ipv6_keeps_its_host_part_in_a_network_of_ipv4():
    networks = {**MAP, "fd00:192:168:64::/120": "127.0.3.0/24"}
    assert transport_address("fd00:192:168:64::fb", networks) == "127.0.3.251"
    assert underlay_prefix("fd00:192:168:64::1", networks) == 120
    assert underlay_prefix("fd00:192:168:64::1", {}) == 120


def _config(**fields) -> NodeAgentConfig:
    fixed = {
        name: ""
        for name in (
            *("node_name", "kubeconfig", "directory", "server_certificate"),
            *("server_private_key", "client_ca", "cluster_dns", "log_file"),
        )
    }
    given = {
        "internal_ip": "192.168.64.1",
        "internal_ip6": "fd00:192:168:64::1",
        "transport_map": {},
        "service_cidr": "10.96.0.0/16",
        **fields,
    }
    return msgspec.convert({**fixed, **given}, NodeAgentConfig)


@pytest.mark.parametrize(
    ("cluster_cidr", "addresses"),
    [
        ("10.244.0.0/16", ("192.168.64.1",)),
        ("fd00:10:244::/56", ("fd00:192:168:64::1",)),
        ("10.244.0.0/16,fd00:10:244::/56", ("192.168.64.1", "fd00:192:168:64::1")),
        ("fd00:10:244::/56,10.244.0.0/16", ("fd00:192:168:64::1", "192.168.64.1")),
    ],
)
def test_a_node_has_the_addresses_of_its_clusters_families(cluster_cidr, addresses):
    config = _config(cluster_cidr=cluster_cidr)
    assert config.node_addresses() == addresses
    assert config.underlay_addresses() == ("192.168.64.1/24", "fd00:192:168:64::1/120")


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"cluster_cidr": "fd00:10:244::/56", "internal_ip6": ""}, "internal_ip6 is missing"),
        ({"cluster_cidr": "10.0.0.0/16,10.1.0.0/16"}, "two networks of one family"),
        ({"cluster_cidr": "10.0.0.0/33"}, "10.0.0.0/33"),
    ],
)
def test_families_that_make_no_sense_are_refused(fields, why):
    with pytest.raises(msgspec.ValidationError, match=why):
        _config(**fields)


def test_underlay_prefix():
    assert underlay_prefix("192.168.64.7", {"192.168.0.0/16": "127.1.0.0/16"}) == 16
    assert underlay_prefix("192.168.64.7", {}) == 24


def test_unknown_field_is_refused_with_one_clear_line(tmp_path):
    path = tmp_path / "c.json"
    path.write_text(json.dumps({"node_name": "n", "colour": "red"}))
    with pytest.raises(SystemExit, match="unknown field `colour`"):
        load_config(NodeAgentConfig, path)


def test_usage(capsys):
    assert main([]) == 2
    assert "usage" in capsys.readouterr().err


def test_availability_has_patience_once_it_was_there():
    up = Availability(patience_s=5)
    assert not up.available(0)
    up.changed(False, 1)
    assert not up.available(1)
    up.changed(True, 2)
    assert up.available(100)
    up.changed(False, 100)
    up.changed(False, 103)
    assert up.available(104)
    assert not up.available(105)
    up.changed(True, 106)
    assert up.available(107)
