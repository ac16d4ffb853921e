"""Rules about links: who enforces them, and what is said of impossible ones."""

from __future__ import annotations

import pytest

from podwire.cluster.layout import Cluster, UsageError
from podwire.launcher.link_rules import Rule, check_impairment, link_key, parse_rules

CLUSTER = Cluster(name="lab", nodes=3, block=3, store="etcd", control_planes=3)


@pytest.mark.parametrize(
    ("source", "target", "told", "pod"),
    [
        ("node-1", "node-2", "node-1/datapath", ""),
        ("node-1", "control-plane-1", "fabric", ""),
        ("control-plane-1", "etcd-2", "fabric", ""),
        ("node-2", "pod/default/web-1", "node-2/datapath", "pod/default/web-1"),
        ("pod/default/web-1", "node-2", "node-2/datapath", "pod/default/web-1"),
    ],
)
def test_who_enforces_a_rule(source: str, target: str, told: str, pod: str) -> None:
    rule = Rule(source=source, target=target)
    assert (rule.told, rule.pod) == (told, pod)


def test_a_pods_rule_is_of_the_link_that_its_uid_names() -> None:
    there = Rule(source="node-2", target="pod/default/web-1", uid="u1")
    back = Rule(source="pod/default/web-1", target="node-2", uid="u1")
    (name, direction), (same, other) = link_key(there), link_key(back)
    assert name == same
    assert name.startswith("veth")
    assert len(name) == 12
    assert (direction, other) == ("to-pod", "from-pod")


def test_an_impairment_does_not_say_where() -> None:
    entry = Rule(source="node-1", target="node-2", loss=0.5, seed=4).impairment()
    assert (entry["loss"], entry["seed"]) == (0.5, 4)
    assert not entry.keys() & {"from", "to", "uid"}


@pytest.mark.parametrize(
    ("wanted", "says"),
    [
        ({"gap": 4}, "^gap needs reorder"),
        ({"delay_correlation": 0.5}, "^delay-correlation needs jitter:"),
        ({"loss": 0.1, "loss_gemodel": [0.1]}, "one model of loss, not loss and loss-gemodel"),
        ({"limit_octets": 5}, "^limit-bytes is 1514 to"),
        ({"delay_s": 90.0}, "^delay is 0 to 60 seconds, not 90$"),
        ({"distribution": "normal"}, "^distribution needs jitter:"),
    ],
)
def test_what_cannot_be_is_said_in_the_words_of_the_options(
    wanted: dict[str, object], says: str
) -> None:
    with pytest.raises(UsageError, match=says):
        check_impairment(wanted)


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ({"from": "node-1", "to": "node-1", "loss": 1}, "no link with itself"),
        ({"from": "node-1", "to": "etcd-1", "loss": 1}, "share no link"),
        ({"from": "node-1", "to": "node-4", "loss": 1}, "no host"),
        ({"from": "node-1", "to": "node-2", "loss": 1.2}, "share"),
        ({"from": "node-1", "to": "node-2", "delay_s": -1}, "^delay is 0 to 60 seconds, not -1$"),
        ({"from": "node-1", "to": "node-2", "speed": 1}, "unknown field"),
        ({"from": "node-1"}, "missing"),
        ("x", "Expected"),
    ],
)
def test_impossible_rules_are_refused(entry: object, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        parse_rules(CLUSTER, [entry])


def test_a_rule_is_read_and_told_of_by_its_ends() -> None:
    (rule,) = parse_rules(CLUSTER, [{"from": "node-1", "to": "node-2", "loss": 0.5}])
    assert (rule.subject, rule.key) == ("node-1 → node-2", ("node-1", "node-2"))
