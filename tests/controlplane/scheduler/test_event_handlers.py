import copy

from cluster_facts import make_node, make_pod

from controlplane.scheduler.cache import Cache
from controlplane.scheduler.event_handlers import EventHandlers
from controlplane.scheduler.framework.cluster_event import ClusterEvent, any_of
from controlplane.scheduler.framework.plugins.priority_sort import PrioritySort
from controlplane.scheduler.framework.plugins.scheduling_gates import SchedulingGates
from controlplane.scheduler.node_info import PodGroup
from controlplane.scheduler.nominator import Nominator
from controlplane.scheduler.pod_info import PodInfo
from controlplane.scheduler.queue import Place, SchedulingQueue
from kubeapi.selectors import EVERYTHING


class World:
    def __init__(self):
        self.cache = Cache()
        self.nominator = Nominator()
        self.queue = SchedulingQueue(
            backoff_initial_s=1,
            backoff_max_s=2,
            unschedulable_max_s=60,
            admits=lambda pod: SchedulingGates().pre_enqueue(pod) is None,
            sort_key=PrioritySort().sort_key,
        )
        names = ("default-scheduler", "second")
        self.told = EventHandlers(self.cache, self.queue, self.nominator, names)

    def park(self, *events):
        """Let a pod wait for *events*."""
        self.told.pod_added(make_pod("parked"), 0)
        self.queue.pop(0)
        self.queue.unschedulable("ns/parked", [any_of(*events)], 0)

    def is_woken(self):
        return self.queue.place_of("ns/parked") is not Place.UNSCHEDULABLE


def test_a_pod_without_a_node_waits_until_it_has_one():
    world = World()
    pod = make_pod("a")
    world.told.pod_added(pod, 0)
    assert "ns/a" in world.queue
    world.told.node_added(make_node("node-1"), 0)
    world.told.pod_updated(pod, make_pod("a", node="node-1"), 1)
    assert "ns/a" not in world.queue
    assert "ns/a" in world.cache.nodes()[0].pods


