"""What those hear who watch the table."""

from __future__ import annotations

import asyncio

import pytest

from nodeagent.datapath.conntrack_events import ConntrackEvents


class Reader:
    def __init__(self):
        self.told, self.backlog_octets = [], 0

    def tell(self, method, params):
        assert method == "conntrack_events"
        self.told.append(params)

    @property
    def heard(self):
        return [(row["event"], row["state"]) for params in self.told for row in params["events"]]


@pytest.mark.asyncio
async def test_a_connection_is_heard_of_from_its_beginning_to_its_end(world):
    a, c = world.pod(1, 5), world.pod(2, 5)
    listener = c.tcp_listen(None, 80)
    events, reader = ConntrackEvents(world.nodes[1].conntrack, lambda: world.now), Reader()
    events.open(reader)
    connection = world.connect(a, "10.244.2.5", 80)
    connection.close(world.now)
    listener.accept().close(world.now)
    world.run(1.0)
    await asyncio.sleep(0)
    assert reader.heard == [
        ("NEW", "SYN_SENT"),
        ("UPDATE", "SYN_RECV"),
        ("UPDATE", "ESTABLISHED"),
        ("UPDATE", "FIN_WAIT"),
        *[("UPDATE", state) for state in ("CLOSE_WAIT", "LAST_ACK", "TIME_WAIT")
          if ("UPDATE", state) in reader.heard],
    ]  # fmt: skip
    assert reader.heard[-1] == ("UPDATE", "TIME_WAIT")
    (row,) = [each for each in reader.told[0]["events"] if each["event"] == "NEW"]
    assert row["original"]["destination_port"] == 80
    assert row["unreplied"]  # As it was then, though it is told later.
    world.run(130.0)
    await asyncio.sleep(0)
    assert reader.heard[-1] == ("DESTROY", "TIME_WAIT")
    assert len(world.nodes[1].conntrack) == 0


@pytest.mark.asyncio
async def test_datagrams_are_new_then_answered_and_deleted(world):
    a = world.pod(1, 5)
    world.pod(2, 5)
    events, reader = ConntrackEvents(world.nodes[1].conntrack, lambda: world.now), Reader()
    assert world.ping(a, "10.244.2.5")
    events.open(reader)
    assert world.ping(a, "10.244.2.5")
    await asyncio.sleep(0)
    assert reader.heard == []  # Known, and answered before.
    assert world.ping(a, "10.244.1.1")
    await asyncio.sleep(0)
    assert reader.heard == [("NEW", ""), ("UPDATE", "")]
    for connection in list(world.nodes[1].conntrack):
        world.nodes[1].conntrack.delete(connection)
    await asyncio.sleep(0)
    assert reader.heard[2:] == [("DESTROY", ""), ("DESTROY", "")]


@pytest.mark.asyncio
async def test_nobody_is_called_when_the_last_reader_has_gone(world):
    a = world.pod(1, 5)
    table = world.nodes[1].conntrack
    events, one, other = ConntrackEvents(table, lambda: world.now), Reader(), Reader()
    events.open(one)
    events.open(other)
    assert world.ping(a, "10.244.1.1")
    await asyncio.sleep(0)
    assert one.heard == other.heard != []
    events.close(one)
    assert all(connection.watch is not None for connection in table)
    events.close(other)
    assert all(connection.watch is None for connection in table)


@pytest.mark.asyncio
async def test_a_slow_reader_is_told_how_many_events_it_lost(world):
    a = world.pod(1, 5)
    events, reader = ConntrackEvents(world.nodes[1].conntrack, lambda: world.now), Reader()
    events.open(reader)
    reader.backlog_octets = 1 << 30
    assert world.ping(a, "10.244.1.1")
    await asyncio.sleep(0)
    assert reader.told == []
    reader.backlog_octets = 0
    for connection in list(world.nodes[1].conntrack):
        world.nodes[1].conntrack.delete(connection)
    await asyncio.sleep(0)
    assert [params["dropped"] for params in reader.told] == [2]
