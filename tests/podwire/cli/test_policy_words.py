"""What `podwire policy` prints."""

from __future__ import annotations

import json

from nodeagent.datapath.policy_rules import Ruling
from nodeagent.policy.evaluation import Flow
from nodeagent.policy.explanation import Explanation, Side
from nodeagent.policy.matrix import Cell, Group
from podwire.cli.policy_words import Matrix, as_json, declared_ports, lines, noted, wrapped

DENIAL = Ruling("deny", "ingress", "shop/db", "NetworkPolicy", ("NetworkPolicy shop/deny",))
OPEN = Side("egress", "shop/web", True, "no policy is about it", (), (), "a policy")
CLOSED = Side(
    "ingress", "shop/db", False, f"denied by {DENIAL.by}", (DENIAL,), ("a", "b"), "a rule"
)
FOUND = [
    ("shop/db", Explanation(Flow("10.0.0.1", "10.0.0.2", "TCP", 80), False, (OPEN, CLOSED))),
    ("10.0.0.3", Explanation(Flow("10.0.0.1", "10.0.0.3", "ICMP"), True, (OPEN,))),
]


def test_explanations_are_told_end_by_end():
    assert list(lines("shop/web", FOUND, [{"ingress": "node-2 has not been told yet"}, {}])) == [
        "1 of 2 endpoints are allowed",
        "",
        "shop/web (10.0.0.1) -> shop/db (10.0.0.2) TCP 80: DENIED",
        "  egress of shop/web: no policy is about it",
        "    what would change it: a policy",
        "  ingress of shop/db: denied by NetworkPolicy shop/deny (ingress)",
        "    asked: a, b",
        "    but node-2 has not been told yet",
        "    what would change it: a rule",
        "",
        "shop/web (10.0.0.1) -> 10.0.0.3 ICMP: allowed",
        "  egress of shop/web: no policy is about it",
        "    what would change it: a policy",
    ]


def test_explanations_for_programs():
    shown = as_json("shop/web", FOUND, [{}, {}])
    assert shown["verdict"] == "partly"
    denied, allowed = shown["connections"]
    assert (denied["verdict"], allowed["verdict"]) == ("denied", "allowed")
    assert denied["sides"][1]["rulings"] == [
        {
            "tier": "NetworkPolicy",
            "action": "deny",
            "policies": ["NetworkPolicy shop/deny"],
            "rule": "",
        }
    ]
    assert as_json("x", FOUND[:1], [{}])["verdict"] == "denied"
    assert as_json("x", FOUND[1:], [{}])["verdict"] == "allowed"


WEB, DB = Group("shop/web", (("1",), ("2",)), ()), Group("shop/db", (("3",),), ())
MATRIX = Matrix([WEB, DB], [WEB, DB], [[Cell(2, 2), Cell(1, 2)], [Cell(0, 2), Cell(0, 0)]])


def test_the_matrix_has_numbered_columns():
    assert MATRIX.table().splitlines() == [
        "from, to       1 2",
        "1 shop/web ×2  ✓ ~",
        "2 shop/db      ✗ ·",
        "",
        "✓ allowed  ✗ denied  ~ partly",
    ]


def test_a_wide_matrix_has_upright_numbers_and_comes_in_parts():
    groups = [Group(f"a/{chr(97 + n)}", ((str(n),),), ()) for n in range(12)]
    cells = [[Cell(int(i >= j), 1) for j in range(12)] for i in range(12)]
    matrix = Matrix(groups, groups, cells)
    assert matrix.table(80).splitlines()[1].count(" ✗") == 11
    head, second, first_row, *_ = matrix.table(24).splitlines()
    assert head == "from, to           111"
    assert second == "          123456789012"
    assert first_row == " 1 a/a    ✓✗✗✗✗✗✗✗✗✗✗✗"
    parts = matrix.table(10).split("\n\n")
    assert len(parts) == 3, "two parts and the legend"
    assert parts[1].splitlines()[:2] == ["from, to  11", "          12"]


def test_long_lines_break_between_words_and_stay_indented():
    text = ["  ingress of shop/db: denied by NetworkPolicy shop/deny-all (ingress)", "short"]
    assert list(wrapped(text, 40)) == [
        "  ingress of shop/db: denied by",
        "    NetworkPolicy shop/deny-all",
        "    (ingress)",
        "short",
    ]
    assert list(wrapped(text, 0)) == text


def test_the_matrix_for_programs_and_graphviz():
    first, second, *_ = json.loads(MATRIX.json())
    assert (first["from"], first["to"], first["verdict"]) == ("shop/web", "shop/web", "allowed")
    assert (second["allowed"], second["judged"], second["verdict"]) == (1, 2, "partly")
    assert MATRIX.dot().count("->") == 1
    assert "style=dashed" in MATRIX.dot()


def test_declared_ports_are_those_of_the_containers():
    port = {"containerPort": 80}
    spec = {"containers": [{"ports": [port, port, {**port, "protocol": "UDP"}]}]}
    pod = {"metadata": {"name": "a", "namespace": "b"}, "spec": spec}
    assert declared_ports([pod]) == {"b/a": (("TCP", 80), ("UDP", 80))}


def test_notes_are_lines():
    row = {
        "node": "node-1",
        "at_ns": 0,
        "packets": 3,
        "action": "deny",
        "by": DENIAL.by,
        "pod": "shop/db",
        "protocol": "TCP",
        "source": "10.0.0.1",
        "source_port": 4000,
        "destination": "fd00::1",
        "destination_port": 80,
    }
    assert noted(row).split(" ", 1)[1] == (
        "node-1 denied TCP 10.0.0.1:4000 -> [fd00::1]:80 ×3 "
        "by NetworkPolicy shop/deny (ingress) of shop/db"
    )
