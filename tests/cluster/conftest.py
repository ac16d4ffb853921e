"""Fixtures: `lab` is one cluster shared by the tests of a module; `home` is an empty home for
tests that start and stop clusters themselves. Nothing of their clusters is left running.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from clusters import EXAMPLES, Home, Lab


@pytest.fixture(scope="session", autouse=True)
def nothing_is_left_running() -> Iterator[None]:
    """Stop what fixtures have started that failed, or skipped, before their `yield`."""
    yield
    for each in Home.made:
        each.stop_all()


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    made = Home(tmp_path / "home")
    yield made
    made.stop_all()


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Lab]:
    """A cluster of three nodes for a module's tests."""
    home = Home(tmp_path_factory.mktemp("lab"))
    name = "t-" + request.module.__name__.rsplit("test_", 1)[-1].replace("_", "-")[:20]
    home.podwire("up", "--name", name)
    yield Lab(home, name)
    home.stop_all()


@pytest.fixture(scope="module")
def web(lab: Lab) -> Lab:
    """The cluster with the example application, all six replicas Ready."""
    lab.kubectl("apply", "-f", str(EXAMPLES / "web.yaml"))
    lab.kubectl("rollout", "status", "deployment/web", "--timeout=60s")
    return lab
