"""Volumes that are looked up and not written."""

from __future__ import annotations

import asyncio

import pytest

from componentbase.clock import monotonic
from kubeapi.resources import CONFIGMAPS
from kubeapi.status import not_found
from nodeagent.hollow.volumes import HollowVolumes
from nodeagent.kubelet.object_cache import ObjectCache
from nodeagent.kubelet.volumes.claims import ClaimedVolumes
from nodeagent.kubelet.volumes.layout import Layout
from nodeagent.kubelet.volumes.token_manager import TokenManager
from nodeagent.kubelet.volumes.volume_manager import FailedMount, Mounted

pytestmark = pytest.mark.asyncio

TOKEN = {"serviceAccountToken": {"path": "token"}}
ROOT = {"configMap": {"name": "root", "items": [{"key": "ca.crt", "path": "ca.crt"}]}}
POD = {
    "metadata": {"name": "a", "namespace": "default", "uid": "u1"},
    "spec": {
        "containers": [{"name": "app"}],
        "volumes": [
            {"name": "scratch", "emptyDir": {"sizeLimit": "1Ki"}},
            {"name": "access", "projected": {"sources": [TOKEN, ROOT]}},
        ],
    },
}


class Api:
    def __init__(self):
        self.maps = {}

    async def get(self, resource, name, namespace=None):
        await asyncio.sleep(0)
        if name not in self.maps:
            raise not_found(CONFIGMAPS, name)
        return self.maps[name]


async def test_a_missing_map_is_a_failed_mount_and_nothing_is_written(tmp_path):
    api = Api()
    objects = ObjectCache(api, monotonic, 0.0)
    layout, tokens = Layout(tmp_path), TokenManager(api, monotonic)
    claimed = ClaimedVolumes(api, layout)
    volumes = HollowVolumes(layout, objects, tokens, {"cpu": "4"}, 10.0, claimed=claimed)
    mounted = Mounted(arrived_at=monotonic())
    with pytest.raises(FailedMount, match='volume "access"'):
        await volumes.mount(POD, mounted, 1.0)
    assert not mounted.done
    api.maps = {"root": {"data": {"ca.crt": "pem"}}}
    mounted.arrived_at = monotonic()
    await volumes.mount(POD, mounted, 2.0)
    assert (mounted.done, mounted.refresh_at) == (True, 12.0)
    assert volumes.overfull(POD, mounted, 2.0) == ""
    volumes.unmount("u1")
    volumes.collect([])
    assert list(tmp_path.iterdir()) == []
    await objects.close()


async def test_what_was_looked_up_is_not_due_until_it_may_have_changed(tmp_path):
    api = Api()
    api.maps = {"root": {"data": {"ca.crt": "pem"}}}
    layout, objects = Layout(tmp_path), ObjectCache(api, monotonic, 0.0)
    claimed = ClaimedVolumes(api, layout)
    tokens = TokenManager(api, monotonic)
    volumes = HollowVolumes(layout, objects, tokens, {"cpu": "4"}, 10.0, claimed=claimed)
    pod = {**POD, "metadata": {**POD["metadata"], "labels": {"app": "web"}}}
    mounted = Mounted(arrived_at=monotonic())
    await volumes.mount(pod, mounted, 1.0)
    assert not volumes.due(pod, mounted, 10.9)
    assert volumes.due(pod, mounted, 11.0)
    assert volumes.due(POD, mounted, 2.0)  # downwardAPI shows labels.
    await objects.close()


async def test_a_claim_must_be_there_and_bound(tmp_path):
    api = Api()
    layout, objects = Layout(tmp_path), ObjectCache(api, monotonic, 0.0)
    volumes = HollowVolumes(
        layout, objects, TokenManager(api, monotonic), {}, 10.0,
        claimed=ClaimedVolumes(api, layout),
    )  # fmt: skip
    claimed = {"name": "data", "persistentVolumeClaim": {"claimName": "data"}}
    pod = {**POD, "spec": {"containers": [{"name": "app"}], "volumes": [claimed]}}
    mounted = Mounted(arrived_at=monotonic())
    with pytest.raises(FailedMount, match="not found"):
        await volumes.mount(pod, mounted, 1.0)
    api.maps = {
        "data": {
            "metadata": {"uid": "c1"},
            "spec": {"volumeName": "pv"},
            "status": {"phase": "Bound"},
        },
        "pv": {"metadata": {"name": "pv"}, "spec": {"claimRef": {"uid": "c1"}}},
    }
    await volumes.mount(pod, mounted, 2.0)
    assert mounted.done
    assert list(tmp_path.iterdir()) == []
    await objects.close()
