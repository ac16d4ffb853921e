from __future__ import annotations

import asyncio

import pytest

from componentbase.rpc import RpcError, Server
from componentbase.tasks import Tasks
from nodeagent.kubelet.runtime import Runtime
from nodeagent.peer import Peer


@pytest.mark.asyncio
async def test_call_without_a_connection_fails_at_once(tmp_path):
    peer = Peer(tmp_path / "no.sock", name="nobody")
    with pytest.raises(RpcError, match="Unavailable: nobody is not reachable"):
        await peer.call("Version")


@pytest.mark.asyncio
async def test_answer_of_another_kind_is_an_error(tmp_path):
    async def version(_connection, _params):
        return {"version": 1}

    server = Server(tmp_path / "s.sock", {"Version": version})
    peer, tasks, up = Peer(tmp_path / "s.sock", name="server"), Tasks(), asyncio.Event()
    peer.on_state = lambda connected: up.set() if connected else None

    async def greet(_client) -> None:
        return

    tasks.spawn(peer.run(greet), name="peer")
    await server.start()
    try:
        await asyncio.wait_for(up.wait(), 5)
        assert await peer.ask("Version", {}, dict[str, int]) == {"version": 1}
        with pytest.raises(RpcError, match="Internal: Version"):
            await peer.ask("Version", {}, list[int])
    finally:
        await tasks.close()
        await server.close()


class RecordingRuntime:
    """CRI's lists, and events on demand."""

    def __init__(self, path) -> None:
        self.sandboxes: list[dict] = []
        self.lists = 0
        self.server = Server(
            path,
            {
                "GetContainerEvents": self._events,
                "ListPodSandbox": self._sandboxes,
                "ListContainers": self._containers,
                "RemoveContainer": self._gone,
            },
        )

    async def _events(self, _connection, _params):
        return {}

    async def _sandboxes(self, _connection, _params):
        self.lists += 1
        return self.sandboxes

    async def _containers(self, _connection, _params):
        return []

    async def _gone(self, _connection, _params):
        raise RpcError("NotFound", "no such container")

    def tell(self) -> None:
        for connection in self.server.connections:
            connection.tell("container_event", {"kind": "STARTED"})


def sandbox(uid: str) -> dict:
    metadata = {"name": uid, "uid": uid, "namespace": "d", "attempt": 0}
    network = {"address": "10.244.1.5/24"}
    return {"id": f"s-{uid}", "metadata": metadata, "state": "SANDBOX_READY", "network": network}


@pytest.mark.asyncio
async def test_runtime_lists_after_events_restarts_and_wishes(tmp_path):
    cri = RecordingRuntime(tmp_path / "cri.sock")
    cri.sandboxes = [sandbox("a")]
    runtime = Runtime(Peer(tmp_path / "cri.sock", name="podruntime"))
    tasks, changes = Tasks(), asyncio.Queue()
    runtime.on_change = changes.put_nowait
    tasks.spawn(runtime.run_connection(), name="connection")
    tasks.spawn(runtime.run_lists(60), name="lists")
    await cri.server.start()
    try:
        async with asyncio.timeout(5):
            assert await changes.get() == ["a"]
            made = runtime.pods["a"].sandbox
            assert made is not None
            assert made.addresses == ("10.244.1.5",)
            cri.sandboxes = [sandbox("a"), sandbox("b")]
            cri.tell()
            assert await changes.get() == ["b"]
            before = cri.lists
            await asyncio.gather(*(runtime.fresh() for _ in range(20)))
            assert cri.lists - before <= 2
            await runtime.remove_container("gone")  # NotFound is what was wanted.
            await cri.server.close()
            cri.sandboxes = [sandbox("b")]
            await cri.server.start()
            assert await changes.get() == ["a"]
    finally:
        await tasks.close()
        await cri.server.close()
