"""Real datapath processes: frames between pods of one node and of two."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

_spec = importlib.util.spec_from_file_location("datapath_cluster", Path(__file__).with_name("cluster.py"))
datapath_cluster = importlib.util.module_from_spec(_spec)
sys.modules[_spec.name] = datapath_cluster
_spec.loader.exec_module(datapath_cluster)


@pytest.mark.asyncio
async def test_pods_reach_each_other_on_one_node_and_on_two(tmp_path):
    async with datapath_cluster.cluster(tmp_path, 1) as (one, two):
        a, b, c = await one.add_pod(5), await one.add_pod(6), await two.add_pod(5)
        assert await a.ping("10.244.1.6")
        assert await a.ping("10.244.2.5")
        assert await a.ping("10.244.1.1")
        assert await a.ping("192.168.64.2")
        b.serve_tcp(80, b"from b")
        c.serve_tcp(80, b"from c" * 10000)
        assert await a.fetch("10.244.1.6", 80) == b"from b"
        assert await a.fetch("10.244.2.5", 80) == b"from c" * 10000
        rows = await one.netlink.call("ping", {"address": "10.244.2.5", "count": 2})
        assert all(row["rtt_s"] is not None for row in rows)
