"""A real API server and a real controller manager, as processes, for the tests of this folder."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from control_plane import ControlPlane, running

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="session")
def control_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    with running(tmp_path_factory.mktemp("control-plane")) as plane:
        plane.start("controller-manager", until="leading")
        yield plane


@pytest.fixture
def namespace_of_test(request: pytest.FixtureRequest) -> str:
    return request.node.name.replace("_", "-")[:60].strip("-")
