"""Who can talk to whom, group by group."""

from __future__ import annotations

import pytest

from kubeapi.resources import NAMESPACES, NETWORKPOLICIES, PODS
from nodeagent.policy import matrix
from nodeagent.policy.evaluation import NEEDED, Evaluation


@pytest.fixture
def made(pod, namespace):
    def make(*policies, replicas=2):
        objects = {resource: [] for resource in NEEDED}
        objects[NAMESPACES] = [namespace("default")]
        web = {"app": "web", "pod-template-hash": "5c9d"}
        objects[PODS] = [
            *(pod(f"web-5c9d-{n}", f"10.244.1.{n + 1}", **web) for n in range(replicas)),
            pod("db", "10.244.2.1", node="node-2", app="db"),
        ]
        objects[NETWORKPOLICIES] = list(policies)
        evaluation = Evaluation(objects)
        ports = {"default/db": [("TCP", 5432), ("UDP", 53)]}
        return evaluation, matrix.groups(evaluation.pods(), ports)

    return make


def verdicts(evaluation, groups, *ports):
    return [
        [cell.verdict for cell in row] for row in matrix.matrix(evaluation, groups, groups, ports)
    ]


def test_replicas_are_one_group_and_all_is_allowed_without_policies(made):
    evaluation, groups = made()
    assert [group.text for group in groups] == ["default/db", "default/web ×2"]
    assert verdicts(evaluation, groups) == [["allowed"] * 2] * 2


def test_cells_say_who_is_denied_and_who_in_part(made, policy):
    ports = [{"protocol": "TCP", "port": 5432}]
    some = policy(select={"app": "db"}, ingress=[{"ports": ports}])
    evaluation, groups = made(some)
    cells = matrix.matrix(evaluation, groups, groups, [])
    assert (cells[1][0].verdict, cells[1][0].allowed, cells[1][0].judged) == ("partly", 2, 4)
    assert verdicts(evaluation, groups, ("TCP", 5432))[1][0] == "allowed"
    assert verdicts(evaluation, groups, ("UDP", 53))[1][0] == "denied"


def test_ranges_may_tell_replicas_apart(made, policy):
    block = {"ipBlock": {"cidr": "10.244.1.1/32"}}
    evaluation, groups = made(policy(select={"app": "db"}, ingress=[{"from": [block]}]))
    assert verdicts(evaluation, groups)[1][0] == "partly"


def test_a_group_of_one_speaks_to_itself_and_nobody_without_a_family(made):
    evaluation, groups = made(replicas=1)
    assert verdicts(evaluation, groups)[1][1] == "allowed"
    beyond = matrix.Group("outside", (("fd00::1",),), ())
    ((cell,),) = matrix.matrix(evaluation, [beyond], groups[:1], [])
    assert cell.verdict == "none"


def test_too_much_is_refused_with_what_to_do(made, monkeypatch):
    monkeypatch.setattr(matrix, "JUDGEMENTS_MAX", 3)
    evaluation, groups = made()
    with pytest.raises(matrix.TooMany, match="choose with -n NAMESPACE"):
        matrix.matrix(evaluation, groups, groups, [])
