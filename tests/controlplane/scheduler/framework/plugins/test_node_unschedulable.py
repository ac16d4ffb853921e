import pytest
from cluster_facts import node_info, pod_info, reasons

from controlplane.scheduler.framework.plugins.node_unschedulable import NodeUnschedulable

TOLERATION = {
    "key": "node.kubernetes.io/unschedulable",
    "operator": "Exists",
    "effect": "NoSchedule",
}


@pytest.mark.parametrize(
    ("cordoned", "tolerations", "refused"),
    [
        (False, [], False),
        (True, [], True),
        (True, [TOLERATION], False),
        (True, [{**TOLERATION, "effect": "NoExecute"}], True),
    ],
)
def test_filter(cordoned, tolerations, refused):
    found = reasons(
        NodeUnschedulable(), pod_info(tolerations=tolerations), node_info(unschedulable=cordoned)
    )
    assert found == (("node(s) were unschedulable",) if refused else ())
