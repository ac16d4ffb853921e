"""The table of faults, and what a topology may be."""

from __future__ import annotations

import math
import random

import msgspec
import pytest

from podwire.fabric.config import Config, Rule, Topology
from podwire.fabric.rules import Rules


def rule(source: str, to: str, **wanted) -> Rule:
    return Rule(from_=source, to=to, **wanted)


@pytest.fixture
def rules() -> Rules:
    return Rules(random.Random(1))


def test_a_rule_is_directed(rules):
    rules.replace([rule("a", "b", delay_s=1)], 0.0)
    assert rules.link(("a", "b")) is not None
    assert rules.link(("b", "a")) is None
    assert rules.impaired("b", "a")
    assert not rules.impaired("a", "c")


def test_silence_of_either_direction_prevents_a_handshake(rules):
    rules.replace([rule("a", "b", loss=1), rule("a", "c", loss=0.9)], 0.0)
    assert rules.silent("b", "a")
    assert not rules.silent("a", "c")


def test_silence_lasts_since_it_began_in_either_direction(rules):
    rules.replace([rule("a", "b", loss=1)], 5.0)
    rules.replace([rule("a", "b", loss=1, delay_s=1), rule("b", "a", loss=1)], 7.0)
    assert rules.silent_since("b", "a") == 5.0
    rules.replace([rule("b", "a", loss=1)], 8.0)
    assert rules.silent_since("a", "b") == 7.0
    rules.replace([rule("b", "a", loss=0.5)], 9.0)
    assert rules.silent_since("a", "b") == math.inf


def test_a_table_replaces_the_one_before_and_counters_of_what_stays_go_on(rules):
    rules.replace([rule("a", "b", loss=1), rule("b", "a", delay_s=5)], 0.0)
    rules.link(("a", "b")).offer(b"x", 0.0)
    rules.link(("b", "a")).offer(b"y", 0.0)
    healed = rules.replace([rule("a", "b", loss=0.5)], 0.0)
    assert [packet for _, packet in healed["b", "a"].release()] == [b"y"]
    (row,) = rules.rows()
    assert (row["from"], row["to"], row["loss"]) == ("a", "b", 0.5)
    assert (row["packets"], row["lost"]) == (1, 1)


def test_two_rules_for_one_way_change_nothing(rules):
    rules.replace([rule("a", "b", loss=1)], 0.0)
    with pytest.raises(ValueError, match="same way"):
        rules.replace([rule("c", "d", loss=1), rule("c", "d", delay_s=1)], 0.0)
    assert [row["from"] for row in rules.rows()] == ["a"]


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ({"from": "a", "to": "a", "loss": 1}, "no link to itself"),
        ({"from": "a", "to": "b", "loss": 7}, "loss is a share"),
        ({"from": "a", "loss": 1}, "to"),
        ({"from": "a", "to": "b", "lost": 1}, "lost"),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused_by_name(entry, says):
    with pytest.raises(msgspec.ValidationError, match=says):
        msgspec.convert(entry, Rule)


@pytest.mark.parametrize(
    ("topology", "says"),
    [
        ({"hosts": {"nobody": "node-1"}}, "nobody"),
        (
            {"doors": [{"listen": ["127.0.0.1", 0], "target": ["127.0.0.1", 1], "host": "a"}]},
            "a port is",
        ),
        (
            {
                "doors": [
                    {"listen": ["127.0.0.1", 5], "target": ["127.0.0.1", port], "host": "a"}
                    for port in (1, 2)
                ]
            },
            "listened at twice",
        ),
    ],
)
def test_a_topology_that_makes_no_sense_is_refused_by_name(topology, says):
    with pytest.raises(msgspec.ValidationError, match=says):
        msgspec.convert(topology, Topology)
    config = msgspec.convert({"control_socket": "/x", **topology}, Config)
    with pytest.raises(ValueError, match=says):
        _ = config.topology
