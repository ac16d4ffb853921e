"""A scenario gives podwire's own commands, and wrong ones are found before anything is done."""

import shlex

import pytest

from podwire.cluster.layout import UsageError
from podwire.scenario.commands import check


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
    ],
)
def test_commands_that_make_no_sense_are_refused(command: str, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        check(shlex.split(command))
