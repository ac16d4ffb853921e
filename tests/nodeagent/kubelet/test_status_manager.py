"""Statuses on their way to the API server, and the moments that the journal keeps of them."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from pod_api_server import PodApiServer, pod_path

from componentbase import journal
from componentbase.journal import Journal
from componentbase.tasks import Tasks
from kubeapi.client import ClientConfig, RestClient
from nodeagent.kubelet.status_manager import StatusManager

PROBED = {"containers": [{"name": "c", "readinessProbe": {"periodSeconds": 2}}]}


def status(*, running: bool, ready: bool) -> dict:
    state = {"running": {}} if running else {"waiting": {}}
    return {
        "phase": "Running" if running else "Pending",
        "containerStatuses": [{"name": "c", "state": state}],
        "conditions": [{"type": "Ready", "status": str(ready)}],
    }


@pytest.mark.asyncio
async def test_each_moment_is_noted_once_when_it_is_a_fact(tmp_path: Path) -> None:
    api, tasks = PodApiServer(), Tasks()
    await api.start()
    client = RestClient(ClientConfig(server=api.url), user_agent="test")
    statuses = StatusManager(client, "node-1", Journal(tmp_path / "k.jsonl", "node-1/nodeagent"))
    pod = api.put_pod("web", PROBED)

    def said(what: str) -> bool:
        conditions = api.pod("web")["status"].get("conditions") or [{}]
        return conditions[0].get("status") == what

    try:
        statuses.set(pod, status(running=True, ready=False))  # The API server is not asked yet:
        statuses.set(pod, status(running=True, ready=True))  # the newest status alone counts.
        assert [n.what for n in journal.read(tmp_path)] == ["pod-started"]
        tasks.spawn(statuses.run(), name="statuses")
        await api.until(lambda: said("True"))
        statuses.set(pod, status(running=True, ready=True))
        statuses.set(pod, status(running=True, ready=False))
        await api.until(lambda: said("False"))
        async with asyncio.timeout(10):
            while len(journal.read(tmp_path)) < 3:  # Noted once the answer has arrived.
                await asyncio.sleep(0.001)
    finally:
        await tasks.close()
        await client.close()
        await api.stop()
    notes = journal.read(tmp_path)
    assert [n.what for n in notes] == ["pod-started", "pod-ready", "pod-not-ready"]
    assert notes[0].details == {"node": "node-1", "probe_delay_s": 0.0, "probe_period_s": 2.0}
    assert {n.subject for n in notes} == {"default/web"}
    assert pod_path("web").endswith("/default/pods/web")
