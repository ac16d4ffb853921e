"""How a rule reads, in netem's words, and what its packets felt."""

from __future__ import annotations

from typing import Any

import pytest

from podwire.cli.fault_words import fates_of, lines_of, tell_unheard, words_of


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ({"delay_s": 0.1}, "delay 100ms"),
        (
            {"delay_s": 0.1, "jitter_s": 0.01, "delay_correlation": 0.25, "distribution": "normal"},
            "delay 100ms 10ms 25% distribution normal",
        ),
        ({"loss": 1.0}, "partition"),
        ({"loss": 0.05, "loss_correlation": 0.25}, "loss 5% 25%"),
        ({"loss_gemodel": [0.01, 0.25]}, "loss gemodel 1% 25%"),
        ({"loss_state": [0.02]}, "loss state 2%"),
        (
            {"delay_s": 0.01, "reorder": 0.25, "gap": 5, "corrupt": 0.01, "duplicate": 0.02},
            "delay 10ms, corrupt 1%, duplicate 2%, reorder 25%, gap 5",
        ),
        (
            {"rate_bit_s": 1e7, "limit": 100, "limit_octets": 65536},
            "rate 10mbit, limit 100, limit 64kb",
        ),
        ({"loss": 1.0, "ecn": True}, "loss 100% ecn"),
        (
            {"slot_min_s": 0.02, "slot_max_s": 0.04, "slot_packets": 5, "slot_octets": 9216},
            "slot 20ms 40ms packets 5 bytes 9kb",
        ),
        (
            {"slot_delay_s": 0.02, "slot_jitter_s": 0.002, "slot_distribution": "normal"},
            "slot distribution normal 20ms 2ms",
        ),
        ({"slot_delay_s": 0.02, "slot_packets": 5}, "slot distribution uniform 20ms 0s packets 5"),
        ({"rate_bit_s": 1e7, "rate_overhead": -14}, "rate 10mbit -14"),
        (
            {"rate_bit_s": 1e7, "rate_cell": 48, "rate_cell_overhead": 5},
            "rate 10mbit 0 48 5",
        ),
        ({"loss": 0.5, "limit": 1000, "limit_octets": 64 << 20, "seed": 4}, "loss 50%"),
    ],
)
def test_a_rule_in_netems_words(rule: dict[str, Any], words: str) -> None:
    assert words_of(rule) == words


def test_fates_name_what_happened_and_nothing_else() -> None:
    felt = {"packets": 100, "octets": 20480, "lost": 7, "delayed": 93, "queued": 0, "delivered": 93}
    assert fates_of(felt) == "100 packets, 20kb: 7 lost, 93 delayed"
    assert fates_of({**felt, "lost": 0, "delayed": 0}) == "100 packets, 20kb"
    assert fates_of({"loss": 1}).startswith("packets unknown")


def test_a_rule_is_read_in_eighty_columns() -> None:
    rule = {
        "from": "node-1", "to": "node-2", "seed": 747977583, "delay_s": 0.02, "jitter_s": 0.005,
        "distribution": "normal", "loss_gemodel": [0.003367, 0.333333], "rate_bit_s": 5e7,
        "slot_min_s": 0.005, "packets": 0, "octets": 0,
    }  # fmt: skip
    assert lines_of(rule, 80) == [
        "node-1 → node-2  seed 747977583",
        "  delay 20ms 5ms distribution normal, loss gemodel 0.3367% 33.3333%, rate",
        "    50mbit, slot 5ms",
        "  0 packets, 0b",
    ]


def test_who_has_not_heard_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    tell_unheard({"unheard": []})
    tell_unheard({"unheard": ["fabric", "node-1/datapath"]})
    assert capsys.readouterr().err == (
        "podwire: not yet in force at fabric, node-1/datapath: told when it answers again\n"
    )
