import pytest
from cluster_facts import node_info, pod_info, reasons

from controlplane.scheduler.framework.plugins.node_name import NodeName


@pytest.mark.parametrize(("named", "refused"), [("", False), ("node", False), ("another", True)])
def test_filter(named, refused):
    found = reasons(NodeName(), pod_info(node=named), node_info("node"))
    assert found == (("node(s) didn't match the requested node name",) if refused else ())
