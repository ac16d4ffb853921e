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


def row(key, operator, *values):
    return {"key": key, "operator": operator, "values": list(values)}


def both(*rows, names=()):
    """Return a term of rows that hold together, about labels and about names."""
    fields = [row("metadata.name", "In", name) for name in names]
    return {"matchExpressions": list(rows), **({"matchFields": fields} if fields else {})}


BAR = {"foo": "bar"}
CONFLICT = ("pod affinity terms conflict",)
ELSEWHERE = ("not among the only nodes",)
GPU = {"GPU": "NVIDIA-GRID-K1"}


@pytest.mark.parametrize(
    ("spec", "labels", "expected"),
    [
        ({"nodeSelector": BAR}, {}, REASON),
        ({"nodeSelector": BAR}, BAR, ()),
        ({"nodeSelector": BAR}, {**BAR, "baz": "blah"}, ()),
        ({"nodeSelector": {**BAR, "baz": "blah"}}, BAR, REASON),
        (required(both(row("foo", "In", "bar", "value2"))), BAR, ()),
        (required(both(row("kernel-version", "Gt", "0204"))), {"kernel-version": "0206"}, ()),
        (required(both(row("mem-type", "NotIn", "DDR", "DDR2"))), {"mem-type": "DDR3"}, ()),
        (required(both(row("GPU", "Exists"))), GPU, ()),
        (required(both(row("foo", "In", "value1", "value2"))), BAR, REASON),
        (required(both()), BAR, REASON),
        ({}, BAR, ()),
        ({"affinity": {"nodeAffinity": {}}}, BAR, ()),
        (required(both(row("GPU", "Exists"), row("GPU", "NotIn", "AMD", "INTER"))), GPU, ()),
        (required(both(row("GPU", "Exists"), row("GPU", "In", "AMD", "INTER"))), GPU, REASON),
        (required(both(row("foo", "In", "bar")), both(row("diffkey", "In", "wrong"))), BAR, ()),
        ({"nodeSelector": BAR, **required(both(row("foo", "Exists")))}, BAR, ()),
        ({"nodeSelector": BAR, **required(both(row("foo", "Exists")))}, {"foo": "ba"}, REASON),
        (required(both(row("foo", "NotIn", "invalid value: ___@#$%^"))), BAR, REASON),
        (required(both(names=["node"])), {}, ()),
        (required(both(names=["node2"])), {}, ELSEWHERE),
        (required(both(names=["node1", "node"]), both(row("foo", "In", "bar"))), BAR, ()),
        (required(both(row("foo", "In", "bar"), names=["node1"])), BAR, ELSEWHERE),
        (required(both(row("foo", "In", "bar"), names=["node"])), BAR, ()),
        (required(both(names=["node1"]), both(row("foo", "In", "not-match"))), BAR, REASON),
        (required(both(names=["node1", "node2"])), BAR, CONFLICT),
        (required(both(names=["node1"]), both(names=["node"])), BAR, ()),
    ],
    ids=[
        "missing labels",
        "same labels",
        "node labels are superset",
        "node labels are subset",
        "In operator that matches",
        "Gt operator that matches",
        "NotIn operator that matches",
        "Exists operator that matches",
        "affinity that doesn't match node's labels",
        "empty MatchExpressions match no objects",
        "no Affinity",
        "Affinity but nil NodeSelector",
        "multiple matchExpressions ANDed that match",
        "multiple matchExpressions ANDed that don't match",
        "multiple NodeSelectorTerms ORed",
        "Affinity and NodeSelector both are satisfied",
        "Affinity matches, NodeSelector is not satisfied",
        "an invalid value in an Affinity term",
        "matchFields In that matches",
        "matchFields In that does not match",
        "two terms: matchFields does not match, but matchExpressions matches",
        "one term: matchFields does not match, but matchExpressions matches",
        "one term: both matchFields and matchExpressions match",
        "two terms: both matchFields and matchExpressions do not match",
        "two conflicting matchFields in one term",
        "two terms of node names",
    ],
)
def test_upstreams_filter_cases(spec, labels, expected):
    """TestNodeAffinity: the node is called `node`."""
    plugin = NodeAffinityPlugin(NodeAffinityArgs())
    assert reasons(plugin, pod_info(**spec), node_info("node", labels=labels)) == expected


@pytest.mark.parametrize(
    ("added", "spec", "expected"),
    [
        ({}, {}, ()),
        (required(both(names=["node"])), {}, ()),
        (required(both(names=["node1"])), {}, ("node(s) didn't match scheduler-enforced node "
                                             "affinity",)),
        (required(both(names=["node"])), {"nodeSelector": {"a": "b"}}, REASON),
    ],
)  # fmt: skip
def test_what_the_profile_adds(added, spec, expected):
    rule = (added.get("affinity") or {}).get("nodeAffinity")
    plugin = NodeAffinityPlugin(NodeAffinityArgs(addedAffinity=rule))
    assert reasons(plugin, pod_info(**spec), node_info("node")) == expected
