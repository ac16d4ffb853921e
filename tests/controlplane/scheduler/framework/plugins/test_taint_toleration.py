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


def soft(*taints, effect="PreferNoSchedule"):
    return [taint(effect, key=key, value=value) for key, value in taints]


def equal(*wanted, effect="PreferNoSchedule"):
    return [
        {"key": key, "operator": "Equal", "value": value, "effect": effect} for key, value in wanted
    ]


ARM, SSD = ("cpu-type", "arm64"), ("disk-type", "ssd")


@pytest.mark.parametrize(
    ("tolerations", "taints", "expected"),
    [
        (equal(("foo", "bar")), [soft(("foo", "bar")), soft(("foo", "blah"))], [100, 0]),
        (equal(ARM, SSD), [[], soft(ARM), soft(ARM, SSD)], [100, 100, 100]),
        (equal(("foo", "bar")), [[], soft(ARM), soft(ARM, SSD)], [100, 50, 0]),
        (
            equal(ARM, SSD, effect="NoSchedule"),
            [[], soft(ARM, effect="NoSchedule"), soft(ARM, SSD)],
            [100, 100, 0],
        ),
        ([], [[], soft(ARM)], [100, 0]),
    ],
    ids=[
        "tolerated taints score higher than intolerable ones",
        "the number of tolerated taints does not matter",
        "the more intolerable taints, the lower the score",
        "only PreferNoSchedule is looked at",
        "no taints and no tolerations",
    ],
)
def test_upstreams_score_cases(tolerations, taints, expected):
    """TestTaintTolerationScore."""
    nodes = [node_info(f"node-{i}", taints=each) for i, each in enumerate(taints)]
    assert scores(TaintToleration(), pod_info(tolerations=tolerations), nodes) == expected


@pytest.mark.parametrize(
    ("tolerations", "taints", "refused_by"),
    [
        ([], [("dedicated", "user1", "NoSchedule")], "{dedicated: user1}"),
        ([{"key": "dedicated", "value": "user1", "effect": "NoSchedule"}],
         [("dedicated", "user1", "NoSchedule")], ""),
        (equal(("dedicated", "user2"), effect="NoSchedule"),
         [("dedicated", "user1", "NoSchedule")], "{dedicated: user1}"),
        ([{"key": "foo", "operator": "Exists", "effect": "NoSchedule"}],
         [("foo", "bar", "NoSchedule")], ""),
        ([*equal(("dedicated", "user2"), effect="NoSchedule"),
          {"key": "foo", "operator": "Exists", "effect": "NoSchedule"}],
         [("dedicated", "user2", "NoSchedule"), ("foo", "bar", "NoSchedule")], ""),
        (equal(("foo", "bar")), [("foo", "bar", "NoSchedule")], "{foo: bar}"),
        (equal(("foo", "bar"), effect=""), [("foo", "bar", "NoSchedule")], ""),
        (equal(("dedicated", "user2"), effect="NoSchedule"),
         [("dedicated", "user1", "PreferNoSchedule")], ""),
        ([], [("dedicated", "user1", "PreferNoSchedule")], ""),
    ],
)  # fmt: skip
def test_upstreams_filter_cases(tolerations, taints, refused_by):
    """TestTaintTolerationFilter."""
    node = node_info(taints=[taint(effect, key, value) for key, value, effect in taints])
    found = reasons(TaintToleration(), pod_info(tolerations=tolerations), node)
    assert found == ((f"node(s) had untolerated taint {refused_by}",) if refused_by else ())
