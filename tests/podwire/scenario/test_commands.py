"""A scenario gives podwire's own commands, and wrong ones are found before anything is done."""

import shlex

import pytest

from podwire.cluster.layout import Cluster, UsageError
from podwire.scenario.commands import check, check_names, seeded


@pytest.mark.parametrize(
    "command",
    [
        "node kill node-2",
        "node resume node-2",
        "process start node-2/nodeagent",
        "fault partition node-1 node-2,node-3",
        "fault link node-1 node-2 --delay 50ms --loss 5%",
        "fault heal",
        "apply -f web.yaml",
    ],
)
def test_commands_that_act_on_a_cluster_are_taken(command: str) -> None:
    check(shlex.split(command))


@pytest.mark.parametrize(
    ("command", "why"),
    [
        ("", "a step can give these commands: node, process"),
        ("up", "a step can give these commands"),
        ("rm -rf /", "a step can give these commands"),
        ("node", "say what: .*kill"),
        ("node explode node-2", "No such command 'explode'"),
        ("node kill", "Missing argument"),
        ("node kill node-2 node-3", "unexpected extra argument"),
        ("node kill --force node-2", "No such option"),
        ("node kill --help", "cannot ask for help"),
        ("fault link node-1 node-2", "say what is wrong with the link"),
        ("fault link node-1 node-2 --loss 5% --gap 5", "gap needs reorder"),
        ("fault link node-1 node-2 --profile 5g", "not one of"),
    ],
)
def test_commands_that_make_no_sense_are_refused(command: str, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        check(shlex.split(command))


@pytest.mark.parametrize(
    ("command", "why"),
    [
        ("node kill node-9", "no node-9; the nodes are node-1 to node-3"),
        ("process kill apiserver-2", "no process apiserver-2; there are apiserver, fabric"),
        ("fault partition node-1 node-4", "no host 'node-4'"),
        ("fault link node-1 etcd-1 --loss 5%", "no host 'etcd-1'"),
        ("fault heal node-4", "no host 'node-4'"),
        ("fault heal --link node-1 node-4", "no host 'node-4'"),
        ("fault link pod/default/web-1 node-4 --loss 5%", "no host 'node-4'"),
    ],
)
def test_names_that_the_cluster_does_not_have_are_refused(command: str, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        check_names(shlex.split(command), Cluster(name="x", nodes=3), ["apiserver", "fabric"])


@pytest.mark.parametrize(
    "command",
    [
        "node kill node-3",
        "node add",
        "process kill fabric",
        "process kill node-1/pod/default/web-1",
        "fault heal",
        "fault heal --link node-1 node-2",
        "fault heal pod/default/web-1",
        "fault link pod/default/app=web --delay 200ms --seed 4",
        "fault link node-1 pod/default/web-1 --loss 5% --burst 3",
        "fault partition pod/default/web-1",
        "fault partition node-1",
        "fault api --error 500",
        "apply -f web.yaml",
    ],
)
def test_names_that_the_cluster_has_are_taken(command: str) -> None:
    check_names(shlex.split(command), Cluster(name="x", nodes=3), ["apiserver", "fabric"])


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("fault link node-1 node-2 --loss 5%", "fault link node-1 node-2 --loss 5% --seed 7"),
        ("fault link node-1 node-2 --loss 5% --seed=3", None),
        ("fault partition node-1", None),
        ("node kill node-1", None),
    ],
)
def test_a_fault_without_a_seed_gets_the_scenarios(command: str, expected: str | None) -> None:
    words = tuple(seeded(command.split(), 7))
    assert words == tuple((expected or command).split())
    check(words)
