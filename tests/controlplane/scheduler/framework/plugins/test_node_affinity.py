import pytest
from cluster_facts import node_info, pod_info, reasons, scores

from controlplane.scheduler.framework.arguments import NodeAffinityArgs
from controlplane.scheduler.framework.plugins.node_affinity import NodeAffinityPlugin

LABELS = {"disk": "ssd", "cores": "8"}
REASON = ("node(s) didn't match Pod's node affinity/selector",)


def required(*terms):
    rule = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": list(terms)}}
    return {"affinity": {"nodeAffinity": rule}}


def term(key, operator, *values):
    return {"matchExpressions": [{"key": key, "operator": operator, "values": list(values)}]}


def field(name, operator="In"):
    return {"matchFields": [{"key": "metadata.name", "operator": operator, "values": [name]}]}


@pytest.mark.parametrize(
    ("spec", "allowed"),
    [
        ({}, True),
        ({"nodeSelector": {"disk": "ssd"}}, True),
        ({"nodeSelector": {"disk": "ssd", "zone": "a"}}, False),
        (required(term("disk", "In", "ssd", "hdd")), True),
        (required(term("disk", "NotIn", "ssd")), False),
        (required(term("zone", "NotIn", "a")), True),
        (required(term("disk", "Exists")), True),
        (required(term("zone", "DoesNotExist")), True),
        (required(term("cores", "Gt", "7")), True),
        (required(term("cores", "Lt", "8")), False),
        (required(term("zone", "Exists"), term("disk", "Exists")), True),  # alternatives
        (required({**term("disk", "Exists"), **field("other")}), False),  # both together
        (required(field("node")), True),
        (required(field("node", "NotIn")), False),
        (required({}), False),  # an empty term matches nothing
        (required(), False),
        ({**required(term("disk", "Exists")), "nodeSelector": {"disk": "hdd"}}, False),
    ],
)
def test_filter(spec, allowed):
    found = reasons(
        NodeAffinityPlugin(NodeAffinityArgs()), pod_info(**spec), node_info("node", labels=LABELS)
    )
    assert found == () if allowed else found in (REASON, ("not among the only nodes",))


def test_score_adds_the_weights_that_match():
    preferred = [
        {"weight": 3, "preference": term("disk", "In", "ssd")},
        {"weight": 1, "preference": term("zone", "Exists")},
    ]
    rule = {"preferredDuringSchedulingIgnoredDuringExecution": preferred}
    pod = pod_info(affinity={"nodeAffinity": rule})
    nodes = [
        node_info("both", labels={"disk": "ssd", "zone": "a"}),
        node_info("one", labels={"zone": "a"}),
        node_info("none"),
    ]
    assert scores(NodeAffinityPlugin(NodeAffinityArgs()), pod, nodes) == [100, 25, 0]
    assert scores(NodeAffinityPlugin(NodeAffinityArgs()), pod, nodes[2:]) == [0]
    assert scores(NodeAffinityPlugin(NodeAffinityArgs()), pod_info(), nodes) is None
