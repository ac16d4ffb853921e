"""Which store a configuration gets, and what it does not load."""

from __future__ import annotations

import subprocess
import sys

import pytest

from controlplane.storage.embedded import EmbeddedStore
from controlplane.storage.etcd.store import EtcdStore
from controlplane.storage.interface import Put, StorageForeign
from controlplane.storage.open import open_store


@pytest.mark.asyncio
async def test_without_endpoints_it_is_the_embedded_one(tmp_path):
    store = await open_store(store_path=str(tmp_path / "podwire.db"), cluster_uid="u-1")
    assert isinstance(store, EmbeddedStore)
    await store.close()


@pytest.mark.asyncio
async def test_with_endpoints_it_is_etcd_and_marked(make_etcd):
    endpoints = make_etcd().endpoints
    store = await open_store(
        store_path="", etcd_endpoints=endpoints, cluster_uid="u-1", cluster_name="lab"
    )
    assert isinstance(store, EtcdStore)
    await store.txn(Put("/registry/pods/default/a", b"v"))
    with pytest.raises(StorageForeign, match="belongs to cluster 'lab'"):
        await open_store(store_path="", etcd_endpoints=endpoints, cluster_uid="u-2")
    await store.close()


@pytest.mark.parametrize("module", ["controlplane.storage.open", "controlplane.apiserver.run"])
def test_grpc_is_not_loaded_before_an_etcd_is_asked_for(module: str):
    code = f"import sys, {module}; print([m for m in sys.modules if m.split('.')[0] == 'grpc'])"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]"
