"""Recreate: no new pod while an old one may still run."""

from __future__ import annotations

import pytest

from controlplane.controllermanager.deployment.recreate import old_pods_remain


@pytest.mark.parametrize(
    ("phases", "remain"),
    [([], False), (["Succeeded", "Failed"], False), (["Failed", "Running"], True)],
)
def test_old_pods_remain_until_all_are_finished(phases, remain):
    assert old_pods_remain({"status": {"phase": phase}} for phase in phases) is remain
