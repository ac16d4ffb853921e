"""The table of faults: who is told what, and what cannot be."""

from __future__ import annotations

from pathlib import Path

import pytest

from podwire.cluster.layout import Cluster, Layout, UsageError
from podwire.launcher import faults
from podwire.launcher.faults import ApiFault, FaultTable
from podwire.launcher.link_rules import Rule

CLUSTER = Cluster(name="lab", nodes=3, block=3, store="etcd", control_planes=3)
UNDERLAY = Rule(source="node-1", target="node-2", delay_s=0.05)
TCP = Rule(source="node-1", target="control-plane-2", loss=1)


def test_a_rule_concerns_who_sends() -> None:
    table = FaultTable([UNDERLAY, TCP])
    (entry,) = table.of_datapath(CLUSTER, "node-1")
    assert (entry["remote"], entry["delay_s"]) == ("192.168.64.2", 0.05)
    assert table.of_datapath(CLUSTER, "node-2") == []
    (rule,) = table.of_fabric()
    assert (rule["from"], rule["to"], rule["loss"]) == ("node-1", "control-plane-2", 1)
    assert faults.told(table.rules) == ["node-1/datapath", "fabric"]


@pytest.mark.parametrize(
    ("process", "concerned"),
    [
        ("node-1/datapath", True),
        ("node-2/datapath", False),
        ("node-1/nodeagent", False),
        ("fabric", True),
        ("apiserver-1", False),
        ("scheduler-1", False),
    ],
)
def test_who_is_told_when_it_starts_anew(process: str, concerned: bool) -> None:
    assert FaultTable([UNDERLAY, TCP]).concerns(process) == concerned
    assert FaultTable(api=[ApiFault(id="1", status=500)]).concerns("apiserver-2")
    assert not FaultTable().concerns(process)


def test_a_rule_replaces_the_one_between_the_same_hosts() -> None:
    table = FaultTable([UNDERLAY])
    table.set([Rule(source="node-1", target="node-2", loss=0.5)])
    (rule,) = table.rules
    assert (rule.delay_s, rule.loss) == (0, 0.5)


@pytest.mark.parametrize(
    ("names", "left"), [([], 0), (["node-2"], 1), (["control-plane-2"], 1), (["node-3"], 2)]
)
def test_healing_all_or_what_touches_a_host(names: list[str], left: int) -> None:
    table = FaultTable([UNDERLAY, TCP])
    assert len(table.heal(names)) == 2 - left
    assert len(table.rules) == left


def test_api_faults_have_numbers_and_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faults, "API_FAULTS_MAX", 2)
    table = FaultTable()
    assert [table.set_api(ApiFault(status=500)).id for _ in range(2)] == ["1", "2"]
    with pytest.raises(UsageError, match="heal some first"):
        table.set_api(ApiFault(status=500))
    assert [fault.id for fault in table.heal_api("1")] == ["1"]
    assert table.set_api(ApiFault(status=500)).id == "3"
    assert len(table.heal_api("")) == 2


def test_the_table_is_kept_and_read_back(tmp_path: Path) -> None:
    paths = Layout(tmp_path)
    table = FaultTable([UNDERLAY, TCP], [ApiFault(id="4", latency_s=0.2)])
    table.write(paths.faults_file)
    again = faults.read(paths)
    assert (again.rules, again.api) == (table.rules, table.api)
    again.heal([])
    again.heal_api("")
    again.write(paths.faults_file)
    assert not paths.faults_file.exists()
    assert faults.read(paths).rules == []


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"\xff",
        b"[]",
        b'{"rules": 3}',
        b'{"rules": [{"from": "a", "to": "b", "loss": 7}]}',
        b'{"api": [{"status": 404}]}',
    ],
)
def test_a_damaged_file_says_what_to_do(text: bytes, tmp_path: Path) -> None:
    paths = Layout(tmp_path)
    paths.faults_file.write_bytes(text)
    with pytest.raises(UsageError, match="faults only: remove it"):
        faults.read(paths)


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ({}, "it does nothing: give latency, status or drop_watches"),
        ({"status": 404}, "409, 429 or 500"),
        ({"status": 500, "share": 0}, "share"),
        ({"latency_s": 61}, "0 and 60"),
        ({"status": 500, "verb": "frobnicate"}, "verb 'frobnicate' is none of"),
        ({"status": 500, "user": ""}, "must not be empty"),
        ({"status": 500, "resource": "cats"}, "no resource 'cats'; there are .*configmaps, "),
        ({"status": 500, "user": "system:node:node-4"}, "there is no client"),
        ({"drop_watches": True, "verb": "get"}, "never is one"),
        ({"status": "x"}, "Expected"),
    ],
)
def test_impossible_api_faults_are_refused(entry: object, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        faults.parse_api_fault(CLUSTER, entry)


@pytest.mark.parametrize("resource", ["*", "pods", "pods/status", "leases", "/readyz"])
def test_an_api_fault_hits_what_there_is(resource: str) -> None:
    entry = {"status": 500, "resource": resource, "user": "system:node:node-3"}
    assert faults.parse_api_fault(CLUSTER, entry).resource == resource


POD = Rule(source="pod/default/web-1", target="node-2", uid="u1", delay_s=0.3)


def test_a_pods_rules_are_its_nodes_datapaths() -> None:
    table = FaultTable([UNDERLAY, POD])
    (entry,) = table.of_links("node-2")
    assert (entry["direction"], entry["delay_s"]) == ("from-pod", 0.3)
    assert "uid" not in entry
    assert table.of_links("node-1") == []
    assert table.of_datapath(CLUSTER, "node-2") == []
    assert table.of_fabric() == []
    assert table.concerns("node-2/datapath")
    assert [rule.pod for rule in table.heal(["node-2"])] == ["", POD.pod]


def test_a_pods_rules_end_with_it() -> None:
    table = FaultTable([UNDERLAY, POD])
    assert table.end_gone_pods(lambda: {"u1", "u2"}) == []
    assert table.end_gone_pods(lambda: {"u2"}) == [POD]
    assert table.rules == [UNDERLAY]

    def never() -> list[str]:
        raise AssertionError("without rules for pods nobody looks for them")

    assert table.end_gone_pods(never) == []


def test_one_way_can_be_healed_alone() -> None:
    table = FaultTable([UNDERLAY, TCP])
    assert table.heal_ways([UNDERLAY.key, ("node-2", "node-1")]) == [UNDERLAY]
    assert table.rules == [TCP]


def test_a_rule_has_its_own_seed_or_that_of_the_one_before_or_a_new_one() -> None:
    table = FaultTable([Rule(source="node-1", target="node-2", loss=0.5, seed=5)])
    again = Rule(source="node-1", target="node-2", loss=0.7)
    other = Rule(source="node-2", target="node-1", loss=0.7)
    own = Rule(source="node-1", target="node-2", loss=0.7, seed=0)
    assert [rule.seed for rule in table.seeded([again, other, own], 9)] == [5, 9, 0]
