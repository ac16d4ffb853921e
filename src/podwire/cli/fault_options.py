"""The options of `podwire fault link`: netem's parameters, and what they ask for.

`--burst` and `--profile` are ours: a burst length is an easier way to say `--loss-gemodel`, and a
profile gives options that others on the command line replace.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import click

from netdev.distribution import DISTRIBUTIONS
from netdev.impairment import SEED_MAX, Impairment
from podwire.cli.units import (
    DURATION,
    OCTETS,
    RATE,
    SHARE,
    SHARES,
    share_text,
)
from podwire.cluster.layout import UsageError
from podwire.launcher.link_rules import check_impairment

Command = Callable[..., None]
Words = Mapping[str, Any]

_option = click.option
_OPTIONS: Final = (
    _option("--delay", "delay_s", type=DURATION, help="Each packet waits: 50ms."),
    _option("--jitter", "jitter_s", type=DURATION, help="The delay varies by so much: 10ms."),
    _option("--delay-correlation", type=SHARE, help="So many have the delay of the one before."),
    _option("--distribution", type=click.Choice(DISTRIBUTIONS), help="How the delay varies."),
    _option("--loss", type=SHARE, help="So many packets are lost: 5%."),
    _option("--loss-correlation", type=SHARE, help="So many share the fate of the one before."),
    _option("--burst", type=click.FloatRange(1), help="So many are lost in a row, on average: 4."),
    _option("--loss-gemodel", type=SHARES, help='Gilbert-Elliott, P [R [1-H [1-K]]]: "1% 25%".'),
    _option("--loss-state", type=SHARES, help="Four states: P13 [P31 [P32 [P23 [P14]]]]."),
    _option("--ecn", is_flag=True, default=None, help="Mark what would be lost, where ECN is on."),
    _option("--rate", "rate_bit_s", type=RATE, help="No more than that: 1mbit."),
    _option("--rate-overhead", type=int, help="Each packet is so many bytes longer: 4, or -14."),
    _option("--rate-cell", type=int, help="Packets fill whole cells of so many bytes: 48."),
    _option("--rate-cell-overhead", type=int, help="Each cell is so many bytes longer: 5."),
    _option("--limit", type=int, help="So many packets may wait; the rest is dropped: 100."),
    _option("--limit-bytes", "limit_octets", type=OCTETS, help="So many bytes may wait: 64kb."),
    _option("--corrupt", type=SHARE, help="So many have one bit wrong: 1%."),
    _option("--corrupt-correlation", type=SHARE, help="As --loss-correlation."),
    _option("--duplicate", type=SHARE, help="So many come twice: 1%."),
    _option("--duplicate-correlation", type=SHARE, help="As --loss-correlation."),
    _option("--reorder", type=SHARE, help="So many overtake the delayed ones: 5%."),
    _option("--reorder-correlation", type=SHARE, help="As --loss-correlation."),
    _option("--gap", type=int, help="Only each so manieth packet may overtake: 5."),
    _option("--slot", "slot_min_s", type=DURATION, help="Packets come in bursts, every 20ms."),
    _option("--slot-max", "slot_max_s", type=DURATION, help="Slots are so long at most: 40ms."),
    _option("--slot-delay", "slot_delay_s", type=DURATION, help="Or: every 20ms on average,"),
    _option("--slot-jitter", "slot_jitter_s", type=DURATION, help="give or take 5ms,"),
    _option("--slot-distribution", type=click.Choice(DISTRIBUTIONS), help="in this manner."),
    _option("--slot-packets", type=int, help="So many packets in a slot: 5."),
    _option("--slot-bytes", "slot_octets", type=OCTETS, help="So many bytes in a slot: 9kb."),
    _option("--seed", type=click.IntRange(0, SEED_MAX), help="Repeat the fates of this number."),
)

#: What comes near to links that people know; each way of a link gets it.
PROFILES: Final[Mapping[str, Words]] = {
    "wifi": {
        "delay_s": 0.003,
        "jitter_s": 0.002,
        "distribution": "pareto",
        "loss": 0.01,
        "burst": 3.0,
        "rate_bit_s": 5e7,
    },
    "lte": {
        "delay_s": 0.03,
        "jitter_s": 0.008,
        "distribution": "normal",
        "loss": 0.002,
        "rate_bit_s": 2e7,
    },
    "satellite": {
        "delay_s": 0.28,
        "jitter_s": 0.01,
        "distribution": "normal",
        "loss": 0.005,
        "rate_bit_s": 1e7,
    },
    "lossy": {"loss": 0.1, "burst": 4.0},
}
_MODELS: Final = ("loss_correlation", "loss_gemodel", "loss_state")
#: One of these must be there: the others say how.
_EFFECTS: Final = (
    "delay_s",
    "jitter_s",
    "loss",
    "loss_gemodel",
    "loss_state",
    "rate_bit_s",
    "corrupt",
    "duplicate",
    "reorder",
    "slot_min_s",
    "slot_delay_s",
)


def impairment_options(command: Command) -> Command:
    """Add netem's parameters and our shorthands to a command."""
    for option in reversed(_OPTIONS):
        command = option(command)
    profile = _option(
        "--profile", type=click.Choice(list(PROFILES)), help="As on such a link; see the docs."
    )
    return profile(command)


def check_options(params: Words) -> None:
    """Raise UsageError when what was given to `fault link` makes no sense together."""
    names = (*Impairment.__struct_encode_fields__, "burst")
    impairment_of(params["profile"], {name: params.get(name) for name in names})


def impairment_of(profile: str | None, given: Words) -> dict[str, Any]:
    """Return the fields that options ask for; raises UsageError when a wire cannot be so."""
    said = {name: value for name, value in given.items() if value is not None}
    wanted = _beneath(PROFILES[profile], said) if profile else said
    burst = wanted.pop("burst", None)
    if burst is not None:
        wanted |= {"loss_gemodel": _in_bursts(wanted, burst)}
        del wanted["loss"]
    if not any(wanted.get(name) for name in _EFFECTS):
        raise UsageError(
            "say what is wrong with the link: --delay, --jitter, --loss, --rate, --corrupt, "
            "--duplicate, --reorder, --slot or --profile"
        )
    check_impairment(wanted)
    return wanted


def _beneath(profile: Words, said: Words) -> dict[str, Any]:
    """Return *profile* with what was *said* in its place; one says of loss replaces all of it."""
    about_loss = ("loss", "burst", *_MODELS)
    kept = {
        name: value
        for name, value in profile.items()
        if name not in about_loss or not any(each in said for each in about_loss)
    }
    return {**kept, **said}


def _in_bursts(wanted: Words, burst: float) -> tuple[float, float]:
    """Return P and R of the Gilbert model that loses a share in bursts of a mean length."""
    loss = wanted.get("loss")
    others = [name for name in _MODELS if name in wanted]
    if others:
        raise UsageError(f"give --burst or --{others[0].replace('_', '-')}, not both")
    if not loss:
        raise UsageError("--burst says how --loss comes: give both")
    if loss >= 1:
        raise UsageError("a loss of 100% is a partition: it has no bursts")
    if burst < loss / (1 - loss):
        least = f"{loss / (1 - loss):g} packets or more"
        raise UsageError(f"a loss of {share_text(loss)} comes in bursts of {least}, not {burst:g}")
    return loss / (1 - loss) / burst, 1 / burst
