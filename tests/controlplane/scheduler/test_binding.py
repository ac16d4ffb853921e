"""The binding cycle with plugins that hold a pod up, take its node away or bind it themselves."""

import asyncio

import pytest
from cluster_facts import World, node_info, pod_info

from controlplane.scheduler.binding import Chosen, NotBound, bind, permit
from controlplane.scheduler.framework.interface import Rejection, Wait
from controlplane.scheduler.framework.runtime import Framework
from controlplane.scheduler.waiting_pods import WaitingPods

pytestmark = pytest.mark.asyncio


class Gang:
    """Lets nobody pass until somebody says so."""

    name = "Gang"

    def __init__(self, answer=None, pre=None, binds=True):
        self.answer, self.pre, self.binds, self.done = answer, pre, binds, []

    def permit(self, _state, _pod, _node_name):
        return self.answer

    async def pre_bind(self, _state, _pod, node_name):
        self.done.append(f"pre {node_name}")
        return self.pre

    async def bind(self, _state, _pod, node_name):
        self.done.append(f"bind {node_name}")
        return self.binds

    def post_bind(self, _state, _pod, node_name):
        self.done.append(f"post {node_name}")


def chosen(plugin):
    world = World([node_info("n")])
    default, search = world.profiles.of(pod_info())
    points = {"permit": [plugin], "preBind": [plugin], "bind": [plugin], "postBind": [plugin]}
    framework = Framework("x", {**default.plugins, "score": [], **points}, {})
    found = search.schedule(pod_info("a"), world.nodes())
    return Chosen(pod_info("a"), "n", found.state, framework), world.waiting


async def test_one_after_the_other():
    plugin = Gang()
    pod, waiting = chosen(plugin)
    assert permit(pod, waiting, 10) is None
    await bind(pod, waiting)
    assert plugin.done == ["pre n", "bind n", "post n"]


async def test_a_pod_waits_until_it_is_allowed():
    plugin = Gang(Wait(60))
    pod, waiting = chosen(plugin)
    assert permit(pod, waiting, 10) is None

    def allow():
        assert (plugin.done, [each.held_by for each in waiting]) == ([], [("Gang",)])
        waiting.get("ns/a").allow("Gang")

    asyncio.get_running_loop().call_later(0.01, allow)
    await asyncio.wait_for(bind(pod, waiting), 5)
    assert (plugin.done[-1], list(waiting)) == ("post n", [])


@pytest.mark.parametrize(
    ("answer", "rejects", "says"),
    [
        (Wait(60), True, 'rejected by plugin "Gang": no'),
        (Wait(0), False, 'rejected by plugin "Gang": timed out waiting for the pod to be allowed'),
    ],
    ids=["rejected", "too-late"],
)
async def test_a_pod_that_is_not_allowed_is_not_bound(answer, rejects, says):
    plugin = Gang(answer)
    pod, waiting = chosen(plugin)
    permit(pod, waiting, 10)
    if rejects:
        waiting.get("ns/a").reject("Gang", "no")
    with pytest.raises(NotBound, match=says):
        await asyncio.wait_for(bind(pod, waiting), 5)
    assert (plugin.done, list(waiting)) == ([], [])


@pytest.mark.parametrize(("answer", "result"), [(Wait(0), "Unschedulable"), (Wait(60), "Success")])
async def test_waits_are_counted_by_how_they_end(answer, result):
    pod, _ = chosen(Gang(answer))
    told = []
    waiting = WaitingPods(lambda *ended: told.append(ended))
    permit(pod, waiting, 10)
    if result == "Success":
        waiting.get("ns/a").allow("Gang")
        await bind(pod, waiting)
    else:
        with pytest.raises(NotBound):
            await asyncio.wait_for(bind(pod, waiting), 5)
    ((said, seconds),) = told
    assert said == result
    assert 0 <= seconds < 5


async def test_a_permit_plugin_may_refuse_at_once_and_only_so_many_wait():
    pod, waiting = chosen(Gang(Rejection(("no",))))
    assert permit(pod, waiting, 10).plugin == "Gang"
    pod, waiting = chosen(Gang(Wait(60)))
    assert permit(pod, waiting, 0).text == "0 pods wait already"


async def test_pre_bind_may_take_the_node_away_and_somebody_has_to_bind():
    plugin = Gang(pre=Rejection(("the disk is gone",)))
    with pytest.raises(NotBound, match="the disk is gone"):
        await bind(*chosen(plugin))
    with pytest.raises(NotBound, match="no bind plugin has bound the pod"):
        await bind(*chosen(Gang(binds=False)))
