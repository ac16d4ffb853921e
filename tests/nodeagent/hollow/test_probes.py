"""Probes without a network."""

from __future__ import annotations

import asyncio

import pytest

from componentbase.tasks import Tasks
from nodeagent.hollow.cri import HollowRuntime
from nodeagent.hollow.peer import LocalPeer
from nodeagent.hollow.probes import HollowProbeActions
from nodeagent.kubelet.probe_actions import ProbeUnknown, Target
from nodeagent.kubelet.runtime import Runtime

pytestmark = pytest.mark.asyncio


async def test_the_wire_is_taken_for_well_and_commands_are_asked_of_the_runtime():
    peer = LocalPeer(HollowRuntime(lambda: 1.0).answer, name="podruntime")
    actions = HollowProbeActions(Runtime(peer))
    connection = Tasks()
    connection.spawn(peer.run(lambda caller: caller.call("ListImages")), name="peer")
    try:
        async with asyncio.timeout(5):
            while not peer.connected:
                await asyncio.sleep(0)
        target = Target(container_id="nobody", container={"name": "app"}, pod_ip="10.244.1.2")
        for kind in ("httpGet", "tcpSocket", "grpc"):
            assert await actions.probe({kind: {"port": 80}}, target, 1) == ""
        assert await actions.hook({"httpGet": {"port": 80}}, target, 1) == ""
        for perform in (actions.probe, actions.hook):
            with pytest.raises(ProbeUnknown, match="no container 'nobody'"):
                await perform({"exec": {"command": ["true"]}}, target, 1)
    finally:
        await connection.close()
