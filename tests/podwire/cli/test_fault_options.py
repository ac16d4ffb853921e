"""What the options of `podwire fault link` ask for, and what they refuse."""

from __future__ import annotations

import statistics
from itertools import groupby
from random import Random
from typing import Any

import click
import pytest
from click.testing import CliRunner

from netdev.chance import MarkovLoss, gilbert_elliott
from netdev.impairment import Impairment
from podwire.cli.fault_options import PROFILES, check_options, impairment_of, impairment_options
from podwire.cluster.layout import UsageError


def asked(*words: str) -> dict[str, Any]:
    """Return the fields that a command line gives."""
    found: dict[str, Any] = {}

    @click.command()
    @impairment_options
    def command(profile: str | None, **given: Any) -> None:
        found.update(impairment_of(profile, given))

    CliRunner().invoke(command, words, standalone_mode=False, catch_exceptions=False)
    return found


@pytest.mark.parametrize(
    ("words", "fields"),
    [
        ("--delay 100ms --jitter 10ms --distribution normal --delay-correlation 25%",
         {"delay_s": 0.1, "jitter_s": 0.01, "distribution": "normal", "delay_correlation": 0.25}),
        ("--loss 5% --loss-correlation 25%", {"loss": 0.05, "loss_correlation": 0.25}),
        ("--loss-gemodel 1%,25%,70%,0.1%", {"loss_gemodel": (0.01, 0.25, 0.7, 0.001)}),
        ("--loss-state 2%", {"loss_state": (0.02,)}),
        ("--rate 10mbit --limit 100 --limit-bytes 64kb",
         {"rate_bit_s": 1e7, "limit": 100, "limit_octets": 65536}),
        ("--delay 10ms --reorder 25% --reorder-correlation 50% --gap 5",
         {"delay_s": 0.01, "reorder": 0.25, "reorder_correlation": 0.5, "gap": 5}),
        ("--corrupt 1% --corrupt-correlation 10% --duplicate 2% --duplicate-correlation 20%",
         {"corrupt": 0.01, "corrupt_correlation": 0.1, "duplicate": 0.02,
          "duplicate_correlation": 0.2}),
        ("--loss 50% --seed 0", {"loss": 0.5, "seed": 0}),
    ],
)  # fmt: skip
def test_options_are_fields_of_an_impairment(words: str, fields: dict[str, Any]) -> None:
    found = asked(*words.split())
    assert found.keys() == fields.keys()
    for name, value in fields.items():
        assert found[name] == (value if isinstance(value, str) else pytest.approx(value))
    Impairment(**found)


def test_several_shares_may_be_one_word_with_blanks() -> None:
    assert asked("--loss-gemodel", "1% 25%") == {"loss_gemodel": pytest.approx((0.01, 0.25))}


def test_bursts_have_the_loss_and_the_length_that_were_asked() -> None:
    (p, r) = asked("--loss", "5%", "--burst", "4")["loss_gemodel"]
    loses = MarkovLoss(Random(1), gilbert_elliott(p, r))
    lost = [loses() for _ in range(100_000)]
    assert statistics.mean(lost) == pytest.approx(0.05, rel=0.05)
    bursts = [len(list(group)) for is_lost, group in groupby(lost) if is_lost]
    assert statistics.mean(bursts) == pytest.approx(4, rel=0.05)


@pytest.mark.parametrize("name", PROFILES)
def test_every_profile_is_a_wire_and_options_replace_its_parts(name: str) -> None:
    plain = asked("--profile", name)
    Impairment(**plain)
    changed = asked("--profile", name, "--loss", "7%", "--delay", "1ms")
    assert (changed["loss"], changed["delay_s"]) == (0.07, 0.001)
    assert "loss_gemodel" not in changed
    Impairment(**changed)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("", "say what is wrong with the link"),
        ("--delay 0ms", "say what is wrong with the link"),
        ("--limit 10 --seed 3", "say what is wrong with the link"),
        ("--burst 4", "give both"),
        ("--loss 100% --burst 4", "is a partition"),
        ("--loss 80% --burst 2", "in bursts of 4 packets or more, not 2"),
        ("--loss 5% --burst 2 --loss-correlation 5%", "--burst or --loss-correlation, not both"),
        ("--burst 2 --loss-gemodel 5%", "--burst or --loss-gemodel, not both"),
        ("--loss 5% --loss-gemodel 5%", "one model of loss, not loss and loss-gemodel"),
        ("--loss-gemodel 1%,2%,3%,4%,5%", "loss-gemodel has 1 to 4 shares, not 5"),
        ("--delay 5ms --distribution normal", "distribution needs jitter"),
        ("--loss 5% --gap 5", "gap needs reorder"),
        ("--reorder 5%", "reorder needs a delay"),
        ("--delay 2m", "delay is 0 to 60 seconds"),
        ("--loss 1% --limit 0", "limit is 1 to"),
        ("--rate 1mbit --limit-bytes 1kb", "limit-bytes is 1514 to"),
    ],
)
def test_what_cannot_be_is_refused(words: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        asked(*words.split())


def test_options_can_be_checked_without_asking_for_anything() -> None:
    given = {"profile": None, "left": "node-1", "loss": 0.5, "burst": 2.0}
    check_options(given)
    with pytest.raises(UsageError, match="gap needs reorder"):
        check_options(given | {"gap": 3})


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--loss", "120%"), "a share is 0% to 100%"),
        (("--loss-gemodel", "1% x"), "is no share"),
        (("--loss-gemodel", ""), "is no share"),
        (("--limit-bytes", "64k"), "write 64kb"),
        (("--distribution", "cauchy"), "is not one of"),
        (("--profile", "5g"), "is not one of"),
        (("--seed", "-1"), "not in the range"),
        (("--burst", "0.5"), "not in the range"),
    ],
)
def test_what_is_no_quantity_is_refused(words: tuple[str, ...], says: str) -> None:
    with pytest.raises(click.ClickException, match=says):
        asked(*words)
