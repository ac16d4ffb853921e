"""What `podwire fault` asks of the launcher, and what it refuses without asking."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from podwire.cli import fault
from podwire.cluster.layout import Cluster, Layout, UsageError
from podwire.launcher.faults import FaultTable, read
from podwire.launcher.link_rules import Rule

CLUSTER = Cluster(name="lab", nodes=2, block=3, store="etcd", control_planes=3)


@pytest.fixture
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Layout:
    monkeypatch.setenv("PODWIRE_HOME", str(tmp_path))
    made = Layout.of("lab")
    made.make_directories()
    made.write_cluster(CLUSTER)
    return made


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Any]]:
    calls: list[tuple[str, Any]] = []

    def call(_paths: Layout, method: str, params: Any = None) -> Any:
        calls.append((method, params))
        return {"healed": 1, "id": "1", "unheard": ["fabric"]}

    monkeypatch.setattr(fault.client, "call", call)
    return calls


def run(*words: str) -> Any:
    done = CliRunner().invoke(fault.fault, [*words, "--name", "lab"])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done


@pytest.mark.usefixtures("paths")
def test_a_link_is_two_rules_and_one_way_is_one(asked: list[tuple[str, Any]]) -> None:
    done = run("link", "node-1", "node-2", "--delay", "50ms", "--loss", "5%")
    rule = {"delay_s": 0.05, "loss": 0.05}
    both = [
        {"from": "node-1", "to": "node-2", **rule},
        {"from": "node-2", "to": "node-1", **rule},
    ]
    assert asked == [("fault_set", {"rules": both})]
    assert "node-1 ↔ node-2: delay 50ms, loss 5% (2 rules)" in done.output
    assert "not yet in force at fabric" in done.output
    run("link", "node-1", "node-2", "--delay", "50ms", "--loss", "5%", "--one-way")
    assert asked[1] == ("fault_set", {"rules": both[:1]})


@pytest.mark.usefixtures("paths")
def test_a_partition_without_a_second_group_is_from_all_others(
    asked: list[tuple[str, Any]],
) -> None:
    run("partition", "node-1", "--one-way")
    targets = [rule["to"] for rule in asked[0][1]["rules"]]
    assert targets == ["node-2", "control-plane-1", "control-plane-2", "control-plane-3"]
    assert {rule["loss"] for rule in asked[0][1]["rules"]} == {1.0}


@pytest.mark.usefixtures("paths")
def test_one_link_is_healed_in_both_directions(
    asked: list[tuple[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fault.client, "running_session", lambda _paths: "one")
    run("heal", "--link", "node-1", "node-2")
    run("heal", "node-1", "pod/default/web-1")
    assert asked == [
        ("fault_heal", {"ways": [("node-1", "node-2"), ("node-2", "node-1")]}),
        ("fault_heal", {"hosts": ["node-1", "pod/default/web-1"]}),
    ]


@pytest.mark.usefixtures("paths")
def test_the_list_shows_faults_seeds_and_fates(monkeypatch: pytest.MonkeyPatch) -> None:
    rule = {"from": "node-1", "to": "node-2", "loss": 0.5, "seed": 77}
    felt = {"packets": 12, "octets": 1200, "lost": 5}
    monkeypatch.setattr(fault.client, "call", lambda *_: [rule | felt, rule | {"to": "node-3"}])
    assert run("list").output.splitlines() == [
        "node-1 → node-2  seed 77",
        "  loss 50%",
        "  12 packets, 1.17kb: 5 lost",
        "node-1 → node-3  seed 77",
        "  loss 50%",
        "  packets unknown: who counts them does not answer",
    ]
    assert '"seed": 77' in run("list", "-o", "json").output


@pytest.mark.usefixtures("paths")
@pytest.mark.parametrize(
    "words",
    [
        ("link", "node-1", "--delay", "1ms"),
        ("link", "pod/default/web-1", "--delay", "1ms"),
        ("heal", "--link", "node-1", "etcd-1"),
        ("heal", "node-1", "--link", "node-1", "node-2"),
        ("link", "node-1", "node-2"),
        ("link", "node-1", "etcd", "--delay", "1ms"),
        ("partition", "node-1", "node-1"),
        ("partition", "node-7"),
        ("heal", "node-7"),
        ("api",),
        ("api", "--heal", "--latency", "1s"),
    ],
)
def test_what_makes_no_sense_is_not_asked(
    words: tuple[str, ...], asked: list[tuple[str, Any]]
) -> None:
    with pytest.raises(UsageError):
        run(*words)
    assert asked == []


def test_faults_of_a_cluster_that_is_down_can_be_healed(paths: Layout) -> None:
    table = FaultTable([Rule(source="node-1", target="node-2", loss=1)])
    table.write(paths.faults_file)
    assert "1 rules healed" in run("heal").output
    assert read(paths).rules == []


@pytest.mark.usefixtures("paths")
def test_an_api_fault_is_asked_as_it_is_described(asked: list[tuple[str, Any]]) -> None:
    run("api", "--client", "admin", "--error", "429", "--share", "50%")
    assert asked == [
        ("api_fault_set", {"entry": {"user": "admin", "status": 429, "share": 0.5}}),
    ]
