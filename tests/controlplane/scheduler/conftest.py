"""A real API server and a real scheduler, as processes, for the tests of this folder."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from control_plane import ControlPlane, running

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="module")
def control_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    with running(tmp_path_factory.mktemp("scheduler")) as plane:
        plane.start("scheduler")
        yield plane
