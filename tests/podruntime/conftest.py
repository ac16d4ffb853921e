"""Fixtures of podruntime's tests."""

from __future__ import annotations

import pytest_asyncio

from .node import Node


@pytest_asyncio.fixture
async def node(tmp_path):
    """A running podruntime with a switch instead of a datapath."""
    async with Node(tmp_path / "node-1") as running:
        yield running
