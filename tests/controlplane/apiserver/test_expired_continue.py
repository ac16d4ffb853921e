"""What a client is told whose revision has been compacted away, through the API."""

from __future__ import annotations

import asyncio

import pytest

from controlplane.storage.embedded import EmbeddedStore
from kubeapi.resources import CONFIGMAPS

from .several import members

MAPS = "/api/v1/namespaces/default/configmaps"


@pytest.mark.asyncio
async def test_a_list_of_what_was_compacted_is_410_and_may_go_on(authority, tmp_path):
    store = await EmbeddedStore.open(tmp_path / "podwire.db")
    try:
        async with members(authority, tmp_path, store, 1) as (one,):
            client = one.client

            async def make(name):
                body = {"metadata": {"name": name, "namespace": "default"}}
                return await client.create(CONFIGMAPS, body)

            for name in ("a", "b", "c"):
                await make(name)
            first = (await client.list(CONFIGMAPS, "default", limit=1))["metadata"]
            newest = (await make("bb"))["metadata"]["resourceVersion"]
            await store.compact(int(newest))
            path = f"{MAPS}?limit=9&continue={first['continue']}"
            gone = await asyncio.to_thread(one.files.request, "GET", path)
            status = gone.json
            assert (gone.code, status["kind"], status["reason"]) == (410, "Status", "Expired")
            # What it says may be continued at what is there now.
            after = status["metadata"]["continue"]
            rest = await client.list(CONFIGMAPS, "default", limit=9, continue_=after)
            found = [each["metadata"]["name"] for each in rest["items"]]
            assert [name for name in found if name != "kube-root-ca.crt"] == ["b", "bb", "c"]
    finally:
        await store.close()