def test_pods_of_others_finished_and_dying_ones_do_not_wait():
    world = World()
    dying, finished = make_pod("dying"), make_pod("finished")
    dying["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    finished["status"]["phase"] = "Succeeded"
    for pod in (
        make_pod("other", schedulerName="mine"),
        dying,
        finished,
    ):
        world.told.pod_added(pod, 0)
    assert len(world.queue) == 0


def test_a_finished_pod_frees_its_room_and_wakes():
    world = World()
    world.park(ClusterEvent.POD_GONE)
    running = make_pod("a", node="node-1", cpu="1")
    world.told.pod_added(running, 0)
    done = copy.deepcopy(running)
    done["status"]["phase"] = "Failed"
    world.told.pod_updated(running, done, 2)
    assert world.is_woken()


def test_an_assumed_pod_does_not_wait_again():
    world = World()
    world.cache.assume(PodInfo.from_object(make_pod("a")), "node-1")
    world.told.pod_added(make_pod("a"), 0)
    assert "ns/a" not in world.queue


def test_each_change_of_a_node_is_its_own_event():
    for changed, event in (
        (make_node(cpu="8"), ClusterEvent.NODE_ALLOCATABLE),
        (make_node(labels={"a": "b"}), ClusterEvent.NODE_LABELS),
        (make_node(unschedulable=True), ClusterEvent.NODE_TAINTS),
        (make_node(taints=[{"key": "k", "effect": "NoExecute"}]), ClusterEvent.NODE_TAINTS),
    ):
        world = World()
        world.told.node_added(make_node(), 0)
        world.park(event)
        world.told.node_updated(make_node(), make_node(), 2)
        assert not world.is_woken()
        world.told.node_updated(make_node(), changed, 2)
        assert world.is_woken(), event


def test_a_new_node_wakes_and_a_lost_one_takes_no_pods():
    world = World()
    world.park(ClusterEvent.NODE_ADDED)
    world.told.node_added(make_node("node-1"), 2)
    assert world.is_woken()
    world.told.node_deleted(make_node("node-1"), 3)
    assert world.cache.nodes() == []


def test_a_pod_whose_own_wishes_change_is_looked_at_again():
    world = World()
    world.park()
    same_but_status = make_pod("parked")
    same_but_status["status"]["conditions"] = []
    world.told.pod_updated(make_pod("parked"), same_but_status, 2)
    assert not world.is_woken()
    world.told.pod_updated(make_pod("parked"), make_pod("parked", cpu="1"), 2)
    assert world.is_woken()


def test_a_placed_pod_with_a_selector_that_makes_no_sense_still_takes_room():
    world = World()
    world.told.node_added(make_node("node-1"), 0)
    expression = {"key": "a", "operator": "Near", "values": ["b"]}
    term = {"nodeSelectorTerms": [{"matchExpressions": [expression]}]}
    affinity = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": term}}
    world.told.pod_added(make_pod("a", node="node-1", cpu="1", affinity=affinity), 0)
    assert world.cache.nodes()[0].requested == {"cpu": 1000}


def test_status_reports_of_placed_pods_wake_nobody_and_a_new_placement_does():
    world = World()
    world.park(ClusterEvent.POD_PLACED)
    waiting, placed = make_pod("a"), make_pod("a", node="node-1")
    world.told.pod_updated(placed, make_pod("a", node="node-1"), 2)
    assert not world.is_woken()
    world.told.pod_updated(waiting, placed, 2)
    assert world.is_woken()


def test_a_dying_pod_no_longer_counts_for_spreading_but_keeps_its_room():
    world = World()
    world.told.node_added(make_node("node-1"), 0)
    running = make_pod("a", node="node-1", owner="rs", cpu="1")
    dying = copy.deepcopy(running)
    dying["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    world.told.pod_added(running, 0)
    node = world.cache.nodes()[0]
    everybody = PodGroup("ns", EVERYTHING)
    assert node.count_alike(everybody) == 1
    world.told.pod_updated(running, dying, 1)
    assert (node.count_alike(everybody), node.requested["cpu"]) == (0, 1000)


def test_a_gated_pod_is_looked_at_when_its_gates_are_gone():
    world = World()
    gated, free = make_pod("a", schedulingGates=[{"name": "wait"}]), make_pod("a")
    world.told.pod_added(gated, 0)
    assert world.queue.place_of("ns/a") is Place.GATED
    world.told.pod_updated(gated, free, 1)
    assert world.queue.pop(1).key == "ns/a"


def test_pods_of_every_profile_wait():
    world = World()
    world.told.pod_added(make_pod("a", schedulerName="second"), 0)
    assert "ns/a" in world.queue


def test_less_asked_for_and_other_labels_of_placed_pods_are_events():
    for changed, event in (
        (make_pod("a", node="n", cpu="1"), ClusterEvent.POD_SCALED_DOWN),
        (make_pod("a", node="n", cpu="2", labels={"x": "y"}), ClusterEvent.POD_LABELS),
    ):
        world = World()
        before = make_pod("a", node="n", cpu="2")
        world.told.pod_added(before, 0)
        world.park(event)
        world.told.pod_updated(before, changed, 2)
        assert world.is_woken(), event


def nominated(node):
    pod = make_pod("a")
    if node:
        pod["status"]["nominatedNodeName"] = node
    return pod


def test_a_promise_is_kept_until_the_server_takes_it_back():
    world = World()
    world.told.pod_added(nominated(""), 0)
    world.nominator.nominate(PodInfo.read(make_pod("a")), "n")
    world.told.pod_updated(nominated(""), make_pod("a", labels={"x": "y"}), 1)
    assert world.nominator.place_of("ns/a") == "n"  # The server has not heard of it yet.
    world.told.pod_updated(nominated(""), nominated("m"), 2)
    assert world.nominator.place_of("ns/a") == "m"
    world.told.pod_updated(nominated("m"), nominated(""), 3)
    assert world.nominator.place_of("ns/a") == ""
    world.nominator.nominate(PodInfo.read(make_pod("a")), "n")
    world.park(ClusterEvent.POD_GONE)
    world.told.pod_deleted(nominated("n"), 4)
    assert world.nominator.place_of("ns/a") == ""
    assert world.is_woken()


def test_a_node_that_goes_is_an_event():
    world = World()
    world.told.node_added(make_node("n"), 0)
    world.park(ClusterEvent.NODE_GONE)
    world.told.node_deleted(make_node("n"), 1)
    assert world.is_woken()


def test_room_that_was_promised_to_a_pod_that_went_elsewhere_is_free():
    world = World()
    pod = make_pod("first")
    world.told.pod_added(pod, 0)
    world.told.promise(PodInfo.read(pod), "n", 0)
    world.park(ClusterEvent.POD_GONE)
    world.told.pod_updated(pod, make_pod("first", node="n"), 1)
    assert not world.is_woken()  # It took what it was promised.
    pod = make_pod("second")
    world.told.pod_added(pod, 1)
    world.told.promise(PodInfo.read(pod), "n", 1)
    world.told.pod_updated(pod, make_pod("second", node="other"), 2)
    assert world.is_woken()


def test_what_is_told_about_a_waiting_pod_is_known_at_its_next_attempt():
    world = World()
    world.park(ClusterEvent.NODE_ADDED)
    told = make_pod("parked")
    told["status"] = {"phase": "Pending", "nominatedNodeName": "n"}
    world.told.pod_updated(make_pod("parked"), told, 1)
    assert not world.is_woken()
    world.queue.wake("ns/parked", 2)
    assert world.queue.pop(60).nominated_node == "n"
