"""What a Service of type LoadBalancer gets, case by case, and that no address is given twice."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controlplane.controllermanager.servicelb.plan import (
    CLASS,
    FINALIZER,
    Ensure,
    Refuse,
    Release,
    holders,
    plan,
)
from controlplane.controllermanager.servicelb.pool import NUMBERS, Pool

POOL = Pool.of({"192.168.65.0/24": "127.0.64.0/24"})


def service(name="web", number=0, *, finalizer=None, deleted=False, created="1", **spec):
    metadata = {"name": name, "namespace": "d", "uid": name, "creationTimestamp": created}
    if number if finalizer is None else finalizer:
        metadata["finalizers"] = ["example.com/other", FINALIZER]
    if deleted:
        metadata["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    ingress = {"ingress": POOL.ingress(number, ["IPv4"])} if number else {}
    return {
        "metadata": metadata,
        "spec": {"type": "LoadBalancer", "ipFamilies": ["IPv4"], **spec},
        "status": {"loadBalancer": ingress},
    }


OTHERS = [service(f"other-{number}", number) for number in (1, 2, 4)]

CASES = [
    ("a new one gets the first free", service(), Ensure(3)),
    ("one that has its address is left alone", service(number=7), None),
    ("one without its finalizer gets that", service(number=7, finalizer=False), Ensure(7)),
    ("our class is ours", service(loadBalancerClass=CLASS), Ensure(3)),
    ("another class is somebody's", service(loadBalancerClass="example.com/lb"), None),
    (
        "also when it is deleted",
        service(loadBalancerClass="example.com/lb", number=7, deleted=True),
        None,
    ),
    ("an address may be asked for", service(loadBalancerIP="192.168.65.9"), Ensure(9)),
    ("also by the machine's name for it", service(loadBalancerIP="127.0.64.9"), Ensure(9)),
    ("one's own may be asked for", service(number=9, loadBalancerIP="192.168.65.9"), None),
    ("another instead of one's own", service(number=9, loadBalancerIP="192.168.65.8"), Ensure(8)),
    (
        "not one that is taken",
        service(loadBalancerIP="192.168.65.4"),
        Refuse("loadBalancerIP 192.168.65.4 belongs to d/other-4"),
    ),
    (
        "not one of other networks",
        service(loadBalancerIP="10.0.0.1"),
        Refuse("loadBalancerIP 10.0.0.1 is not one of 192.168.65.1 to 192.168.65.127"),
    ),
    ("a deleted one is released", service(number=7, deleted=True), Release()),
    ("a deleted one that never had one goes", service(deleted=True), None),
    ("a deleted one that waited, too", service(finalizer=True, deleted=True), Release()),
    ("another type is released", service(number=7, type="ClusterIP"), Release()),
    ("another type without one is none of ours", service(type="NodePort"), None),
    ("of two that claim one the younger moves", service(number=4, created="2"), Ensure(3)),
    ("the older keeps it", service(number=4, created="0"), None),
    (
        "families follow the Service",
        service(number=7, ipFamilies=["IPv6"]),
        Ensure(7),
    ),
]


@pytest.mark.parametrize(("one", "step"), [case[1:] for case in CASES], ids=[c[0] for c in CASES])
def test_the_next_step_of(one, step):
    assert plan(one, holders([one, *OTHERS], POOL), POOL) == step


def test_an_exhausted_pool_lets_services_wait():
    full = [service(f"s{number}", number) for number in NUMBERS]
    late = service("late")
    step = plan(late, holders([*full, late], POOL), POOL)
    assert step == Refuse("all addresses are in use: 192.168.65.1 to 192.168.65.127")


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from("abcdef"), st.sampled_from(["", "9", "3"]), st.booleans()),
        max_size=40,
    )
)
def test_whatever_comes_and_goes_no_address_is_given_twice(history):
    """Each step is planned from the Services alone, as after a crash."""
    there: dict[str, dict] = {}
    for name, asked, goes in history:
        one = there.pop(name, None) or service(name)
        if not goes:
            one["spec"]["loadBalancerIP"] = f"192.168.65.{asked}" if asked else ""
            there[name] = one
        for each in there.values():
            step = plan(each, holders(there.values(), POOL), POOL)
            if isinstance(step, Ensure):
                each["metadata"]["finalizers"] = [FINALIZER]
                each["status"]["loadBalancer"] = {"ingress": POOL.ingress(step.number, ["IPv4"])}
        given_now = [
            each["status"]["loadBalancer"]["ingress"][0]["ip"]
            for each in there.values()
            if each["status"]["loadBalancer"]
        ]
        assert len(given_now) == len(set(given_now))
