"""Lets these tests import what stands beside them; `world` is a gateway with real sockets."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from ingress_world import World


@pytest.fixture
def world() -> Iterator[World]:
    with World() as made:
        yield made
