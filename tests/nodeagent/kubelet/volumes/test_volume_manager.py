"""Volumes of pods on disk, filled by what an API server says."""

from __future__ import annotations

import asyncio
import os

import pytest
import pytest_asyncio
from pod_api_server import PodApiServer, kubeconfig

from componentbase.clock import wall
from kubeapi.client import RestClient
from nodeagent.kubelet.object_cache import ObjectCache
from nodeagent.kubelet.volumes.claims import ClaimedVolumes
from nodeagent.kubelet.volumes.layout import Layout
from nodeagent.kubelet.volumes.token_manager import TokenManager
from nodeagent.kubelet.volumes.volume_manager import FailedMount, Mounted, VolumeManager

SETTINGS = "/api/v1/namespaces/default/configmaps/settings"
ACCOUNT = "/api/v1/namespaces/default/serviceaccounts/default"
TTL_S = 5.0


class World:
    """An API server, a clock that stands still unless it is moved, and a volume manager."""

    def __init__(self, api, client, directory):
        self.api, self.now = api, 1000.0
        self.objects = ObjectCache(client, lambda: self.now, TTL_S)
        self.tokens = TokenManager(client, lambda: self.now + self.offset)
        self.offset = wall() - self.now
        self.layout = Layout(directory)
        allocatable = {"cpu": "4", "memory": "8Gi"}
        self.claimed = ClaimedVolumes(client, self.layout)
        self.manager = VolumeManager(
            self.layout, self.objects, self.tokens, allocatable, TTL_S, claimed=self.claimed
        )
        self.mounted = Mounted(arrived_at=self.now)

    def put_settings(self, **data):
        metadata = {"name": "settings", "namespace": "default"}
        self.api.put(SETTINGS, {"metadata": metadata, "data": data})

    async def mount(self, pod):
        await self.manager.mount(pod, self.mounted, self.now)

    def read(self, pod, name, path):
        volume = next(v for v in pod["spec"]["volumes"] if v["name"] == name)
        return (self.layout.volume("u", volume) / path).read_text()

    def asked(self, path):
        return self.api.asked.count(path)


@pytest_asyncio.fixture
async def world(tmp_path):
    api = PodApiServer()
    await api.start()
    (tmp_path / "kubeconfig").write_text(kubeconfig(api.url))
    client = RestClient.from_kubeconfig(tmp_path / "kubeconfig", user_agent="test")
    made = World(api, client, tmp_path)
    yield made
    await made.objects.close()
    await client.close()
    await api.stop()


def pod(*volumes, **metadata):
    return {
        "metadata": {"name": "p", "namespace": "default", "uid": "u", **metadata},
        "spec": {"volumes": list(volumes), "containers": [{"name": "main"}]},
    }


CONFIG = {"name": "config", "configMap": {"name": "settings"}}
LABELS = {
    "name": "labels",
    "downwardAPI": {"items": [{"path": "l", "fieldRef": {"fieldPath": "metadata.labels"}}]},
}
TOKEN = {
    "name": "token",
    "projected": {
        "sources": [{"serviceAccountToken": {"path": "token", "expirationSeconds": 3607}}]
    },
}


@pytest.mark.asyncio
async def test_a_missing_configmap_is_waited_for_and_changes_follow(world):
    one = pod(CONFIG)
    text = 'MountVolume.SetUp failed for volume "config" : configmap "settings" not found'
    with pytest.raises(FailedMount, match=text):
        await world.mount(one)
    assert world.manager.due(one, world.mounted, world.now)
    world.put_settings(key="1")
    world.now += TTL_S + 1
    await world.mount(one)
    assert world.read(one, "config", "key") == "1"
    world.put_settings(key="2", more="x")
    assert not world.manager.due(one, world.mounted, world.now)
    world.now += TTL_S + 1
    assert world.manager.due(one, world.mounted, world.now)
    await world.mount(one)
    assert (world.read(one, "config", "key"), world.read(one, "config", "more")) == ("2", "x")
    world.api.remove(SETTINGS)
    world.now += TTL_S + 1
    with pytest.raises(FailedMount):
        await world.mount(one)
    assert world.read(one, "config", "key") == "2", "what was there stays"
    assert world.mounted.done


@pytest.mark.asyncio
async def test_many_pods_ask_once_and_a_later_pod_anew(world):
    world.put_settings(key="1")
    before = world.asked(SETTINGS)
    pods = [pod(CONFIG, uid=f"u{n}") for n in range(20)]
    mounted = [Mounted(arrived_at=world.now) for _ in pods]
    both = zip(pods, mounted, strict=True)
    await asyncio.gather(*(world.manager.mount(p, m, world.now) for p, m in both))
    assert world.asked(SETTINGS) == before + 1
    world.put_settings(key="2")
    world.now += 0.1
    late = pod(CONFIG)
    await world.manager.mount(late, Mounted(arrived_at=world.now), world.now)
    assert world.read(late, "config", "key") == "2"


@pytest.mark.asyncio
async def test_an_immutable_object_is_not_asked_for_again(world):
    metadata = {"name": "settings", "namespace": "default"}
    world.api.put(SETTINGS, {"metadata": metadata, "data": {"k": "1"}, "immutable": True})
    one = pod(CONFIG)
    await world.mount(one)
    asked = world.asked(SETTINGS)
    world.now += 10 * TTL_S
    await world.mount(one)
    assert world.asked(SETTINGS) == asked


