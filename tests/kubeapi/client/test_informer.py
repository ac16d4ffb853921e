from contextlib import asynccontextmanager

import pytest
from small_api_server import eventually, path, pod, serving

from componentbase.tasks import Tasks
from kubeapi.client import Informer, InformerFactory
from kubeapi.client.metrics import HANDLER_FAILURES
from kubeapi.resources import PODS


class Told:
    """What a handler was told, in order."""

    def __init__(self, informer):
        self.events = []
        informer.add_handler(
            on_add=lambda obj: self._note("add", obj),
            on_update=lambda _old, new: self._note("update", new),
            on_delete=lambda obj: self._note("delete", obj),
        )

    def _note(self, what, obj):
        self.events.append((what, obj["metadata"]["name"]))


@asynccontextmanager
async def following(client, **kwargs):
    informer = Informer(client, PODS, **kwargs)
    told = Told(informer)
    tasks = Tasks()
    tasks.spawn(informer.run(), name="informer")
    try:
        yield informer, told.events
    finally:
        await tasks.close()


@pytest.mark.asyncio
async def test_it_lists_then_follows():
    async with serving() as (server, client):
        server.put(path("a"), pod("a"))
        async with following(client) as (informer, events):
            await informer.wait_synced()
            assert informer.get("default/a")["kind"] == "Pod"
            server.put(path("b"), pod("b"))
            server.put(path("b"), {**server.objects[path("b")], "spec": {}})
            server.remove(path("a"))
            await eventually(lambda: len(events) == 4)
            assert events == [("add", "a"), ("add", "b"), ("update", "b"), ("delete", "a")]
            assert [obj["metadata"]["name"] for obj in informer.items()] == ["b"]


@pytest.mark.asyncio
async def test_a_handler_that_fails_is_told_of_once_and_the_others_hear_everything(caplog):
    counted = HANDLER_FAILURES.values.get(("pods",), 0)
    async with serving() as (server, client):
        informer = Informer(client, PODS)
        informer.add_handler(on_add=lambda obj: obj["no such field"])
        informer.add_handler(on_delete=lambda obj: 1 / 0)
        told = Told(informer)
        tasks = Tasks()
        tasks.spawn(informer.run(), name="informer")
        await informer.wait_synced()
        for name in "abc":
            server.put(path(name), pod(name))
        server.remove(path("a"))
        await eventually(lambda: len(told.events) == 4)
        await tasks.close()
    assert told.events == [("add", "a"), ("add", "b"), ("add", "c"), ("delete", "a")]
    assert HANDLER_FAILURES.values["pods",] - counted == 4
    failures = [record.exc_info[0] for record in caplog.records if record.exc_info]
    assert failures == [KeyError, ZeroDivisionError]


@pytest.mark.asyncio
async def test_an_ended_watch_resumes_without_listing():
    async with serving() as (server, client):
        async with following(client) as (informer, events):
            await informer.wait_synced()
            await eventually(lambda: len(server.requests) == 2)
            server.bookmark()
            server.end_watches()
            server.put(path("a"), pod("a"))
            await eventually(lambda: events == [("add", "a")])
        lists = [query for _, query, _ in server.requests if "watch" not in query]
        assert len(lists) == 1


@pytest.mark.asyncio
async def test_a_version_that_is_gone_is_listed_anew_and_the_difference_told():
    async with serving() as (server, client):
        server.put(path("a"), pod("a"))
        server.put(path("b"), pod("b"))
        async with following(client) as (informer, events):
            await informer.wait_synced()
            await eventually(lambda: len(server.requests) == 2)
            server.oldest = 1000
            del server.objects[path("a")]  # Unseen: no event is left of it.
            server.end_watches()
            await eventually(lambda: ("delete", "a") in events)
            assert informer.get("default/b") is not None
            assert ("delete", "b") not in events


@pytest.mark.asyncio
async def test_a_new_object_under_an_old_name_is_a_deletion_and_an_addition():
    async with serving() as (server, client):
        server.put(path("a"), {**pod("a"), "metadata": {**pod("a")["metadata"], "uid": "1"}})
        async with following(client) as (informer, events):
            await informer.wait_synced()
            server.put(path("a"), {**pod("a"), "metadata": {**pod("a")["metadata"], "uid": "2"}})
            await eventually(lambda: len(events) == 3)
            assert events == [("add", "a"), ("delete", "a"), ("add", "a")]


@pytest.mark.asyncio
async def test_it_outlives_the_server():
    async with serving() as (server, client), following(client) as (informer, events):
        await informer.wait_synced()
        port = int(server.url.rsplit(":", 1)[1])
        await server.stop()
        server.put(path("a"), pod("a"))
        await server.start(port)
        await eventually(lambda: events == [("add", "a")])


@pytest.mark.asyncio
async def test_a_late_handler_is_told_of_what_is_there():
    async with serving() as (server, client):
        server.put(path("a"), pod("a"))
        async with following(client) as (informer, _):
            await informer.wait_synced()
            assert Told(informer).events == [("add", "a")]


@pytest.mark.asyncio
async def test_indices_follow_changes():
    by_app = {"app": lambda obj: [obj["metadata"].get("labels", {}).get("app", "")]}
    async with serving() as (server, client):
        server.put(path("a"), pod("a", app="web"))
        async with following(client, indexers=by_app) as (informer, events):
            await informer.wait_synced()
            assert len(informer.by_index("app", "web")) == 1
            moved = {**server.objects[path("a")]}
            moved["metadata"] = {**moved["metadata"], "labels": {"app": "db"}}
            server.put(path("a"), moved)
            await eventually(lambda: len(events) == 2)
            assert informer.by_index("app", "web") == []
            assert len(informer.by_index("app", "db")) == 1


@pytest.mark.asyncio
async def test_the_factory_shares_one_informer_and_one_watch():
    async with serving() as (server, client):
        factory = InformerFactory(client)
        informer = factory.informer(PODS)
        assert factory.informer(PODS, indexers={"all": lambda _obj: ["x"]}) is informer
        assert factory.informer(PODS, namespace="other") is not informer
        tasks = Tasks()
        server.put(path("a"), pod("a"))
        factory.start(tasks)
        factory.start(tasks)
        await factory.wait_synced()
        assert len(tasks) == 2
        assert len(informer.by_index("all", "x")) == 1
        await tasks.close()


@pytest.mark.asyncio
async def test_what_is_kept_is_what_the_transform_makes():
    def slim(obj):
        return {"metadata": obj["metadata"]}

    async with serving() as (server, client):
        server.put(path("a"), {**pod("a"), "spec": {"nodeName": "n"}})
        async with following(client, transform=slim) as (informer, events):
            await informer.wait_synced()
            assert set(informer.get("default/a")) == {"metadata"}
            server.put(path("a"), {**server.objects[path("a")], "spec": {"nodeName": "m"}})
            server.remove(path("a"))
            await eventually(lambda: len(events) == 3)
            assert events == [("add", "a"), ("update", "a"), ("delete", "a")]
