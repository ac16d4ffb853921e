"""The truth table, decided in plain code and asked for over real connections."""

from __future__ import annotations

import random

import pytest
from ingress_objects import CLASSES, Object, ingress, path, rule
from ingress_rows import ROWS, Row
from ingress_world import World

from ingresscontroller.decision import Answer, Client, decide
from ingresscontroller.message import Refused, parse_request
from ingresscontroller.table import Table
from ingresscontroller.translation import translate


def ingress_of(row: Row) -> Object:
    return ingress("row", *(rule(host, path(at, name, kind)) for host, at, kind, name in row[1]))


def test_the_table_is_as_long_as_it_should_be():
    assert len({row[0] for row in ROWS}) == len(ROWS) >= 40


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_row_is_decided(row: Row):
    _, _, host, target, expected = row
    made = translate([ingress_of(row)], CLASSES)
    assert said(made.table, host, target) == expected


def said(table: Table, host: str, target: str) -> str | int:
    head = parse_request(f"GET {target} HTTP/1.1\r\nHost: {host}".encode())
    try:
        decision = decide(table, head, Client("192.0.2.1"), random.Random(0))
    except Refused as refused:
        return refused.status
    return decision.status if isinstance(decision, Answer) else decision.backend.service


def test_all_rows_are_answered():
    with World() as world:
        for name in {name for row in ROWS for *_, name in row[1]}:
            world.serve(name)
        for row in ROWS:
            _, _, host, target, expected = row
            world.route(ingress_of(row))
            answer = world.ask(host, target)
            said = answer.told["name"] if answer.status == 200 else answer.status
            assert said == expected, row
            if answer.status == 200:
                assert answer.told["line"] == f"GET {target} HTTP/1.1"  # As it came.
