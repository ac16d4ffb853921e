"""Which nodes a daemon belongs on, by upstream's tests."""

from __future__ import annotations

import pytest
from daemon_facts import daemon_set, node

from controlplane.controllermanager.daemon.placement import Placement, Verdict, tolerations

RUNS, STAYS, LEAVES = Verdict(True, True), Verdict(False, True), Verdict(False, False)
IN = [{"key": "zone", "operator": "In", "values": ["z"]}]
TERMS = {"nodeSelectorTerms": [{"matchExpressions": IN}]}
AFFINITY = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": TERMS}}
TOLERATES = [{"key": "own", "operator": "Exists"}]


@pytest.mark.parametrize(
    ("pod_spec", "on", "verdict"),
    [
        ({}, node("n"), RUNS),
        ({"nodeName": "n"}, node("n"), RUNS),
        ({"nodeName": "other"}, node("n"), LEAVES),
        ({"nodeSelector": {"zone": "z"}}, node("n", zone="z"), RUNS),
        ({"nodeSelector": {"zone": "z"}}, node("n"), LEAVES),
        ({"affinity": AFFINITY}, node("n", zone="z"), RUNS),
        ({"affinity": AFFINITY}, node("n", zone="y"), LEAVES),
        ({}, node("n", ("own", "NoSchedule")), STAYS),
        ({}, node("n", ("own", "NoExecute")), LEAVES),
        ({}, node("n", ("own", "PreferNoSchedule")), RUNS),
        ({"tolerations": TOLERATES}, node("n", ("own", "NoExecute")), RUNS),
        ({}, node("n", ("node.kubernetes.io/unreachable", "NoExecute")), RUNS),
        ({}, node("n", ("node.kubernetes.io/unschedulable", "NoSchedule")), RUNS),
        ({}, node("n", ("node.kubernetes.io/unreachable", "NoSchedule")), STAYS),
        ({}, node("n", ("node.kubernetes.io/network-unavailable", "NoSchedule")), STAYS),
        (
            {"hostNetwork": True},
            node("n", ("node.kubernetes.io/network-unavailable", "NoSchedule")),
            RUNS,
        ),
    ],
    ids=lambda value: None,
)
def test_node_should_run_daemon_pod(pod_spec, on, verdict):
    assert Placement(daemon_set(**pod_spec)).judge(on) == verdict


def test_a_toleration_of_the_users_is_not_added_again():
    own = {"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute"}
    assert tolerations({"tolerations": [own]}).count(own) == 1
    assert len(tolerations({"tolerations": [own]})) == len(tolerations({}))
