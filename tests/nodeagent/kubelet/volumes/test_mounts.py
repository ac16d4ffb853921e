"""What a container sees of its pod's volumes, and where on the node that is."""

from __future__ import annotations

import os

import pytest

from nodeagent.kubelet.references import ConfigError
from nodeagent.kubelet.volumes import atomic_writer
from nodeagent.kubelet.volumes.layout import Layout
from nodeagent.kubelet.volumes.mounts import container_mounts
from nodeagent.kubelet.volumes.payload import FileProjection

POD = {
    "metadata": {"name": "p", "namespace": "d", "uid": "u"},
    "spec": {
        "volumes": [
            {"name": "scratch", "emptyDir": {}},
            {"name": "host", "hostPath": {"path": "/var/log/../log/x"}},
            {"name": "settings", "configMap": {"name": "settings"}},
            {"name": "claim", "persistentVolumeClaim": {"claimName": "c"}},
        ]
    },
}


@pytest.fixture
def layout(tmp_path):
    made = Layout(tmp_path)
    made.pod("u").joinpath("volumes/kubernetes.io~empty-dir/scratch").mkdir(parents=True)
    settings = made.volume("u", POD["spec"]["volumes"][2])
    files = {"key": "value", "dir/a": "1", "dir/b": "2"}
    atomic_writer.write(settings, {p: FileProjection(t.encode()) for p, t in files.items()})
    return made


def mounts(layout, *wanted, **variables):
    container = {"name": "main", "volumeMounts": [{"mountPath": "/x", **each} for each in wanted]}
    return container_mounts(POD, container, layout, variables)


def test_each_kind_has_its_place_and_written_ones_are_read_only(layout, tmp_path):
    found = mounts(
        layout,
        {"name": "scratch", "mountPath": "/scratch"},
        {"name": "scratch", "mountPath": "/again", "readOnly": True},
        {"name": "host"},
        {"name": "settings", "mountPath": "relative/path"},
        {"name": "claim"},
    )
    volumes = f"{tmp_path}/kubelet/pods/u/volumes"
    empty = f"{volumes}/kubernetes.io~empty-dir/scratch"
    config = f"{volumes}/kubernetes.io~configmap/settings"
    claim = f"{volumes}/kubernetes.io~local-volume/claim"
    assert [tuple(each.values()) for each in found] == [
        ("/scratch", empty, False),
        ("/again", empty, True),
        ("/x", f"{tmp_path}/hostfs/var/log/x", False),
        ("/relative/path", config, True),
        ("/x", claim, False),
    ]
    assert container_mounts({**POD, "spec": {}}, {"name": "main"}, layout, {}) == []


def test_a_part_of_a_volume_is_made_where_it_is_absent(layout):
    found = mounts(layout, {"name": "scratch", "subPath": "a/b"})[0]["host_path"]
    assert found.endswith("/scratch/a/b")
    assert os.path.isdir(found)


def test_a_variable_in_subpathexpr(layout):
    wanted = {"name": "scratch", "subPathExpr": "$(POD_NAME)/logs"}
    assert mounts(layout, wanted, POD_NAME="web-0")[0]["host_path"].endswith("/scratch/web-0/logs")
    with pytest.raises(ConfigError, match="missing value for 'POD_NAME'"):
        mounts(layout, wanted)
    with pytest.raises(ConfigError, match=r'must not be an absolute path or contain "\.\."'):
        mounts(layout, wanted, POD_NAME="../..")


def test_a_part_of_written_files_stays_as_it_was(layout):
    one, directory = mounts(
        layout, {"name": "settings", "subPath": "key"}, {"name": "settings", "subPath": "dir"}
    )
    assert one["readonly"]
    volume = layout.volume("u", POD["spec"]["volumes"][2])
    atomic_writer.write(volume, {"key": FileProjection(b"changed")})
    with open(one["host_path"]) as file:
        assert file.read() == "value"
    assert sorted(os.listdir(directory["host_path"])) == ["a", "b"]
    again = mounts(layout, {"name": "settings", "subPath": "key"})[0]["host_path"]
    with open(again) as file:
        assert file.read() == "changed", "the container's next start sees what is there then"


@pytest.mark.parametrize("part", ["link", "link/deeper", "linked-file"])
def test_a_link_that_leads_out_of_the_volume_is_refused(layout, part):
    work = layout.volume("u", POD["spec"]["volumes"][0])
    (work / "link").symlink_to("/etc")
    (work / "linked-file").symlink_to("/etc/passwd")
    text = 'failed to prepare subPath for volumeMount "scratch" of container "main"'
    with pytest.raises(ConfigError, match=text):
        mounts(layout, {"name": "scratch", "subPath": part})


def test_a_link_in_the_emulated_nodes_files_does_not_lead_to_the_machines(layout):
    (layout.host_root / "var").mkdir(parents=True)
    (layout.host_root / "var" / "log").symlink_to("/var/log")
    with pytest.raises(ConfigError, match="leads out of its volume"):
        mounts(layout, {"name": "host"})
