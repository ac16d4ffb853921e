"""The registry of controllers and the patience of the leader."""

from __future__ import annotations

import pytest

from componentbase.timings import KUBERNETES, LAB
from controlplane.controllermanager.run import CONTROLLERS, LEASE_MIN_S, lease_durations


def test_every_controller_has_its_upstream_name():
    assert sorted(CONTROLLERS) == [
        "deployment-controller",
        "endpointslice-controller",
        "garbage-collector-controller",
        "namespace-controller",
        "node-ipam-controller",
        "node-lifecycle-controller",
        "pod-garbage-collector-controller",
        "replicaset-controller",
        "serviceaccount-controller",
        "taint-eviction-controller",
    ]


def test_upstreams_lease_is_kept():
    durations = lease_durations(KUBERNETES)
    assert (durations.lease_s, durations.renew_deadline_s, durations.retry_s) == (15, 10, 2)


def test_a_fast_cluster_does_not_lose_its_leader_to_a_busy_second():
    durations = lease_durations(LAB)
    assert durations.lease_s == pytest.approx(LEASE_MIN_S)
    assert durations.renew_deadline_s == pytest.approx(6)
