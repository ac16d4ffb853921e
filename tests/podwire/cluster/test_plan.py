"""What runs in a cluster, and what each process is told: every configuration is one it takes."""

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
from componentbase.process import load_config
from podwire.cluster import plan
from podwire.cluster.layout import Cluster, Layout
from podwire.launcher.entries import ENTRIES

KINDS: dict[str, type[msgspec.Struct]] = {
    "apiserver": controlplane.apiserver.config.Config,
    "controllermanager": controlplane.controllermanager.config.Config,
    "scheduler": controlplane.scheduler.config.Config,
    "podruntime": podruntime.config.Config,
    "datapath": nodeagent.datapath.config.Config,
    "nodeagent": nodeagent.config.NodeAgentConfig,
}


@pytest.fixture
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Layout:
    monkeypatch.setenv("PODWIRE_HOME", str(tmp_path))
    made = Layout.of("lab")
    made.make_directories()
    return made


def test_every_process_accepts_its_configuration(paths: Layout) -> None:
    cluster = Cluster(name="lab", nodes=2, block=3)
    plan.write_configs(cluster, paths)
    planned = plan.processes(cluster)
    assert {process.role for process in planned} == set(ENTRIES) == set(KINDS)
    for process in planned:
        config = load_config(KINDS[process.role], paths.config(process.file_name))
        assert getattr(config, "log_file") == str(paths.log(process.file_name))  # noqa: B009


def test_names_are_those_that_status_shows() -> None:
    names = [process.name for process in plan.processes(Cluster(name="lab", nodes=1))]
    assert names[:3] == ["apiserver", "controller-manager", "scheduler"]
    assert names[3:] == ["node-1/podruntime", "node-1/datapath", "node-1/nodeagent"]