@pytest.mark.asyncio
async def test_labels_follow_at_once(world):
    await world.mount(pod(LABELS, labels={"app": "web"}))
    changed = pod(LABELS, labels={"app": "web", "new": "yes"})
    assert world.manager.due(changed, world.mounted, world.now)
    await world.mount(changed)
    assert world.read(changed, "labels", "l") == 'app="web"\nnew="yes"'
    assert not world.manager.due(changed, world.mounted, world.now)


@pytest.mark.asyncio
async def test_a_token_is_kept_until_80_percent_of_its_life(world):
    one = pod(TOKEN)
    with pytest.raises(FailedMount, match="failed to fetch token"):
        await world.mount(one)
    world.api.put(ACCOUNT, {"metadata": {"name": "default", "namespace": "default"}})
    await world.mount(one)
    assert world.read(one, "token", "token") == "token-1"
    asked = world.api.token_requests
    bound = {"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "u"}
    assert asked == [{"expirationSeconds": 3607, "boundObjectRef": bound}]
    world.now += 0.79 * 3607
    await world.mount(one)
    assert world.read(one, "token", "token") == "token-1"
    world.now += 0.02 * 3607
    world.api.remove(ACCOUNT)
    await world.mount(one)
    assert world.read(one, "token", "token") == "token-1", "it could not be renewed, but it lives"
    world.now += 0.2 * 3607
    with pytest.raises(FailedMount, match="failed to fetch token"):
        await world.mount(one)


@pytest.mark.asyncio
async def test_other_kinds_are_directories_and_a_pods_end_removes_them(world):
    one = pod({"name": "work", "emptyDir": {}}, {"name": "logs", "hostPath": {"path": "/var/x"}})
    await world.mount(one)
    work = world.layout.volume("u", one["spec"]["volumes"][0])
    assert work.stat().st_mode & 0o777 == 0o777
    (work / "deep").mkdir(mode=0)
    world.manager.unmount("u")
    assert not world.layout.pod("u").exists()
    assert (world.layout.host_root / "var" / "x").is_dir(), "the node's own files stay"
    await world.mount(one)
    await world.manager.mount(
        pod(CONFIG | {"configMap": {"name": "s", "optional": True}}, uid="other"),
        Mounted(world.now),
        world.now,
    )
    world.manager.collect(["u"])
    assert os.listdir(world.layout.pods) == ["u"]


@pytest.mark.asyncio
async def test_a_node_has_what_pods_find_on_every_linux(world):
    world.layout.furnish({"machine-id": "0123"})
    (world.layout.host_root / "etc" / "machine-id").write_text("mine\n")
    world.layout.furnish({"machine-id": "0123"})
    source = {"path": "/etc/machine-id", "type": "File"}
    one = pod(
        {"name": "id", "hostPath": source},
        {"name": "log", "hostPath": {"path": "/var/log", "type": "Directory"}},
    )
    await world.mount(one)
    found = world.layout.volume("u", one["spec"]["volumes"][0])
    assert found.read_text() == "mine\n", "what a pod has written stays"


@pytest.mark.asyncio
async def test_a_pod_without_volumes_leaves_nothing(world, tmp_path):
    await world.mount(pod())
    assert sorted(os.listdir(tmp_path)) == ["kubeconfig"]
    assert world.manager.overfull(pod(), world.mounted, world.now) == ""


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("kind", "present", "text"),
    [
        ("Directory", None, "hostPath type check failed: /srv/x is not a directory"),
        ("Directory", "file", "hostPath type check failed: /srv/x is not a directory"),
        ("File", "directory", "hostPath type check failed: /srv/x is not a file"),
        ("Socket", "file", "hostPath type check failed: /srv/x is not a socket file"),
        ("BlockDevice", "file", "hostPath type check failed: /srv/x is not a block device"),
        ("Directory", "directory", ""),
        ("DirectoryOrCreate", None, ""),
        ("File", "file", ""),
        ("FileOrCreate", "parent", ""),
        ("FileOrCreate", None, "open /srv/x: No such file or directory"),
        ("", None, ""),
        ("", "file", ""),
    ],
)
async def test_host_path_types(world, kind, present, text):
    path = world.layout.host_root / "srv" / "x"
    if present in ("file", "parent"):
        path.parent.mkdir(parents=True)
    if present == "file":
        path.touch()
    if present == "directory":
        path.mkdir(parents=True)
    one = pod({"name": "v", "hostPath": {"path": "/srv/x", "type": kind}})
    if not text:
        await world.mount(one)
        assert path.exists()
        return
    with pytest.raises(FailedMount, match=text):
        await world.mount(one)


@pytest.mark.asyncio
async def test_an_empty_dir_of_an_unknown_medium(world):
    text = 'MountVolume.SetUp failed for volume "pages" : unknown storage medium "HugePages"'
    with pytest.raises(FailedMount, match=text):
        await world.mount(pod({"name": "pages", "emptyDir": {"medium": "HugePages"}}))


@pytest.mark.asyncio
async def test_an_empty_dir_that_has_grown_too_large(world):
    one = pod({"name": "cache", "emptyDir": {"sizeLimit": "64Ki", "medium": "Memory"}})
    await world.mount(one)
    assert world.manager.overfull(one, world.mounted, world.now) == ""
    (world.layout.volume("u", one["spec"]["volumes"][0]) / "big").write_bytes(b"x" * 100_000)
    text = 'Usage of EmptyDir volume "cache" exceeds the limit "64Ki". '
    assert world.manager.overfull(one, world.mounted, world.now) == "", "measured a moment ago"
    world.now += TTL_S
    assert world.manager.overfull(one, world.mounted, world.now) == text
