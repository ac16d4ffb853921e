"""What a wire can have wrong with it, and what cannot be or contradicts itself."""

from __future__ import annotations

import math

import msgspec
import pytest

from netdev.impairment import DELAY_MAX_S, LIMIT_OCTETS_MIN, Impairment


@pytest.mark.parametrize(
    ("wanted", "says"),
    [
        ({"loss": 1.5}, "loss is a share, 0 to 1"),
        ({"corrupt": -0.1}, "corrupt is a share"),
        ({"duplicate": math.nan}, "duplicate is a share"),
        ({"loss": 0.1, "loss_correlation": 2}, "loss_correlation is a share"),
        ({"delay_s": -1}, "delay_s is 0 to 60 seconds"),
        ({"jitter_s": DELAY_MAX_S + 1}, "jitter_s is 0 to 60 seconds"),
        ({"rate_bit_s": -8}, "rate_bit_s is 0"),
        ({"rate_bit_s": 1e-300}, "rate_bit_s is 0"),
        ({"rate_bit_s": math.inf}, "rate_bit_s is 0"),
        ({"rate_bit_s": math.nan}, "rate_bit_s is 0"),
        ({"limit": 0}, "limit is 1 to"),
        ({"limit_octets": LIMIT_OCTETS_MIN - 1}, "limit_octets is 1514 to"),
        ({"seed": -1}, "seed is 0 to"),
        ({"gap": -1}, "gap is 0 to"),
        ({"reorder": 0.1}, "reorder needs a delay_s"),
        ({"delay_s": 1, "gap": 5}, "gap needs reorder"),
        ({"delay_correlation": 0.5}, "delay_correlation needs jitter_s"),
        ({"loss_correlation": 0.5}, "loss_correlation needs loss"),
        ({"corrupt_correlation": 0.5}, "corrupt_correlation needs corrupt"),
        ({"duplicate_correlation": 0.5}, "duplicate_correlation needs duplicate"),
        ({"delay_s": 1, "distribution": "normal"}, "distribution needs jitter_s"),
        ({"loss": 0.1, "loss_gemodel": (0.1,)}, "one model of loss, not loss and loss_gemodel"),
        ({"loss_state": (0.1,), "loss_gemodel": (0.1,)}, "one model of loss"),
        ({"loss_gemodel": (0.1, 0.2, 0.3, 0.4, 0.5)}, "loss_gemodel has 1 to 4 shares, not 5"),
        ({"loss_state": (0.1, 1.2)}, "loss_state is made of shares"),
        ({"ecn": True, "delay_s": 1}, "ecn needs a loss"),
        ({"slot_packets": 5}, "slot_packets needs slot_min_s or slot_delay_s"),
        ({"slot_octets": 5}, "slot_octets needs slot_min_s or slot_delay_s"),
        ({"slot_jitter_s": 5}, "slot_jitter_s needs slot_delay_s"),
        ({"slot_delay_s": 1, "slot_distribution": "normal"}, "slot_distribution needs slot_jitter"),
        ({"slot_delay_s": 1, "slot_distribution": "flat"}, "slot_distribution"),
        ({"slot_delay_s": 1, "slot_min_s": 1}, "give slot_min_s or slot_delay_s"),
        ({"slot_delay_s": 61}, "slot_delay_s is 0 to 60 seconds, not 61"),
        ({"rate_overhead": 4}, "rate_overhead needs rate_bit_s"),
        ({"rate_cell": 48}, "rate_cell needs rate_bit_s"),
        ({"rate_bit_s": 1, "rate_cell_overhead": 5}, "rate_cell_overhead needs rate_cell"),
        ({"rate_bit_s": 1, "rate_overhead": -10_001}, "rate_overhead is -10000 to 10000 octets"),
        ({"rate_bit_s": 1, "rate_cell": -1}, "rate_cell is 0 to 10000 octets, not -1"),
        ({"slot_max_s": 5}, "slot_max_s needs slot_min_s"),
        ({"slot_min_s": 2, "slot_max_s": 1}, "slot_max_s is no less"),
        ({"slot_min_s": 2, "slot_octets": -1}, "slot_octets is 0 to"),
        ({"loss_state": (0.6, 0.4, 0, 1, 0.6)}, "p13 \\+ p14 and p31 \\+ p32 are at most 1"),
    ],
)
def test_what_cannot_be_is_refused_with_what_is_allowed(wanted, says):
    with pytest.raises(ValueError, match=says):
        Impairment(**wanted)
    with pytest.raises(msgspec.ValidationError, match=says):
        msgspec.convert(wanted, Impairment)


def test_a_distribution_that_nobody_knows_is_refused():
    with pytest.raises(msgspec.ValidationError, match="distribution"):
        msgspec.convert({"jitter_s": 1, "distribution": "cauchy"}, Impairment)
    with pytest.raises(ValueError, match="one of uniform, normal"):
        Impairment(jitter_s=1, distribution="cauchy")


def test_a_partition_is_silent():
    assert Impairment(loss=1).silent
    assert not Impairment(loss=0.99).silent


def test_only_models_of_bursts_have_a_chain():
    assert Impairment(loss=0.5).loss_chain is None
    assert Impairment(loss_gemodel=(0.1,)).loss_chain is not None
    assert Impairment(loss_state=(0.1,)).loss_chain is not None
