"""Random clusters, pods and events: every pod has a node that may take it, or there is none.

The scheduler is the real one without its shell: cache, queue, handlers, profiles. Nothing is looked
at again because it has waited long; so a pod that is left behind while a node would take it shows a
wake-up that was lost: an event without a hint, or a hint that is wrong.
"""

import copy
import math
import random

from cluster_facts import Listers, make_node, make_pod
from hypothesis import example, given, settings
from hypothesis import strategies as st
from independent_judge import HOSTNAME, ZONE, accepting

from controlplane.scheduler.cache import Cache
from controlplane.scheduler.event_handlers import EventHandlers
from controlplane.scheduler.metrics import SchedulerMetrics
from controlplane.scheduler.nominator import Nominator
from controlplane.scheduler.profiles import Profiles
from controlplane.scheduler.queue import Place, SchedulingQueue
from controlplane.scheduler.schedule_one import Fits
from controlplane.scheduler.scheduler_config import DEFAULT
from controlplane.scheduler.waiting_pods import WaitingPods

#: Attempts after one event; more than these is a loop.
ATTEMPTS_MAX = 300


class World:
    """A cluster as objects, and a scheduler that is told of it."""

    def __init__(self):
        self.nodes, self.pods = {}, {}
        self.cache, self.nominator = Cache(), Nominator()
        self.profiles = Profiles(
            DEFAULT,
            random.Random(1),
            cache=self.cache,
            nominator=self.nominator,
            listers=Listers(),
            binder=None,
            volumes=None,
            waiting=WaitingPods(),
            laps=lambda profile: SchedulerMetrics().laps(profile, lambda: 0.0),
        )
        self.queue = SchedulingQueue(
            backoff_initial_s=1,
            backoff_max_s=10,
            unschedulable_max_s=math.inf,
            admits=self.profiles.admits,
            sort_key=self.profiles.sort_key,
        )
        self.told = EventHandlers(self.cache, self.queue, self.nominator, self.profiles.names)
        self.now = 0.0
        self.made = 0

    # --- the cluster ---------------------------------------------------------------------------

    def placed(self):
        return [pod for pod in self.pods.values() if pod["spec"]["nodeName"]]

    def put_node(self, name, node):
        old, self.nodes[name] = self.nodes.get(name), node
        if old is None:
            self.told.node_added(node, self.now)
        else:
            self.told.node_updated(old, node, self.now)

    def put_pod(self, pod):
        key = pod["metadata"]["name"]
        old, self.pods[key] = self.pods.get(key), pod
        if old is None:
            self.told.pod_added(pod, self.now)
        else:
            self.told.pod_updated(old, pod, self.now)

    def delete_pod(self, name):
        self.told.pod_deleted(self.pods.pop(name), self.now)

    # --- the scheduler -------------------------------------------------------------------------

    def settle(self):
        """Schedule until nothing more is to be looked at, whatever the clock says."""
        for _ in range(ATTEMPTS_MAX):
            pod = self.queue.pop(self.now)
            if pod is not None:
                self.attempt(pod)
            elif self.queue.deadline() == math.inf:
                return
            else:
                self.now = self.queue.deadline()
        raise AssertionError("the scheduler never comes to rest")

    def attempt(self, pod):
        name = pod.key.partition("/")[2]
        obj = self.pods[name]
        found = self.profiles.of(pod)[1].schedule(pod, self.cache.nodes())
        if isinstance(found, Fits):
            assert found.node_name in self.judged(obj)
            self.cache.assume(pod, found.node_name)
            bound = copy.deepcopy(obj)
            bound["spec"]["nodeName"] = found.node_name
            self.put_pod(bound)
            return
        assert not self.judged(obj)
        room = found.preemption
        self.queue.unschedulable(pod.key, found.hints, self.now)
        if not room.keeps_promise:
            self.told.promise(pod, room.node_name, self.now)
        victims = [victim.key.partition("/")[2] for victim in room.victims]
        if victims:
            self.is_worth_it(obj, victims)
        for victim in victims:
            self.delete_pod(victim)

    def judged(self, pod):
        """Return which nodes may take *pod* beside those that wait for room and matter as much."""
        waiting = []
        for name, other in self.pods.items():
            node_name = self.nominator.place_of(f"ns/{name}")
            if node_name and other is not pod and _priority(other) >= _priority(pod):
                waiting.append({**other, "spec": {**other["spec"], "nodeName": node_name}})
        nodes = self.nodes.values()
        without = accepting(pod, nodes, self.placed())
        return [name for name in accepting(pod, nodes, self.placed() + waiting) if name in without]

    def is_worth_it(self, pod, victims):
        """Victims matter less, are enough, and none of them goes for nothing."""
        assert all(_priority(self.pods[name]) < _priority(pod) for name in victims)
        nodes = self.nodes.values()
        left = [other for other in self.placed() if other["metadata"]["name"] not in victims]
        assert accepting(pod, nodes, left)
        if "affinity" in pod["spec"] or "topologySpreadConstraints" in pod["spec"]:
            return  # Then one more pod may also be of use.
        place = self.pods[victims[0]]["spec"]["nodeName"]
        for name in victims:
            assert place not in accepting(pod, nodes, [*left, self.pods[name]])

    def check(self):
        """Nobody waits whom a node would take."""
        for name, pod in self.pods.items():
            if not pod["spec"]["nodeName"] and "schedulingGates" not in pod["spec"]:
                assert self.queue.place_of(f"ns/{name}") is Place.UNSCHEDULABLE
                assert not self.judged(pod), f"{name} was forgotten"


def _priority(pod):
    return pod["spec"].get("priority", 0)


# --- what may happen ---------------------------------------------------------------------------

