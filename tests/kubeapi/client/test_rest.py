import pytest
from small_api_server import MSGPACK, eventually, path, pod, serving

from kubeapi.client import ClientConfig, PatchType, RestClient, Unreachable, rest
from kubeapi.resources import NODES, PODS
from kubeapi.status import StatusError


@pytest.mark.asyncio
@pytest.mark.parametrize("speaks_msgpack", [True, False])
async def test_verbs_reach_the_server_and_come_back(speaks_msgpack):
    async with serving(speaks_msgpack=speaks_msgpack) as (server, client):
        created = await client.create(PODS, pod("a", app="web"))
        assert created["metadata"]["resourceVersion"] == "11"
        assert (await client.get(PODS, "a", "default"))["metadata"]["name"] == "a"
        assert len((await client.list(PODS))["items"]) == 1
        updated = await client.update(PODS, {**created, "spec": {"x": 1}})
        assert updated["spec"] == {"x": 1}
        patched = await client.patch(PODS, "a", {"spec": {"y": 2}}, "default")
        assert patched["spec"] == {"y": 2}
        await client.delete(PODS, "a", "default", propagation="Background", uid="u")
        assert path("a") not in server.objects


@pytest.mark.asyncio
async def test_bodies_become_msgpack_once_the_server_has_answered_in_it():
    async with serving() as (server, client):
        await client.create(PODS, pod("a"))
        await client.create(PODS, pod("b"))
        await client.patch(PODS, "b", {"spec": {}}, "default", kind=PatchType.STRATEGIC)
        types = [kind for _, _, kind in server.requests]
        assert types == ["application/json", MSGPACK, PatchType.STRATEGIC.value]


@pytest.mark.asyncio
async def test_a_refusal_is_a_status_error_with_its_reason():
    async with serving() as (_, client):
        with pytest.raises(StatusError) as caught:
            await client.get(PODS, "missing", "default")
        assert (caught.value.code, caught.value.reason) == (404, "NotFound")


@pytest.mark.asyncio
async def test_a_refusal_that_is_no_status_keeps_code_and_text():
    async with serving() as (server, client):
        server.broken = True
        with pytest.raises(StatusError) as caught:
            await client.get(NODES, "a")
        assert (caught.value.code, caught.value.message) == (503, "broken")


@pytest.mark.asyncio
async def test_nobody_there_is_unreachable():
    async with serving() as (server, client):
        await server.stop()
        with pytest.raises(Unreachable):
            await client.get(PODS, "a", "default")


@pytest.mark.asyncio
async def test_a_call_that_gets_no_answer_is_given_up(unused_silent_port):
    client = RestClient(
        ClientConfig(server=f"http://127.0.0.1:{unused_silent_port}"), user_agent="test"
    )
    with pytest.raises(Unreachable):
        await client.raw("GET", "/healthz", timeout_s=0.05)
    await client.close()


@pytest.mark.asyncio
async def test_a_watch_that_outlives_its_end_is_given_up(unused_silent_port, monkeypatch):
    monkeypatch.setattr(rest, "WATCH_GRACE_S", -0.95)
    client = RestClient(
        ClientConfig(server=f"http://127.0.0.1:{unused_silent_port}"), user_agent="test"
    )
    with pytest.raises(Unreachable, match="watch pods"):
        await anext(client.watch(PODS, resource_version="10", timeout_s=1))
    await client.close()


@pytest.fixture
def unused_silent_port():
    """A port where somebody listens and never says a word."""
    import socket

    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(1)
        yield listening.getsockname()[1]


@pytest.mark.asyncio
@pytest.mark.parametrize("speaks_msgpack", [True, False])
async def test_watch_yields_what_changes_until_the_server_ends_it(speaks_msgpack):
    async with serving(speaks_msgpack=speaks_msgpack) as (server, client):
        server.put(path("a"), pod("a"))
        seen = []
        async for event in client.watch(PODS, resource_version="10"):
            seen.append((event.type, event.object["metadata"]["name"]))
            if len(seen) == 1:
                server.remove(path("a"))
            else:
                server.end_watches()
        assert seen == [("ADDED", "a"), ("DELETED", "a")]


@pytest.mark.asyncio
async def test_watch_from_a_version_that_is_gone_says_so():
    async with serving() as (server, client):
        server.oldest = 50
        with pytest.raises(StatusError) as caught:
            async for _ in client.watch(PODS, resource_version="10"):
                pass
        assert caught.value.code == 410


@pytest.mark.asyncio
async def test_closed_client_holds_no_connection():
    async with serving() as (server, client):
        await client.list(PODS)
        await client.close()
        await eventually(lambda: server.requests)
        assert len((await client.list(PODS))["items"]) == 0  # It opens again when asked.


@pytest.mark.asyncio
async def test_selectors_and_paging_are_asked_for():
    async with serving() as (server, client):
        await client.list(
            PODS,
            "default",
            label_selector="a in (b,c)",
            field_selector="spec.nodeName=n",
            limit=5,
            continue_="t",
        )
        await client.raw("GET", "/api/v1/pods", query={"a": "b c"})
        queries = [query.partition("?")[2] for _, query, _ in server.requests]
        assert queries == [
            "labelSelector=a+in+%28b%2Cc%29&fieldSelector=spec.nodeName%3Dn&limit=5&continue=t",
            "a=b+c",
        ]


@pytest.mark.asyncio
async def test_a_server_that_does_not_speak_our_msgpack_is_spoken_to_in_json():
    async with serving() as (server, client):
        await client.create(PODS, pod("a"))
        server.speaks_msgpack = False
        await client.list(PODS)
        await client.create(PODS, pod("b"))
        assert [kind for method, _, kind in server.requests if method == "POST"] == [
            "application/json",
            "application/json",
        ]
