"""What to do about one object: upstream's cases, one row each."""

from __future__ import annotations

import pytest

from controlplane.controllermanager.garbagecollector.graph import Node, Owner
from controlplane.controllermanager.garbagecollector.plan import (
    DeleteObject,
    DropFinalizer,
    DropOwners,
    LookAt,
    Orphan,
    OwnerState,
    Unblock,
    drop_finalizer_patch,
    drop_owners_patch,
    plan,
    unblock_patch,
)
from kubeapi.resources import PODS

SOLID, WAITING, ABSENT = OwnerState.SOLID, OwnerState.WAITING, OwnerState.ABSENT


def node(uid="item", *, owner=None, leaving=False, finalizers=(), blocks=True):
    owners = () if owner is None else (Owner(owner, "apps/v1", "ReplicaSet", owner, blocks),)
    return Node(PODS, "ns", uid, uid, owners=owners, leaving=leaving, finalizers=tuple(finalizers))


@pytest.mark.parametrize(
    ("owners", "expected"),
    [
        ({}, None),
        ({"a": SOLID}, None),
        ({"a": ABSENT}, DeleteObject("Background")),
        ({"a": ABSENT, "b": ABSENT}, DeleteObject("Background")),
        ({"a": SOLID, "b": ABSENT}, DropOwners(("b",))),
        ({"a": SOLID, "b": WAITING}, DropOwners(("b",))),
        ({"a": WAITING}, DeleteObject("Background")),
        ({"a": ABSENT, "b": WAITING}, DeleteObject("Background")),
    ],
)
def test_by_owners(owners, expected):
    assert plan(node(), owners, []) == expected


def test_foreground_goes_down_the_chain():
    child = node("child", owner="item")
    assert plan(node(), {"a": WAITING}, [child]) == DeleteObject("Foreground")
    assert plan(node(), {"a": ABSENT}, [child]) == DeleteObject("Background")


def test_a_circle_is_broken():
    waiting = node("child", owner="item", leaving=True, finalizers=["foregroundDeletion"])
    assert plan(node(), {"a": WAITING}, [waiting]) == Unblock("Foreground")


@pytest.mark.parametrize(
    ("finalizers", "propagation"),
    [([], "Background"), (["orphan"], "Orphan"), (["foregroundDeletion"], "Foreground")],
)
def test_its_own_finalizers_decide_how_it_is_deleted(finalizers, propagation):
    assert plan(node(finalizers=finalizers), {"a": ABSENT}, []) == DeleteObject(propagation)


def test_what_is_leaving_is_left():
    assert plan(node(leaving=True), {}, []) is None


def test_a_waiting_owner_goes_when_nothing_blocks_it():
    owner = node(leaving=True, finalizers=["foregroundDeletion"])
    blocking = node("x", owner="item")
    free = node("y", owner="item", blocks=False)
    assert plan(owner, {}, [blocking, free]) == LookAt(("x",))
    assert plan(owner, {}, [free]) == DropFinalizer("foregroundDeletion")
    assert plan(owner, {}, []) == DropFinalizer("foregroundDeletion")


def test_an_orphaning_owner_first_lets_go():
    owner = node(leaving=True, finalizers=["orphan"])
    child = node("x", owner="item")
    assert plan(owner, {}, [child]) == Orphan((child,))
    assert plan(owner, {}, []) == DropFinalizer("orphan")


def test_patches_name_the_object_that_was_meant():
    assert drop_owners_patch(node(), ["a"]) == {
        "metadata": {"uid": "item", "ownerReferences": [{"$patch": "delete", "uid": "a"}]}
    }
    assert unblock_patch(node(owner="a")) == {
        "metadata": {
            "uid": "item",
            "ownerReferences": [{"uid": "a", "blockOwnerDeletion": False}],
        }
    }
    live = {"metadata": {"resourceVersion": "5", "finalizers": ["keep", "orphan"]}}
    assert drop_finalizer_patch(live, "orphan") == {
        "metadata": {"resourceVersion": "5", "finalizers": ["keep"]}
    }
