"""What a running cluster's files say after services outside have come and gone."""

from __future__ import annotations

import json

import pytest

from componentbase import rpc
from podwire.cluster import outside, plan
from podwire.cluster.layout import Cluster, Layout
from podwire.launcher.membership import Membership
from podwire.launcher.notes import Notes
from podwire.launcher.supervisor import Supervisor

pytestmark = pytest.mark.asyncio


@pytest.fixture
def members(tmp_path, monkeypatch):
    monkeypatch.setenv("PODWIRE_HOME", str(tmp_path))
    paths, cluster = Layout.of("c"), Cluster(name="c", nodes=2, block=1)
    paths.make_directories()
    paths.write_cluster(cluster)
    return Membership(cluster, paths, Supervisor(plan.processes(cluster)), Notes(paths))


def datapath(node):
    """Return what the node's datapath will be told when it starts."""
    config = json.loads(Layout.of("c").config(f"{node}.datapath").read_bytes())
    return [(row["address"], row["target"]) for row in config["outside_services"]]


async def test_the_cluster_and_every_nodes_datapath_are_told_of_services_outside(members):
    wanted = [outside.parse("db=127.0.0.1:5432")]
    (made,) = await members.change_outside(lambda known: outside.added(known, wanted))
    assert made.number == 1
    assert Layout.of("c").read_cluster().outside == (made,)
    for node in ("node-1", "node-2"):
        assert datapath(node) == [("203.0.113.1", "127.0.0.1:5432")]
    assert await members.change_outside(lambda _known: ()) == ()
    assert datapath("node-2") == []


async def test_what_cannot_be_mapped_changes_nothing(members):
    def refuse(_known):
        raise outside.OutsideError("no address is left")

    with pytest.raises(rpc.RpcError, match="no address is left") as refused:
        await members.change_outside(refuse)
    assert refused.value.code == "FailedPrecondition"
    assert members.cluster.outside == ()