NODES = ("n1", "n2", "n3")
APPS = ("web", "db")
TAINT = {"key": "k", "value": "v", "effect": "NoSchedule"}


@st.composite
def nodes(draw):
    name = draw(st.sampled_from(NODES))
    labels = {HOSTNAME: name}
    if draw(st.integers(0, 4)):
        labels[ZONE] = draw(st.sampled_from("ab"))
    spec = {}
    if not draw(st.integers(0, 3)):
        spec["taints"] = [TAINT]
    if not draw(st.integers(0, 2)):
        spec["unschedulable"] = True
    cpu, pods = draw(st.sampled_from(("1", "2", "4"))), draw(st.sampled_from(("1", "3", "9")))
    return name, make_node(name, labels=labels, cpu=cpu, pods=pods, **spec)


@st.composite
def pods(draw):
    spec = {"priority": draw(st.sampled_from((0, 0, 5, 10)))}
    app = draw(st.sampled_from(APPS))
    cpu = draw(st.sampled_from(("", "1", "2")))
    selector = {"matchLabels": {"app": draw(st.sampled_from((app, app, *APPS)))}}
    key = draw(st.sampled_from((HOSTNAME, ZONE, ZONE)))
    term = [{"labelSelector": selector, "topologyKey": key}]
    required = {"requiredDuringSchedulingIgnoredDuringExecution": term}
    match draw(st.integers(0, 11)):
        case 0:
            spec["nodeSelector"] = {ZONE: draw(st.sampled_from("ab"))}
        case 1:
            spec["tolerations"] = [{"key": "k", "operator": "Exists"}]
        case 2:
            spec["ports"] = [{"containerPort": 1, "hostPort": draw(st.integers(1, 2))}]
        case 3:
            spec["affinity"] = {"podAffinity": required}
        case 4:
            spec["affinity"] = {"podAntiAffinity": required}
        case 5 | 6 | 7 | 8:
            row = {"topologyKey": key, "maxSkew": draw(st.integers(1, 2))}
            row |= {"whenUnsatisfiable": "DoNotSchedule", "labelSelector": selector}
            spec["topologySpreadConstraints"] = [row]
        case 9:
            spec["schedulingGates"] = [{"name": "wait"}]
    return make_pod("", labels={"app": app}, cpu=cpu, **spec)


EVENTS = st.one_of(
    st.tuples(st.just("node"), nodes()),
    st.tuples(st.just("pod"), pods()),
    st.tuples(st.sampled_from(("pod gone", "pod ends", "pod done", "relabel")), st.integers(0, 99)),
    st.tuples(st.sampled_from(("open", "smaller")), st.integers(0, 99)),
    st.tuples(st.just("node gone"), st.integers(0, 99)),
)


def happen(world, what, fact):
    if what == "node":
        world.put_node(*copy.deepcopy(fact))
    elif what == "pod":
        pod = copy.deepcopy(fact)
        world.made += 1
        pod["metadata"] |= {"name": f"p{world.made}", "uid": f"uid-{world.made}"}
        world.put_pod(pod)
    elif what == "node gone":
        if world.nodes:
            name = sorted(world.nodes)[fact % len(world.nodes)]
            world.told.node_deleted(world.nodes.pop(name), world.now)
    elif world.pods:
        change(world, what, sorted(world.pods)[fact % len(world.pods)])


def change(world, what, name):
    """Have something happen to a pod."""
    pod = copy.deepcopy(world.pods[name])
    if what == "pod gone":
        world.delete_pod(name)
    elif what == "pod done":
        pod["status"]["phase"] = "Succeeded"
        world.put_pod(pod)
        del world.pods[name]
    elif what == "pod ends" and pod["spec"]["nodeName"]:
        pod["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
        world.put_pod(pod)
    elif what == "relabel":
        other = {"web": "db", "db": "web"}[pod["metadata"]["labels"]["app"]]
        pod["metadata"]["labels"] = {"app": other}
        world.put_pod(pod)
    elif what == "open" and pod["spec"].pop("schedulingGates", None):
        world.put_pod(pod)
    elif what == "smaller" and pod["spec"]["nodeName"]:
        pod["spec"]["containers"][0]["resources"]["requests"] = {}
        world.put_pod(pod)


def spread_pod():
    selector = {"matchLabels": {"app": "web"}}
    row = {"topologyKey": ZONE, "maxSkew": 1, "labelSelector": selector}
    rows = [{**row, "whenUnsatisfiable": "DoNotSchedule"}]
    return make_pod("", labels={"app": "web"}, topologySpreadConstraints=rows)


def in_zone(name, zone, **spec):
    return "node", (name, make_node(name, labels={HOSTNAME: name, ZONE: zone}, **spec))


#: The emptiest zone goes, or takes part no more: what waits for it need wait no longer.
ZONE_GOES = [
    in_zone("n1", "a"),
    in_zone("n2", "b", unschedulable=True),
    ("pod", spread_pod()),
    ("pod", spread_pod()),
]


@example(events=[*ZONE_GOES, ("node gone", 1)], one_by_one=True)
@example(events=[*ZONE_GOES, in_zone("n2", "a", unschedulable=True)], one_by_one=True)
@example(events=[*ZONE_GOES, ("pod done", 0)], one_by_one=True)
@given(events=st.lists(EVENTS, min_size=4, max_size=25), one_by_one=st.booleans())
@settings(max_examples=200, deadline=None)
def test_nobody_waits_whom_a_node_would_take(events, one_by_one):
    world = World()
    for what, fact in events:
        happen(world, what, fact)
        if one_by_one:
            world.settle()
            world.check()
    world.settle()
    world.check()
