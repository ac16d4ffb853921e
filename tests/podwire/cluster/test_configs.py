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
import podruntime.config
import podwire.fabric.config
import podwire.launcher.etcd
from componentbase.process import load_config
from podwire.cluster import configs, etcd, plan
from podwire.cluster.layout import Cluster, Layout
from podwire.launcher.entries import ENTRIES

KINDS: dict[str, type[msgspec.Struct]] = {
    "apiserver": controlplane.apiserver.config.Config,
    "controllermanager": controlplane.controllermanager.config.Config,
    "datapath": nodeagent.datapath.config.Config,
    "etcd": podwire.launcher.etcd.Config,
    "fabric": podwire.fabric.config.Config,
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


@pytest.mark.parametrize(("store", "control_planes"), [("embedded", 1), ("etcd", 1), ("etcd", 3)])
def test_every_process_accepts_its_configuration(
    store: str, control_planes: int, paths: Layout
) -> None:
    cluster = Cluster(name="lab", nodes=2, block=3, store=store, control_planes=control_planes)
    configs.write_configs(cluster, paths)
    planned = plan.processes(cluster)
    roles = {process.role for process in planned}
    assert roles | {"etcd"} == set(ENTRIES) == set(KINDS)
    for process in planned:
        config = load_config(KINDS[process.role], paths.config(process.file_name))
        assert getattr(config, "log_file") == str(paths.log(process.file_name))  # noqa: B009
