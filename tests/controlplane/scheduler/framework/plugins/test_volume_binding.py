"""Where a pod's claims let it run (upstream: volume_binding_test.go and binder_test.go)."""

from __future__ import annotations

import pytest
from cluster_facts import Listers, World, node_info, pod_info, reasons
from storage_facts import WAITS, bound, claim, storage_class, volume

from controlplane.scheduler.framework.arguments import VolumeBindingArgs
from controlplane.scheduler.framework.cycle_state import CycleState
from controlplane.scheduler.framework.interface import SKIP
from controlplane.scheduler.framework.plugins.volume_binding import VolumeBinding
from controlplane.scheduler.schedule_one import Fits
from controlplane.volume.claims import with_annotations

A = node_info("a", labels={"kubernetes.io/hostname": "a", "zone": "z"})
B = node_info("b", labels={"kubernetes.io/hostname": "b"})
DELAYED = storage_class(mode=WAITS)
BY_HAND = storage_class(mode=WAITS, provisioner="kubernetes.io/no-provisioner")
NODE_CONFLICT = "node(s) had volume node affinity conflict"
BIND_CONFLICT = "node(s) didn't find available persistent volumes to bind"


def using(*names, name="pod", ephemeral=False):
    if ephemeral:
        volumes = [{"name": each, "ephemeral": {}} for each in names]
    else:
        volumes = [{"name": each, "persistentVolumeClaim": {"claimName": each}} for each in names]
    return pod_info(name, volumes=volumes)


class Writer:
    """Notes what is to be written; whose look is asked says how it ends."""

    def __init__(self):
        self.written = []

    async def write(self, chosen, node_name):
        self.written.append((chosen, node_name))
        return [claim for _volume, claim in chosen.bindings] + [
            with_annotations(claim, {"volume.kubernetes.io/selected-node": node_name})
            for claim in chosen.provisions
        ]

    async def until(self, settled, timeout_s):
        answer = settled()
        return f"nothing within {timeout_s} s" if answer is None else answer


def plugin(claims=(), volumes=(), classes=(DELAYED,), writer=None):
    listers = Listers(claims=claims, volumes=volumes, classes=classes)
    return VolumeBinding(VolumeBindingArgs(), listers, writer or Writer())


def on_a_and_b(pod, **facts):
    return [reasons(plugin(**facts), pod, node, [A, B]) for node in (A, B)]


def test_a_pod_without_claims_is_nothing_of_its():
    pod = pod_info(volumes=[{"name": "v", "emptyDir": {}}])
    assert plugin().pre_filter(CycleState(), pod, [A]) is SKIP


ITS, MINE = bound(claim(), volume(on="a"))


@pytest.mark.parametrize(
    ("facts", "why"),
    [
        ({}, 'persistentvolumeclaim "c" not found'),
        (
            {"claims": [claim(phase="Lost", volumeName="v")]},
            'persistentvolumeclaim "c" bound to non-existent persistentvolume "v"',
        ),
        (
            {"claims": [claim()], "classes": [storage_class()]},
            "pod has unbound immediate PersistentVolumeClaims",
        ),
        (
            {"claims": [claim(volumeName="v")]},
            "pod has unbound immediate PersistentVolumeClaims",
        ),
    ],
    ids=["none", "lost", "immediate", "half-bound"],
)
def test_claims_that_can_be_of_no_use_refuse_the_pod(facts, why):
    assert on_a_and_b(using("c"), **facts) == [(why,), (why,)]


def test_a_claim_that_goes_is_of_no_use():
    going = claim()
    going["metadata"]["deletionTimestamp"] = "now"
    why = ('persistentvolumeclaim "c" is being deleted',)
    assert on_a_and_b(using("c"), claims=[going]) == [why, why]


def test_an_ephemeral_claim_is_waited_for_and_must_be_the_pods():
    pod = using("v", ephemeral=True)
    text = "waiting for ephemeral volume controller to create the persistentvolumeclaim"
    assert reasons(plugin(), pod, A) == (f'{text} "pod-v"',)
    (why,) = reasons(plugin(claims=[claim("pod-v")]), pod, A)
    assert "pod is not owner" in why
    mine = claim("pod-v")
    mine["metadata"]["ownerReferences"] = [{"controller": True, "uid": "uid-pod"}]
    assert reasons(plugin(claims=[mine]), pod, A) == ()


def test_a_bound_volume_says_where():
    facts = {"claims": [ITS], "volumes": [MINE]}
    assert on_a_and_b(using("c"), **facts) == [(), (NODE_CONFLICT,)]
    (why,) = reasons(plugin(claims=[ITS]), using("c"), A)
    assert why.endswith("bound to non-existent pv(s)")


