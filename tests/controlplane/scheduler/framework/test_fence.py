"""Plugins that break every rule: each is named, and none takes the scheduler along."""

import asyncio
import math
import time

import pytest
from cluster_facts import World, node_info, pod_info

from controlplane.scheduler.binding import Chosen, bind
from controlplane.scheduler.framework import fence
from controlplane.scheduler.framework.cluster_event import ClusterEvent, Happening, any_of
from controlplane.scheduler.framework.cycle_state import CycleState
from controlplane.scheduler.framework.fence import PluginFailed, fenced
from controlplane.scheduler.framework.interface import Only, Rejection, Wait
from controlplane.scheduler.framework.runtime import POINTS
from controlplane.scheduler.scheduler_config import BadConfiguration, parse
from kubeapi.resources import PODS
from kubeapi.status import StatusError, not_found

POD, NODE, STATE = pod_info(), node_info("n"), CycleState()
#: What each method is given.
GIVEN = {
    "pre_filter": (STATE, POD, [NODE]),
    "add_pod": (STATE, POD, POD, NODE),
    "remove_pod": (STATE, POD, POD, NODE),
    "filter": (STATE, POD, NODE),
    "post_filter": (STATE, POD, {}),
    "pre_score": (STATE, POD, [NODE]),
    "score": (STATE, POD, NODE),
    "score_all": (STATE, POD, [NODE]),
    "normalize": ([1],),
    "reserve": (STATE, POD, "n"),
    "permit": (STATE, POD, "n"),
}


def plugin(**methods):
    """Return a fenced plugin that has these methods."""
    made = type("Mine", (), {"name": "Mine"})()
    for name, method in methods.items():
        setattr(made, name, method)
    return fenced(made)


def answering(answer):
    return lambda *_given: answer


def raising(*_given):
    raise ValueError("no idea")


def leaving(*_given):
    raise SystemExit(3)


def hanging(*_given):
    while True:
        pass


@pytest.fixture
def hurried(monkeypatch):
    monkeypatch.setattr(fence, "DECISION_MAX_S", 0.02)
    monkeypatch.setattr(fence, "BINDING_MAX_S", 0.02)


@pytest.mark.parametrize("name", GIVEN)
@pytest.mark.usefixtures("hurried")
def test_a_plugin_that_hangs_is_named(name):
    with pytest.raises(PluginFailed) as failed:
        getattr(plugin(**{name: hanging}), name)(*GIVEN[name])
    why = "it took longer than 0.02 s"
    assert str(failed.value) == f'running {fence._POINTS[name]} plugin "Mine": {why}'


@pytest.mark.parametrize("name", GIVEN)
@pytest.mark.parametrize(
    ("what", "why"),
    [(raising, "ValueError: no idea"), (leaving, "SystemExit: 3")],
    ids=["raises", "exits"],
)
def test_a_plugin_that_breaks_down_is_named(name, what, why):
    with pytest.raises(PluginFailed) as failed:
        getattr(plugin(**{name: what}), name)(*GIVEN[name])
    point = fence._POINTS[name]
    assert str(failed.value) == f'running {point} plugin "Mine": {why}'


@pytest.mark.parametrize(
    ("name", "answer", "why"),
    [
        ("filter", "no", "it answers 'no', and may answer Rejection, None"),
        ("filter", False, "it answers False, and may answer Rejection, None"),
        ("filter", Rejection("no"), "the reasons of a Rejection are a tuple of texts"),
        ("filter", Rejection(()), "the reasons of a Rejection are a tuple of texts"),
        ("filter", Rejection((1,)), "the reasons of a Rejection are a tuple of texts"),
        ("pre_filter", ["n"], "it answers ['n'], and may answer Skip, Only, Rejection, None"),
        ("pre_filter", Only(["n"]), "the nodes of an Only are a frozenset of names"),
        ("post_filter", None, "it answers None, and may answer PostFilterResult"),
        ("pre_score", 1, "it answers 1, and may answer Skip, None"),
        ("score", None, "it answers None, and may answer int"),
        ("score", 0.5, "it answers 0.5, and may answer int"),
        ("score", -1, "it returns an invalid score -1, it should be in the range of [0, 100] "
         "after normalizing"),
        ("score", 101, "it returns an invalid score 101, it should be in the range of [0, 100] "
         "after normalizing"),
        ("score_all", [1, 101], "it returns an invalid score 101, it should be in the range of "
         "[0, 100] after normalizing"),
        ("score_all", None, "it answers None, and may answer list"),
        ("score_all", ["1"], "it answers '1', and may answer int"),
        ("normalize", [-1], "it returns an invalid score -1, it should be in the range of "
         "[0, 100] after normalizing"),
        ("normalize", (1,), "it answers (1,), and may answer list"),
        ("permit", Wait("1s"), "the time of a Wait is a number of seconds"),
        ("permit", 5, "it answers 5, and may answer Wait, Rejection, None"),
        ("reserve", True, "it answers True, and may answer Rejection, None"),
    ],
    ids=str,
)  # fmt: skip
def test_an_answer_that_nobody_knows_is_told(name, answer, why):
    with pytest.raises(PluginFailed) as failed:
        getattr(plugin(**{name: answering(answer)}), name)(*GIVEN[name])
    assert str(failed.value) == f'running {fence._POINTS[name]} plugin "Mine": {why}'


