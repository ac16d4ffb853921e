"""Rows after upstream's TestRequiredAffinitySingleNode and TestPreferredAffinity."""

import pytest
from cluster_facts import Listers, node_info, pod_info, reasons, scores

from controlplane.scheduler.framework.arguments import InterPodAffinityArgs
from controlplane.scheduler.framework.cluster_event import ClusterEvent, Happening
from controlplane.scheduler.framework.cycle_state import CycleState
from controlplane.scheduler.framework.plugins.inter_pod_affinity import InterPodAffinity

NOT_NEAR = ("node(s) didn't match pod affinity rules",)
TOO_NEAR = ("node(s) didn't match pod anti-affinity rules",)
UNWELCOME = ("node(s) didn't satisfy existing pods anti-affinity rules",)
WEB, DB = {"app": "web"}, {"app": "db"}
REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"


def term(labels, key="zone", **more):
    return {"labelSelector": {"matchLabels": labels}, "topologyKey": key, **more}


def near(*terms):
    return {"affinity": {"podAffinity": {REQUIRED: list(terms)}}}


def away(*terms):
    return {"affinity": {"podAntiAffinity": {REQUIRED: list(terms)}}}


def prefers(weight, wanted, kind="podAffinity"):
    weighted = [{"weight": weight, "podAffinityTerm": wanted}]
    return {"affinity": {kind: {PREFERRED: weighted}}}


def plugin(nodes=(), namespaces=None, **args):
    labels = Listers(namespaces).namespace_labels
    return InterPodAffinity(InterPodAffinityArgs(**args), lambda: nodes, labels)


def zone(name, *running, node=""):
    return node_info(node or f"node-{name}", running, labels={"zone": name})


IN_A = pod_info("db", labels=DB)
ROWS = [
    ("nobody to be near", near(term(DB)), {}, [], (NOT_NEAR, NOT_NEAR)),
    ("near it in its zone", near(term(DB)), {}, [IN_A], ((), NOT_NEAR)),
    ("away from it", away(term(DB)), {}, [IN_A], (TOO_NEAR, ())),
    ("away from nobody", away(term(WEB)), {}, [IN_A], ((), ())),
    ("the first of a group means itself", near(term(WEB)), WEB, [], ((), ())),
    ("the second goes to the first", near(term(WEB)), WEB, [pod_info("w", labels=WEB)],
     ((), NOT_NEAR)),
    ("of all terms, not of one", near(term(DB), term({"tier": "b"})), {}, [IN_A],
     (NOT_NEAR, NOT_NEAR)),
    ("of all terms", near(term(DB), term({"tier": "b"})), {},
     [pod_info("db", labels={**DB, "tier": "b"})], ((), NOT_NEAR)),
    ("a key that no node has", near(term(DB, key="rack")), {}, [IN_A], (NOT_NEAR, NOT_NEAR)),
    ("who is there does not want it", {}, WEB,
     [pod_info("shy", labels=DB, **away(term(WEB)))], (UNWELCOME, ())),
    ("who is there minds another", {}, DB,
     [pod_info("shy", labels=DB, **away(term(WEB)))], ((), ())),
    ("other namespaces are not meant", near(term(DB, namespaces=["other"])), {}, [IN_A],
     (NOT_NEAR, NOT_NEAR)),
    ("namespaces by name", near(term(DB, namespaces=["ns", "other"])), {}, [IN_A],
     ((), NOT_NEAR)),
    ("namespaces by label", near(term(DB, namespaceSelector={"matchLabels": {"team": "x"}})), {},
     [IN_A], ((), NOT_NEAR)),
    ("every namespace", near(term(DB, namespaceSelector={})), {}, [IN_A], ((), NOT_NEAR)),
    ("no namespace has the label", near(term(DB, namespaceSelector={"matchLabels": {"a": "b"}})),
     {}, [IN_A], (NOT_NEAR, NOT_NEAR)),
    ("mismatchLabelKeys", away(term({}, mismatchLabelKeys=["app"])), WEB, [IN_A], (TOO_NEAR, ())),
    ("matchLabelKeys", away(term({}, matchLabelKeys=["app"])), WEB, [IN_A], ((), ())),
]  # fmt: skip


@pytest.mark.parametrize(
    ("spec", "labels", "running", "expected"),
    [row[1:] for row in ROWS],
    ids=[row[0].replace(" ", "-") for row in ROWS],
)
def test_filter(spec, labels, running, expected):
    nodes = [zone("a", *running), zone("b")]
    judge = plugin(nodes, {"ns": {"team": "x"}})
    pod = pod_info(labels=labels, **spec)
    assert tuple(reasons(judge, pod, node, nodes) for node in nodes) == expected


def test_a_victim_that_goes_takes_its_wishes_along():
    shy = pod_info("shy", labels=DB, **away(term(WEB)))
    node, pod, judge, state = zone("a", shy), pod_info(labels=WEB), plugin(), CycleState()
    judge.pre_filter(state, pod, [node])
    tried = state.clone()
    judge.remove_pod(tried, pod, shy, node)
    assert judge.filter(tried, pod, node) is None
    judge.add_pod(tried, pod, shy, node)
    assert judge.filter(tried, pod, node).reasons == UNWELCOME
    assert judge.filter(state, pod, node).reasons == UNWELCOME


@pytest.mark.parametrize(
    ("spec", "running", "expected"),
    [
        (prefers(5, term(DB)), [IN_A], [100, 0]),
        (prefers(5, term(DB), "podAntiAffinity"), [IN_A], [0, 100]),
        (prefers(5, term(WEB)), [IN_A], None),
        ({}, [pod_info("x", **prefers(5, term(WEB)))], [100, 0]),
        ({}, [pod_info("x", **prefers(5, term(WEB), "podAntiAffinity"))], [0, 100]),
        ({}, [pod_info("x", labels=WEB, **near(term(WEB)))], [100, 0]),  # hardPodAffinityWeight
        ({}, [IN_A], None),
    ],
)
def test_score(spec, running, expected):
    nodes = [zone("a", *running), zone("b")]
    assert scores(plugin(nodes), pod_info(labels=WEB, **spec), nodes) == expected


def test_arguments_leave_the_wishes_of_others_out():
    nodes = [zone("a", pod_info("x", **prefers(5, term(WEB)))), zone("b")]
    quiet = plugin(nodes, ignorePreferredTermsOfExistingPods=True)
    assert scores(quiet, pod_info(labels=WEB), nodes) is None
    nodes = [zone("a", pod_info("x", labels=WEB, **near(term(WEB)))), zone("b")]
    assert scores(plugin(nodes, hardPodAffinityWeight=0), pod_info(labels=WEB), nodes) is None


@pytest.mark.parametrize(
    ("change", "helps"),
    [
        (Happening(ClusterEvent.POD_PLACED, None, IN_A.obj), True),
        (Happening(ClusterEvent.POD_PLACED, None, pod_info("w", labels=WEB).obj), False),
        (Happening(ClusterEvent.POD_GONE, pod_info("s", **away(term(WEB))).obj, None), True),
    ],
    ids=["one-it-wants", "another", "one-that-did-not-want-it"],
)
def test_hints(change, helps):
    judge = plugin()
    assert judge.hints[change.event](pod_info(**near(term(DB))), change) is helps
