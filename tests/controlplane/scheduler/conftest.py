"""A real API server and a real scheduler, as processes, for the tests of this folder."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from control_plane import ControlPlane, running

from kubeapi.resources import SERVICEACCOUNTS

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="module")
def control_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    with running(tmp_path_factory.mktemp("scheduler")) as plane:
        asyncio.run(_make_account(plane))
        plane.start("scheduler")
        yield plane


async def _make_account(plane: ControlPlane) -> None:
    """Make whom pods run as: no controller manager is here to do it."""
    async with plane.client() as client:
        account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}}
        for namespace in ("default", "kube-system"):
            await client.create(SERVICEACCOUNTS, account, namespace)