@pytest.mark.usefixtures("hurried")
def test_the_time_is_an_attempts_not_a_calls():
    pods = [POD] * 10
    slow = plugin(filter=lambda _state, pods, _node: time.sleep(0.006 if pods else 0))
    with pytest.raises(PluginFailed, match="it took longer"):
        [slow.filter(STATE, pod, NODE) for pod in pods]
    slow.begin_attempt()
    assert slow.filter(STATE, (), NODE) is None


def test_scores_of_another_scale_are_for_normalize():
    mine = plugin(score=answering(1000), normalize=lambda scores: [s // 10 for s in scores])
    assert mine.normalize([mine.score(STATE, POD, NODE)]) == [100]


def test_a_plugin_takes_part_where_it_has_the_method():
    mine = plugin(filter=answering(None), score=answering(7), bind=answering(True))
    assert [p for p, kind in POINTS.items() if isinstance(mine, kind)] == [
        "filter",
        "score",
        "bind",
    ]
    assert mine.filter(STATE, POD, NODE) is None
    assert mine.score(STATE, POD, NODE) == 7


@pytest.mark.parametrize("what", [raising, answering(1), answering(()), answering(("a",))])
def test_a_pod_without_a_place_in_the_queue_is_last(what):
    assert plugin(sort_key=what).sort_key(POD, 3.0) == (math.inf, 3.0)


def test_a_pod_of_which_pre_enqueue_cannot_tell_waits():
    assert plugin(pre_enqueue=raising).pre_enqueue(POD).reasons == (
        'running PreEnqueue plugin "Mine": ValueError: no idea',
    )
    assert plugin(pre_enqueue=answering(None)).pre_enqueue(POD) is None


def test_a_hint_that_cannot_tell_wakes():
    event = Happening(ClusterEvent.NODE_ADDED, None, NODE)
    for what, helps in ((raising, True), (answering(False), False), (answering(1), True)):
        mine = plugin(hints={ClusterEvent.NODE_ADDED: what})
        assert mine.hints[ClusterEvent.NODE_ADDED](POD, event) is helps
    assert plugin(hints=any_of(ClusterEvent.POD_GONE)).hints == {ClusterEvent.POD_GONE: None}


def test_what_is_undone_or_only_told_may_fail():
    mine = plugin(reserve=answering(None), unreserve=raising, post_bind=raising)
    mine.unreserve(STATE, POD, "n")
    mine.post_bind(STATE, POD, "n")


async def _hang(*_given):
    await asyncio.Event().wait()


async def _raise(*_given):
    raise KeyError("volume")


async def _say_three(*_given):
    return 3


@pytest.mark.parametrize(
    ("name", "what", "why"),
    [
        ("pre_bind", _hang, "it took longer than 0.02 s"),
        ("pre_bind", _raise, "KeyError: 'volume'"),
        ("pre_bind", _say_three, "it answers 3, and may answer Rejection, None"),
        ("pre_bind", answering(None), "TypeError: "),
        ("bind", _hang, "it took longer than 0.02 s"),
        ("bind", _say_three, "it answers 3, and may answer bool"),
    ],
)
@pytest.mark.usefixtures("hurried")
@pytest.mark.asyncio
async def test_who_waits_for_others_may_not_wait_for_ever(name, what, why):
    with pytest.raises(PluginFailed, match=f'plugin "Mine": {why}'):
        await getattr(plugin(**{name: what}), name)(STATE, POD, "n")


@pytest.mark.asyncio
async def test_what_the_api_server_says_is_not_the_plugins_fault():
    async def refused(*_given):
        raise not_found(PODS, "p")

    with pytest.raises(StatusError):
        await plugin(bind=refused).bind(STATE, POD, "n")


class Broken:
    """Fails over pods as they ask for it."""

    name = "Broken"

    def __init__(self, config, _handle):
        if config.get("fails"):
            raise RuntimeError("no such database")

    def filter(self, _state, pod, _node):
        if pod.labels.get("fails"):
            raise RuntimeError("over this one")

    async def pre_bind(self, _state, pod, _node_name):
        if pod.labels.get("bind-fails"):
            raise RuntimeError("while binding")


class Nothing:
    name = "Nothing"

    def __init__(self, _config, _handle):
        pass


def configured(kind, args="{}"):
    name = f"{__name__}:{kind}"
    return parse(
        f"""
apiVersion: kubescheduler.config.k8s.io/v1
kind: KubeSchedulerConfiguration
profiles:
- plugins: {{multiPoint: {{enabled: [{{name: "{name}"}}]}}}}
  pluginConfig: [{{name: "{name}", args: {args}}}]
"""
    )


@pytest.mark.asyncio
async def test_one_pods_failure_is_no_others():
    world = World([node_info("a")], config=configured("Broken"))
    with pytest.raises(PluginFailed, match="over this one"):
        world.schedule(pod_info("bad", labels={"fails": "yes"}))
    assert world.schedule(pod_info("good")).node_name == "a"
    pod = pod_info("unbound", labels={"bind-fails": "yes"})
    framework, _ = world.profiles.of(pod)
    assert framework.binds_by_foreigners
    with pytest.raises(PluginFailed, match="PreBind"):
        await bind(Chosen(pod, "a", CycleState(), framework), world.waiting)
    assert not world.bound


@pytest.mark.parametrize(
    ("kind", "args", "says"),
    [
        ("Broken", "{fails: true}", "cannot be made: RuntimeError: no such database"),
        ("Nothing", "{}", "has no method of any extension point"),
    ],
)
def test_a_plugin_that_cannot_be_made_is_one_line(kind, args, says):
    with pytest.raises(BadConfiguration, match=says) as wrong:
        World([node_info("a")], config=configured(kind, args))
    assert "\n" not in str(wrong.value)
