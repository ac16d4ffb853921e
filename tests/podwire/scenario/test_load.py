"""Where the load of a scenario goes."""

from __future__ import annotations

import socket

import pytest

from nodeagent.datapath.privileged_ports import listened_for_at
from podwire.cluster.layout import Cluster, UsageError
from podwire.scenario.load import Load, resolved
from podwire.scenario.model import LoadEntry

CLUSTER = Cluster(name="test", nodes=3, block=7, uid="u")


#: How a URL names the port that a load balancer's 80 has on this machine, for who runs this.
HTTP = "" if listened_for_at(80) == 80 else f":{listened_for_at(80)}"


@pytest.mark.parametrize(
    ("url", "at"),
    [
        ("http://node-2:30080/x?y=1", "http://127.0.7.2:30080/x?y=1"),
        ("http://192.168.65.88/hostname", f"http://127.0.70.88{HTTP}/hostname"),
        ("http://192.168.65.88:8080/", "http://127.0.70.88:8080/"),
        ("http://127.0.0.1:8080/", "http://127.0.0.1:8080/"),
        ("http://192.168.66.1/", "http://192.168.66.1/"),
        ("http://localhost:1/", "http://localhost:1/"),
    ],
)
def test_names_and_addresses_of_the_cluster_become_this_machines(url, at):
    assert resolved(url, CLUSTER) == at


def test_a_node_that_is_not_there_is_refused():
    with pytest.raises(UsageError, match="node-9"):
        resolved("http://node-9:30080/", CLUSTER)


@pytest.mark.asyncio
async def test_a_load_begins_when_somebody_listens(tmp_path):
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{server.getsockname()[1]}/"
        load = Load([LoadEntry(url=url)], 1, CLUSTER, tmp_path)
        assert await load.unheard() == url
        server.listen()
        assert await load.unheard() == ""
