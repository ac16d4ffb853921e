"""What each process is told: every configuration is one that it takes."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

import controlplane.apiserver.config
import controlplane.controllermanager.config
import controlplane.scheduler.config
import nodeagent.config
import nodeagent.datapath.config
import nodeagent.hollow.config
import podruntime.config
import podwire.fabric.config
import podwire.launcher.etcd
from componentbase.process import load_config
from controlplane.apiserver.config import transport_address
from podwire.cluster import configs, etcd, plan
from podwire.cluster.families import NETWORKS, IpFamily
from podwire.cluster.layout import Cluster, Layout
from podwire.launcher.entries import ENTRIES

KINDS: dict[str, type[msgspec.Struct]] = {
    "apiserver": controlplane.apiserver.config.Config,
    "controllermanager": controlplane.controllermanager.config.Config,
    "datapath": nodeagent.datapath.config.Config,
    "etcd": podwire.launcher.etcd.Config,
    "fabric": podwire.fabric.config.Config,
    "hollow": nodeagent.hollow.config.HollowConfig,
    "nodeagent": nodeagent.config.NodeAgentConfig,
    "podruntime": podruntime.config.Config,
    "scheduler": controlplane.scheduler.config.Config,
}


@pytest.fixture
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Layout:
    monkeypatch.setenv("PODWIRE_HOME", str(tmp_path))
    monkeypatch.setattr(etcd, "find", lambda program: f"/usr/bin/{program}")
    made = Layout.of("lab")
    made.make_directories()
    return made


@pytest.mark.parametrize(
    ("store", "control_planes", "family"),
    [("embedded", 1, "ipv4"), ("etcd", 1, "ipv6"), ("etcd", 3, "dual")],
)
def test_every_process_accepts_its_configuration(
    store: str, control_planes: int, family: IpFamily, paths: Layout
) -> None:
    cluster = Cluster(
        name="lab",
        nodes=2,
        hollow=3,
        block=3,
        store=store,
        control_planes=control_planes,
        **NETWORKS[family],
    )
    configs.write_configs(cluster, paths)
    planned = plan.processes(cluster)
    roles = {process.role for process in planned}
    assert roles | {"etcd"} == set(ENTRIES) == set(KINDS)
    for process in planned:
        config = load_config(KINDS[process.role], paths.config(process.file_name))
        assert getattr(config, "log_file") == str(paths.log(process.file_name))  # noqa: B009


def test_api_servers_write_down_what_a_policy_says(paths: Layout) -> None:
    cluster = Cluster(name="lab", nodes=1, block=3, audit_policy="rules: []")
    configs.write_configs(cluster, paths)
    config = load_config(KINDS["apiserver"], paths.config("apiserver"))
    assert isinstance(config, controlplane.apiserver.config.Config)
    assert Path(config.audit_policy).read_text() == "rules: []"
    assert config.audit_log == str(paths.log("apiserver.audit"))
    several = msgspec.structs.replace(
        cluster, store="etcd", control_planes=2, audit_log="/var/log/audit.log"
    )
    configs.write_configs(several, paths)
    config = load_config(KINDS["apiserver"], paths.config("apiserver-2"))
    assert isinstance(config, controlplane.apiserver.config.Config)
    assert config.audit_log == "/var/log/audit.log.apiserver-2"


@pytest.mark.parametrize(
    ("family", "advertised", "nodes"),
    [
        ("ipv4", "192.168.64.251", ("192.168.64.1",)),
        ("ipv6", "fd00:192:168:64::fb", ("fd00:192:168:64::1",)),
        ("dual", "192.168.64.251", ("192.168.64.1", "fd00:192:168:64::1")),
    ],
)
def test_addresses_are_of_the_clusters_families_and_the_underlay_is_ipv4(
    family: IpFamily, advertised: str, nodes: tuple[str, ...], paths: Layout
) -> None:
    configs.write_configs(Cluster(name="lab", nodes=1, block=3, **NETWORKS[family]), paths)
    agent = load_config(KINDS["nodeagent"], paths.config("node-1.nodeagent"))
    assert isinstance(agent, nodeagent.config.NodeAgentConfig)
    assert agent.node_addresses() == nodes
    assert agent.internal_ip == "192.168.64.1"
    server = load_config(KINDS["apiserver"], paths.config("apiserver"))
    assert isinstance(server, controlplane.apiserver.config.Config)
    assert server.advertise_address == advertised
    for name, network in (("transport", "127.0.3"), ("fabric", "127.0.131")):
        rows = getattr(server, f"{name}_map")
        near = transport_address(agent.node_addresses()[-1], rows)
        assert near == f"{network}.1", "a kubelet is dialled by IPv4 in every family"


def test_nodes_are_told_of_their_networks_mtu(paths: Layout) -> None:
    configs.write_configs(Cluster(name="lab", nodes=1, block=3, mtu=65_000), paths)
    agent = load_config(KINDS["nodeagent"], paths.config("node-1.nodeagent"))
    datapath = load_config(KINDS["datapath"], paths.config("node-1.datapath"))
    assert isinstance(agent, nodeagent.config.NodeAgentConfig)
    assert isinstance(datapath, nodeagent.datapath.config.Config)
    assert (agent.mtu, datapath.mtu) == (65_000, 65_000)


@pytest.mark.parametrize("mtu", [1329, 65_001])
def test_an_mtu_that_leaves_too_little_or_fits_no_datagram_is_refused(mtu: int) -> None:
    with pytest.raises(ValueError, match="has an mtu of 1330 to 65000"):
        Cluster(name="lab", nodes=1, mtu=mtu)
