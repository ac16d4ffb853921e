from __future__ import annotations

import pytest

from componentbase.timings import KUBERNETES
from controlplane.apiserver.kinds.pod.admission import add_default_tolerations, admit

NOT_READY = {
    "key": "node.kubernetes.io/not-ready",
    "operator": "Exists",
    "effect": "NoExecute",
    "tolerationSeconds": 300,
}
UNREACHABLE = {**NOT_READY, "key": "node.kubernetes.io/unreachable"}
OWN = {"key": "node.kubernetes.io/not-ready", "operator": "Exists", "tolerationSeconds": 5}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ([], [NOT_READY, UNREACHABLE]),
        ([OWN], [OWN, UNREACHABLE]),
        ([{"operator": "Exists"}], [{"operator": "Exists"}]),
        (
            [{"operator": "Exists", "effect": "NoSchedule"}],
            [{"operator": "Exists", "effect": "NoSchedule"}, NOT_READY, UNREACHABLE],
        ),
    ],
)
def test_tolerations_are_added_where_the_pod_says_nothing(given, expected):
    spec = {"tolerations": given}
    add_default_tolerations(spec, 300)
    assert spec["tolerations"] == expected


def test_admission_fills_in_the_account():
    spec = {}
    admit(spec, KUBERNETES)
    assert spec == {
        "serviceAccountName": "default",
        "serviceAccount": "default",
        "tolerations": [NOT_READY, UNREACHABLE],
    }
