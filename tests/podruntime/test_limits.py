"""Memory limits and statistics over a real podruntime process."""

from __future__ import annotations

import asyncio

import pytest

from componentbase.clock import monotonic

pytestmark = pytest.mark.asyncio
MIB = 1 << 20


async def stats_of(node, sandbox: str) -> dict:
    rows = await node.call("ListPodSandboxStats")
    return next(row for row in rows if row["pod_sandbox_id"] == sandbox)


async def test_what_has_more_memory_than_it_may_is_ended_alone(node):
    sandbox = await node.run_pod(2)
    limits = {"linux": {"resources": {"memory_limit_in_bytes": 20 * MIB}}}
    small = await node.run(sandbox, "pause", **limits)
    greedy = {"linux": {"resources": {"memory_limit_in_bytes": 30 * MIB}}}
    args = ["--vm", "1", "--vm-bytes", "120M", "--vm-hang", "1"]
    container = await node.run(sandbox, "polinux/stress", args=args, **greedy)
    ended = await node.wait_exited(container)
    assert (ended["exit_code"], ended["reason"]) == (137, "OOMKilled")
    assert (await node.status(small))["state"] == "CONTAINER_RUNNING"


async def test_who_stays_below_his_limit_is_left_alone_and_counted(node):
    sandbox = await node.run_pod(2)
    limits = {"linux": {"resources": {"memory_limit_in_bytes": 200 * MIB}}}
    args = ["--vm", "1", "--vm-bytes", "40M", "--vm-hang", "1", "--cpu", "1"]
    container = await node.run(sandbox, "polinux/stress", args=args, **limits)
    async with asyncio.timeout(20):
        while (await stats_of(node, sandbox))["memory_octets"] < 40 * MIB:
            await asyncio.sleep(0.02)
        while (await stats_of(node, sandbox))["cpu_ns"] < 100_000_000:
            await asyncio.sleep(0.02)
    assert (await stats_of(node, sandbox))["processes"] == 2
    assert (await node.status(container))["state"] == "CONTAINER_RUNNING"


async def test_what_was_ended_gives_its_memory_back(node):
    sandbox = await node.run_pod(2)
    limits = {"linux": {"resources": {"memory_limit_in_bytes": 30 * MIB}}}
    args = ["--vm", "1", "--vm-bytes", "60M", "--vm-hang", "1"]
    for _ in range(3):
        container = await node.run(sandbox, "polinux/stress", args=args, **limits)
        assert (await node.wait_exited(container))["reason"] == "OOMKilled"
    async with asyncio.timeout(20):
        while (await stats_of(node, sandbox))["memory_octets"] > 40 * MIB:
            await asyncio.sleep(0.02)


async def cpu_s(node, sandbox: str) -> float:
    return (await stats_of(node, sandbox))["cpu_ns"] / 1e9


async def test_a_loop_that_runs_away_is_held_to_its_cpu_limit(node):
    sandbox = await node.run_pod(2)
    limits = {"linux": {"resources": {"cpu_quota": 20_000}}}
    container = await node.run(sandbox, "polinux/stress", args=["--cpu", "1"], **limits)
    async with asyncio.timeout(60):
        while await cpu_s(node, sandbox) < 1.3:  # Its savings are gone.
            await asyncio.sleep(0.02)
    began, used = monotonic(), await cpu_s(node, sandbox)
    async with asyncio.timeout(60):
        while monotonic() - began < 1.5:
            await asyncio.sleep(0.02)
    share = (await cpu_s(node, sandbox) - used) / (monotonic() - began)
    assert share < 0.35, "a fifth of a processor is its limit"
    # A runtime that begins anew lets it go on, and it ends as it is told.
    await node.kill()
    await node.start()
    await node.call("StopContainer", container_id=container, timeout_s=5)
    assert (await node.wait_exited(container))["exit_code"] == 0
