"""Volumes of claims on disk: found, linked, kept, cleared away."""

from __future__ import annotations

import os

import pytest
import pytest_asyncio
from pod_api_server import PodApiServer, kubeconfig

from kubeapi.client import RestClient
from nodeagent.kubelet.references import ConfigError
from nodeagent.kubelet.volumes.claims import LOCAL_PATH_ROOT, ClaimedVolumes
from nodeagent.kubelet.volumes.layout import Layout
from nodeagent.kubelet.volumes.mounts import container_mounts

CLAIM = "/api/v1/namespaces/default/persistentvolumeclaims/data"
VOLUMES = "/api/v1/persistentvolumes"
OF_CLAIM = {"name": "v", "persistentVolumeClaim": {"claimName": "data"}}
BOUND = {"phase": "Bound"}


def pod(volume=None, **mount):
    mounts = [{"name": "v", "mountPath": "/data", **mount}]
    return {
        "metadata": {"name": "p", "namespace": "default", "uid": "u"},
        "spec": {
            "volumes": [volume or OF_CLAIM],
            "containers": [{"name": "c", "volumeMounts": mounts}],
        },
    }


class World:
    """An API server with one claim and one volume, and a node's directory."""

    def __init__(self, api, client, directory):
        self.api, self.layout = api, Layout(directory)
        self.claimed = ClaimedVolumes(client, self.layout)
        self.put_claim()
        self.put_volume(
            hostPath={"path": f"{LOCAL_PATH_ROOT}/pv_default_data", "type": "DirectoryOrCreate"}
        )

    def put_claim(self, status=BOUND, path=CLAIM, owner=None, **spec):
        metadata = {"name": path.rpartition("/")[2], "namespace": "default", "uid": "claim"}
        if owner:
            metadata["ownerReferences"] = [{"uid": owner, "controller": True}]
        claim = {"metadata": metadata, "spec": {"volumeName": "pv", **spec}, "status": status}
        self.api.put(path, claim)

    def put_volume(self, uid="claim", **source):
        spec = {"claimRef": {"uid": uid}, **source}
        self.api.put(f"{VOLUMES}/pv", {"metadata": {"name": "pv"}, "spec": spec})

    @property
    def at(self):
        return self.layout.volume("u", OF_CLAIM)

    @property
    def kept(self):
        return self.layout.host_path(f"{LOCAL_PATH_ROOT}/pv_default_data")


@pytest_asyncio.fixture
async def world(tmp_path):
    api = PodApiServer()
    await api.start()
    (tmp_path / "kubeconfig").write_text(kubeconfig(api.url))
    client = RestClient.from_kubeconfig(tmp_path / "kubeconfig", user_agent="test")
    yield World(api, client, tmp_path)
    await client.close()
    await api.stop()


@pytest.mark.asyncio
async def test_a_volume_outlives_its_pod(world):
    await world.claimed.mount(pod(), OF_CLAIM)
    assert world.at.is_symlink()
    (world.at / "file").write_text("kept")
    world.at.unlink()
    await world.claimed.mount(pod(), OF_CLAIM)
    await world.claimed.mount(pod(), OF_CLAIM)  # As after a restart.
    assert (world.at / "file").read_text() == "kept"
    assert world.kept.stat().st_mode & 0o777 == 0o777


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("source", "where"),
    [
        ({"local": {"path": "/mnt/disk"}}, "mnt/disk"),
        ({"nfs": {"server": "x", "path": "/y"}}, "var/lib/kubelet/plugins/pv"),
        ({"hostPath": {"path": "/srv"}}, "srv"),
    ],
)
async def test_every_source_is_a_directory_of_the_node(world, source, where):
    world.put_volume(**source)
    await world.claimed.mount(pod(), OF_CLAIM)
    assert os.path.realpath(world.at) == str(world.layout.host_root / where)


@pytest.mark.asyncio
async def test_containers_see_the_directory_and_read_only_if_so_asked(world):
    await world.claimed.mount(pod(), OF_CLAIM)
    read_only = {"name": "v", "persistentVolumeClaim": {"claimName": "data", "readOnly": True}}
    for one, readonly in ((pod(), False), (pod(read_only), True), (pod(readOnly=True), True)):
        (mount,) = container_mounts(one, one["spec"]["containers"][0], world.layout, {})
        assert mount["host_path"] == str(world.kept)
        assert mount["readonly"] is readonly
    part = pod(subPath="part")
    (mount,) = container_mounts(part, part["spec"]["containers"][0], world.layout, {})
    assert mount["host_path"] == str(world.kept / "part")


@pytest.mark.asyncio
async def test_an_ephemeral_volume_has_a_claim_of_its_pod(world):
    ephemeral = {"name": "v", "ephemeral": {"volumeClaimTemplate": {}}}
    path = "/api/v1/namespaces/default/persistentvolumeclaims/p-v"
    world.put_claim(path=path, owner="another")
    with pytest.raises(ConfigError, match="not created for pod"):
        await world.claimed.mount(pod(ephemeral), ephemeral)
    world.put_claim(path=path, owner="u")
    await world.claimed.mount(pod(ephemeral), ephemeral)
    assert world.at.is_dir()


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("claim", "volume", "why"),
    [
        (None, {}, 'persistentvolumeclaims "data" not found'),
        ({"status": {"phase": "Pending"}}, {}, "PVC is not bound"),
        ({"volumeName": ""}, {}, "PVC is not bound"),
        ({"volumeMode": "Block"}, {}, "block volumes are not supported"),
        ({}, {"uid": "another"}, "PV pv is not bound to it"),
        ({"volumeName": "gone"}, {}, "PV gone is not bound to it"),
    ],
    ids=["none", "pending", "unnamed", "block", "of-another", "gone"],
)
async def test_what_is_not_bound_is_not_mounted(world, claim, volume, why):
    if claim is None:
        world.api.remove(CLAIM)
    else:
        world.put_claim(**claim)
    world.put_volume(hostPath={"path": "/srv"}, **volume)
    with pytest.raises(ConfigError, match=why):
        await world.claimed.mount(pod(), OF_CLAIM)
    assert not world.at.exists()


@pytest.mark.asyncio
async def test_a_directory_goes_once_its_volume_is_unknown(world):
    await world.claimed.mount(pod(), OF_CLAIM)
    await world.claimed.collect()
    assert world.kept.is_dir()
    world.api.remove(f"{VOLUMES}/pv")
    await world.claimed.collect()
    assert not world.kept.exists()
