"""What is said of faults: a rule in netem's words, its packets' fates, who has not heard."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import Any, Final

import click

from netdev.impairment import Impairment
from podwire.cli.units import duration_text, octets_text, rate_text, share_text

Words = Mapping[str, Any]
#: What may have become of packets, but that they were offered and delivered.
_FATES: Final = (
    "lost",
    "marked",
    "corrupted",
    "duplicated",
    "reordered",
    "delayed",
    "overlimit",
    "queued",
)


def words_of(rule: Words) -> str:
    """Return what is wrong, as tc-netem(8) would say it."""
    usual = Impairment()
    parts = [
        _delay(rule),
        _loss(rule) + (" ecn" if rule.get("ecn") else ""),
        *(_share(rule, name) for name in ("corrupt", "duplicate", "reorder")),
        f"gap {rule['gap']}" if rule.get("gap") else "",
        _rate(rule),
        _slot(rule),
        *(
            f"limit {text(rule[name])}"
            for name, text in (("limit", str), ("limit_octets", octets_text))
            if rule.get(name, getattr(usual, name)) != getattr(usual, name)
        ),
    ]
    return ", ".join(filter(None, parts))


def _delay(rule: Words) -> str:
    delay_s, jitter_s = rule.get("delay_s", 0.0), rule.get("jitter_s", 0.0)
    if not delay_s and not jitter_s:
        return ""
    words = ["delay", duration_text(delay_s)]
    words += [duration_text(jitter_s)] if jitter_s else []
    words += [share_text(rule["delay_correlation"])] if rule.get("delay_correlation") else []
    distribution = rule.get("distribution", "uniform")
    words += [f"distribution {distribution}"] if distribution != "uniform" else []
    return " ".join(words)


def _rate(rule: Words) -> str:
    if not rule.get("rate_bit_s"):
        return ""
    more = [rule.get(name, 0) for name in ("rate_overhead", "rate_cell", "rate_cell_overhead")]
    while more and not more[-1]:  # They have their places, so those in front stay.
        more.pop()
    return " ".join(("rate", rate_text(rule["rate_bit_s"]), *map(str, more)))


def _slot(rule: Words) -> str:
    if rule.get("slot_delay_s"):
        words = ["slot distribution", rule.get("slot_distribution", "uniform")]
        words += [duration_text(rule.get(name, 0)) for name in ("slot_delay_s", "slot_jitter_s")]
    elif rule.get("slot_min_s"):
        words = ["slot", duration_text(rule["slot_min_s"])]
        words += [duration_text(rule["slot_max_s"])] if rule.get("slot_max_s") else []
    else:
        return ""
    words += [f"packets {rule['slot_packets']}"] if rule.get("slot_packets") else []
    words += [f"bytes {octets_text(rule['slot_octets'])}"] if rule.get("slot_octets") else []
    return " ".join(words)


def _loss(rule: Words) -> str:
    if rule.get("loss", 0.0) >= 1 and not rule.get("ecn"):
        return "partition"
    for field, name in (("loss_gemodel", "gemodel"), ("loss_state", "state")):
        if rule.get(field):
            return " ".join(("loss", name, *map(share_text, rule[field])))
    return _share(rule, "loss")


def _share(rule: Words, name: str) -> str:
    if not rule.get(name):
        return ""
    correlation = rule.get(f"{name}_correlation")
    return " ".join(
        (name, share_text(rule[name]), *([share_text(correlation)] if correlation else []))
    )


def lines_of(rule: Words, width: int) -> list[str]:
    """Return a way, what is wrong with it, and what its packets felt, in so many columns."""
    wrap = textwrap.TextWrapper(
        width, initial_indent="  ", subsequent_indent="    ", break_long_words=False
    )
    return [
        f"{rule['from']} → {rule['to']}  seed {rule['seed']}",
        *wrap.wrap(words_of(rule)),
        *wrap.wrap(fates_of(rule)),
    ]


def fates_of(rule: Words) -> str:
    """Return packets, octets, and what became of them."""
    if "packets" not in rule:
        return "packets unknown: who counts them does not answer"
    parts = [f"{rule[name]} {name}" for name in _FATES if rule.get(name)]
    sent = f"{rule['packets']} packets, {octets_text(rule['octets'])}"
    return ": ".join(filter(None, (sent, ", ".join(parts))))


def tell_unheard(answer: Words) -> None:
    """Say who does not enforce yet what was asked."""
    if answer["unheard"]:
        names = ", ".join(answer["unheard"])
        click.echo(f"podwire: not yet in force at {names}: told when it answers again", err=True)
