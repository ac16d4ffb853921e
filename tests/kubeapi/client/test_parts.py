"""Informers dealt out, and views that end."""

from __future__ import annotations

import pytest

from kubeapi.client import Informer, Parts, View
from kubeapi.resources import PODS

pytestmark = pytest.mark.asyncio


def pod(name, node, version="1", uid=""):
    metadata = {"name": name, "namespace": "default", "resourceVersion": version}
    return {"metadata": metadata | {"uid": uid or name}, "spec": {"nodeName": node}}


class Told:
    """What an informer has told, as words."""

    def __init__(self, informer):
        self.words = []
        informer.add_handler(
            on_add=lambda obj: self._note("add", obj),
            on_update=lambda _old, new: self._note("update", new),
            on_delete=lambda obj: self._note("delete", obj),
        )

    def _note(self, what, obj):
        self.words.append(f"{what} {obj['metadata']['name']}")


class Source(Informer):
    """An informer that is told by hand."""

    def __init__(self):
        super().__init__(None, PODS)

    hear = Informer._learn
    lose = Informer._forget


async def test_each_part_hears_of_its_own():
    source = Source()
    source.hear(pod("early", "a"))
    parts = Parts(source, lambda obj: obj["spec"]["nodeName"])
    a, b = Told(parts.part("a")), Told(parts.part("b"))
    source.hear(pod("x", "a"))
    source.hear(pod("y", "b"))
    source.hear(pod("x", "a", "2"))
    source.lose("default/y")
    assert a.words == ["add early", "add x", "update x"]
    assert b.words == ["add y", "delete y"]
    assert [obj["metadata"]["name"] for obj in parts.part("a").items()] == ["early", "x"]
    assert parts.part("nobody").items() == []


async def test_what_changes_its_part_leaves_the_old_one():
    source = Source()
    parts = Parts(source, lambda obj: obj["spec"]["nodeName"])
    a, b = Told(parts.part("a")), Told(parts.part("b"))
    source.hear(pod("x", "a"))
    source.hear(pod("x", "b", "2"))
    assert (a.words, b.words) == (["add x", "delete x"], ["add x"])


async def test_a_closed_view_is_silent_and_the_others_go_on():
    source = Source()
    first, second = View(source), View(source)
    told, other = Told(first), Told(second)
    source.hear(pod("x", "a"))
    assert first.get("default/x") == source.get("default/x")
    first.close()
    source.hear(pod("y", "a"))
    assert (told.words, other.words) == (["add x"], ["add x", "add y"])
    assert not first.synced


async def test_a_handler_may_end_itself_while_it_is_told():
    source = Source()
    view = View(source)
    words = []
    view.add_handler(on_add=lambda _obj: (words.append("once"), view.close()))
    told = Told(source)
    source.hear(pod("x", "a"))
    source.hear(pod("y", "a"))
    assert words == ["once"]
    assert told.words == ["add x", "add y"]