def test_a_free_volume_that_can_be_reached_will_do():
    facts = {"claims": [claim()], "volumes": [volume(on="a")], "classes": [BY_HAND]}
    assert on_a_and_b(using("c"), **facts) == [(), (BIND_CONFLICT,)]


def test_two_claims_need_two_volumes():
    one = {"claims": [claim("c"), claim("d")], "volumes": [volume(on="a")], "classes": [BY_HAND]}
    assert on_a_and_b(using("c", "d"), **one) == [(BIND_CONFLICT,), (BIND_CONFLICT,)]
    two = {**one, "volumes": [volume(on="a"), volume("w", on="a")]}
    assert on_a_and_b(using("c", "d"), **two) == [(), (BIND_CONFLICT,)]


def test_a_provisioner_can_make_one_anywhere_its_class_allows():
    assert on_a_and_b(using("c"), claims=[claim()]) == [(), ()]
    rows = [{"key": "zone", "values": ["z"]}]
    there = {**DELAYED, "allowedTopologies": [{"matchLabelExpressions": rows}]}
    assert on_a_and_b(using("c"), claims=[claim()], classes=[there]) == [(), (BIND_CONFLICT,)]


def test_a_claim_for_which_a_node_was_chosen_stays_there():
    chosen = claim(annotations={"volume.kubernetes.io/selected-node": "a"})
    assert on_a_and_b(using("c"), claims=[chosen]) == [(), (BIND_CONFLICT,)]


def test_what_is_reserved_is_not_given_to_another_pod():
    facts = {"claims": [claim("c"), claim("d")], "volumes": [volume(on="a")], "classes": [BY_HAND]}
    one = plugin(**facts)
    state, pod = CycleState(), using("c")
    assert one.pre_filter(state, pod, [A]) is None
    assert one.filter(state, pod, A) is None
    one.reserve(state, pod, "a")
    assert state.slow_pre_bind
    assert reasons(one, using("d", name="other"), A) == (BIND_CONFLICT,)
    one.unreserve(state, pod, "a")
    assert reasons(one, using("d", name="other"), A) == ()


def test_two_pods_of_one_claim_go_to_one_node():
    one = plugin(claims=[claim()])
    state, pod = CycleState(), using("c")
    one.pre_filter(state, pod, [A, B])
    one.filter(state, pod, A)
    one.reserve(state, pod, "a")
    assert reasons(one, using("c", name="other"), B) == (BIND_CONFLICT,)
    assert reasons(one, using("c", name="other"), A) == ()


async def bind(one, pod, node):
    state = CycleState()
    one.pre_filter(state, pod, [node])
    one.filter(state, pod, node)
    one.reserve(state, pod, node.name)
    return await one.pre_bind(state, pod, node.name)


@pytest.mark.asyncio
async def test_pre_bind_writes_the_choice_and_waits_for_the_binder():
    writer, wanted = Writer(), claim()
    listers = Listers(claims=[wanted], volumes=[volume(on="a")], classes=[BY_HAND])
    one = VolumeBinding(VolumeBindingArgs(bindTimeoutSeconds=7), listers, writer)
    refused = await bind(one, using("c"), A)
    assert refused.reasons == ("nothing within 7 s",)
    ((chosen, node_name),) = writer.written
    assert node_name == "a"
    assert [(v["metadata"]["name"], c) for v, c in chosen.bindings] == [("v", wanted)]
    assert chosen.provisions == []


@pytest.mark.asyncio
async def test_pre_bind_ends_when_all_is_bound_or_will_not_be():
    pod, its = using("c"), claim()
    listers = Listers(claims=[its], classes=[DELAYED])
    one = VolumeBinding(VolumeBindingArgs(), listers, Writer())
    # The provisioner took the node's name away again: another node is to be tried.
    assert (await bind(one, pod, A)).reasons == ('provisioning failed for PVC "c"',)

    class Bound(Writer):
        async def until(self, settled, timeout_s):
            listers._claims["c"] = bound(its, volume(on="a"))[0]
            return settled()

    one = VolumeBinding(VolumeBindingArgs(), listers, Bound())
    assert await bind(one, pod, A) is None
    listers._claims["c"] = its

    class Gone(Writer):
        async def until(self, settled, timeout_s):
            listers._claims.clear()
            return settled()

    one = VolumeBinding(VolumeBindingArgs(), listers, Gone())
    assert (await bind(one, pod, A)).reasons == ('persistentvolumeclaim "c" not found',)


@pytest.mark.asyncio
async def test_a_pod_whose_claims_are_bound_waits_for_nothing():
    writer = Writer()
    assert await bind(plugin([ITS], [MINE], writer=writer), using("c"), A) is None
    assert writer.written == []


def test_the_default_profile_has_it():
    world = World([A, B], listers=Listers(claims=[ITS], volumes=[MINE]))
    found = world.schedule(using("c"))
    assert isinstance(found, Fits)
    assert found.node_name == "a"
