import pytest
from cluster_facts import node_info, pod_info, reasons, scores

from controlplane.scheduler.framework.plugins.taint_toleration import TaintToleration


def taint(effect="NoSchedule", key="k", value="v"):
    return {"key": key, "value": value, "effect": effect}


@pytest.mark.parametrize(
    ("toleration", "tolerates"),
    [
        ({"key": "k", "operator": "Equal", "value": "v", "effect": "NoSchedule"}, True),
        ({"key": "k", "value": "v"}, True),  # Equal is the default; no effect means any
        ({"key": "k", "value": "w"}, False),
        ({"key": "k", "operator": "Exists"}, True),
        ({"key": "other", "operator": "Exists"}, False),
        ({"operator": "Exists"}, True),  # no key means any
        ({"key": "k", "value": "v", "effect": "NoExecute"}, False),
    ],
)
def test_filter_by_toleration(toleration, tolerates):
    found = reasons(
        TaintToleration(), pod_info(tolerations=[toleration]), node_info(taints=[taint()])
    )
    assert found == (() if tolerates else ("node(s) had untolerated taint {k: v}",))


@pytest.mark.parametrize(
    ("effect", "refused"), [("NoSchedule", True), ("NoExecute", True), ("PreferNoSchedule", False)]
)
def test_filter_by_effect(effect, refused):
    assert (
        bool(reasons(TaintToleration(), pod_info(), node_info(taints=[taint(effect)]))) is refused
    )


def test_the_first_untolerated_taint_is_named():
    tolerations = [{"key": "a", "operator": "Exists"}]
    node = node_info(taints=[taint(key="a"), taint(key="b", value="")])
    found = reasons(TaintToleration(), pod_info(tolerations=tolerations), node)
    assert found == ("node(s) had untolerated taint {b: }",)


def test_score_prefers_fewer_soft_taints():
    nodes = [
        node_info("none"),
        node_info("one", taints=[taint("PreferNoSchedule")]),
        node_info("two", taints=[taint("PreferNoSchedule"), taint("PreferNoSchedule", key="l")]),
    ]
    assert scores(TaintToleration(), pod_info(), nodes) == [100, 50, 0]
    tolerant = pod_info(tolerations=[{"operator": "Exists"}])
    assert scores(TaintToleration(), tolerant, nodes) == [100, 100, 100]


def test_score_says_nothing_without_soft_taints():
    assert scores(TaintToleration(), pod_info(), [node_info()]) is None
