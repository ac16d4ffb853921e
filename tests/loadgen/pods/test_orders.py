from __future__ import annotations

import msgspec
import pytest

from loadgen.plan import LoadPlan, PlanError
from loadgen.pods.orders import (
    EXPIRES_ANNOTATION,
    OWNER_ANNOTATION,
    WORKERS_MAX,
    Order,
    Owner,
    came_up_late,
    is_leftover,
    node_of,
    pod,
    schedulable,
    service_hint,
    shares,
    stagger_s,
    waiting_for,
)
from loadgen.stages import Arrival, Stage

OWNER = Owner("laptop", 4321, 1_795_000_000)


def load_plan(**fields) -> LoadPlan:
    return LoadPlan(**{"url": "http://10.96.0.5/", "rate": 300.0, "duration_s": 10.0, **fields})


def test_the_shares_add_up_to_the_plan():
    plan = load_plan(connections=10, queue=100, seed=7)
    found = shares(plan, 3)
    assert sum(share.rate for share in found) == pytest.approx(300)
    assert [share.connections for share in found] == [4, 4, 4]
    assert [share.seed for share in found] == [7, 8, 9]
    assert {share.total_s for share in found} == {10.0}


def test_ramps_and_stages_are_shared_too():
    ramp = load_plan(arrival=Arrival.RAMP, rate=100, rate_end=500)
    assert [(each.rate, each.rate_end) for each in shares(ramp, 2)] == [(50, 250)] * 2
    stages = (Stage(5.0, 100.0, 100.0, Arrival.CONSTANT), Stage(5.0, 100.0, 0.0, Arrival.RAMP))
    [one, _] = shares(load_plan(stages=stages), 2)
    assert [(stage.rate, stage.rate_end) for stage in one.stages] == [(50, 50), (50, 0)]


@pytest.mark.parametrize(
    ("fields", "workers", "words"),
    [
        ({}, 0, "workers must be"),
        ({}, WORKERS_MAX + 1, "workers must be"),
        ({"duration_s": 3601.0}, 1, "at most 3600 s"),
        ({"url": "http://127.0.1.1:30080/"}, 1, "is this machine"),
    ],
)
def test_what_pods_cannot_do_is_refused(fields, workers, words):
    with pytest.raises(PlanError, match=words):
        shares(load_plan(**fields), workers)


def test_constant_arrivals_of_all_workers_interleave():
    plan = load_plan(rate=300)
    assert [stagger_s(plan, index, 3) for index in range(3)] == pytest.approx([0, 1 / 300, 2 / 300])
    slow = load_plan(rate=0.5)
    assert max(stagger_s(slow, index, 64) for index in range(64)) < 0.9


def test_a_worker_finds_its_order_in_its_argument():
    plan = load_plan(headers={"X-Cost": "$(HOME) $5"}, body=b"\x00\xff")
    order = Order(worker=2, start_at=1_795_000_100.5, plan=plan)
    made = pod(order, "c0ffee", OWNER, node="node-3")
    [container] = made["spec"]["containers"]
    [argument] = container["args"]
    assert "$(" not in argument.replace("$$", "")  # Nothing for the kubelet to expand.
    assert msgspec.json.decode(argument.replace("$$", "$"), type=Order) == order
    assert (made["metadata"]["name"], node_of(made)) == ("loadgen-c0ffee-2", "node-3")


def test_a_pod_is_left_over_when_nobody_can_want_it():
    order = Order(worker=1, start_at=1000.0, plan=load_plan())
    made = pod(order, "c0ffee", OWNER, node="node-1")
    living = {OWNER.pid: OWNER.started}
    assert not is_leftover(made, "laptop", living, 1000.0)
    assert is_leftover(made, "laptop", {}, 1000.0)
    assert is_leftover(made, "laptop", {OWNER.pid: OWNER.started + 1}, 1000.0)  # Another by now.
    assert not is_leftover(made, "elsewhere", {}, 1000.0)
    assert is_leftover(made, "elsewhere", {}, 1000.0 + 10 + 2 * 5 + 61)


@pytest.mark.parametrize("owner", ["", "laptop", "laptop/1", "laptop/x/1", "/1/1"])
def test_a_pod_whose_owner_nobody_can_read_is_left_over(owner):
    annotations = {OWNER_ANNOTATION: owner, EXPIRES_ANNOTATION: "99999999999"}
    assert is_leftover({"metadata": {"annotations": annotations}}, "laptop", {}, 0.0)


def node(name, *, ready="True", unschedulable=False, taints=()):
    return {
        "metadata": {"name": name},
        "spec": {"unschedulable": unschedulable, "taints": list(taints)},
        "status": {"conditions": [{"type": "Ready", "status": ready}]},
    }


def test_workers_go_to_nodes_that_take_them():
    unreachable = {"key": "node.kubernetes.io/unreachable", "effect": "NoExecute"}
    nodes = [
        node("node-3"),
        node("node-1"),
        node("node-2", ready="Unknown"),
        node("node-4", unschedulable=True),
        node("node-5", taints=[unreachable]),
        node("node-6", taints=[{"key": "x", "effect": "PreferNoSchedule"}]),
    ]
    assert schedulable(nodes) == ["node-1", "node-3", "node-6"]


def test_a_services_name_is_answered_with_its_address():
    services = [
        {"metadata": {"name": "web", "namespace": "shop"}, "spec": {"clusterIP": "10.96.0.9"}},
        {"metadata": {"name": "peers", "namespace": "default"}, "spec": {"clusterIP": "None"}},
    ]
    assert "10.96.0.9" in service_hint(services, "web.shop.svc.cluster.local")
    assert service_hint(services, "web") == service_hint(services, "peers") == ""


def status(**state):
    return {"status": {"phase": "Pending", "containerStatuses": [{"state": state}]}}


def test_why_a_worker_did_not_start_is_in_its_pods_status():
    pull = {"reason": "ErrImagePull", "message": "No module named 'loadgen'"}
    assert waiting_for(status(waiting=pull)) == "ErrImagePull: No module named 'loadgen'"
    unscheduled = {"type": "PodScheduled", "status": "False", "message": "0/3 nodes are available"}
    found = {"status": {"phase": "Pending", "conditions": [unscheduled]}}
    assert waiting_for(found) == "0/3 nodes are available"
    assert waiting_for(status(waiting={"reason": "ContainerCreating"})) == "its pod is Pending"
    assert came_up_late(status(terminated={"exitCode": 75}))
    assert not came_up_late(status(terminated={"exitCode": 1}))
