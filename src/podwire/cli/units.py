"""What people write for durations, shares and rates: `50ms`, `5%`, `1mbit`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

import click

_NUMBER: Final = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)([a-zµ%/]*)")
DURATIONS: Final = {"us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0}
PERCENT: Final = {"%": 0.01}
#: As tc(8) writes them: bit and its multiples of 1000.
RATES: Final = {"bit": 1.0, "kbit": 1e3, "mbit": 1e6, "gbit": 1e9}


#: As tc(8) writes sizes: multiples of 1024.
SIZES: Final = {"b": 1.0, "kb": 1024.0, "mb": 1024.0**2}


class Quantity(click.ParamType[float]):
    """A number and its unit."""

    def __init__(self, name: str, units: Mapping[str, float], example: str) -> None:
        self.name, self._units, self._example = name, units, example

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Return the number of seconds, of wholes, of bits a second."""
        if isinstance(value, float):
            return value
        match = _NUMBER.fullmatch(str(value).strip().lower())
        factor = self._units.get(match[2]) if match is not None else None
        if match is None or factor is None:
            units = ", ".join(filter(None, self._units))
            self.fail(
                f"{value!r} is no {self.name}: write {self._example} (units: {units})", param, ctx
            )
        return float(match[1]) * factor


class Share(Quantity):
    """A percentage, 0 to 100."""

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        share = super().convert(value, param, ctx)
        if share > 1:
            self.fail(f"{value} is more than all: a share is 0% to 100%", param, ctx)
        return share


class Shares(click.ParamType[tuple[float, ...]]):
    """Percentages, with blanks or commas between them."""

    name = "shares"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[float, ...]:
        """Return every percentage's share."""
        if isinstance(value, tuple):
            return value
        texts = str(value).replace(",", " ").split()
        if not texts:
            self.fail(f"{value!r} is no share: write 1% 25%", param, ctx)
        return tuple(SHARE.convert(text, param, ctx) for text in texts)


class Octets(Quantity):
    """A whole number of octets."""

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        """Return the number, rounded."""
        return round(super().convert(value, param, ctx))


DURATION: Final = Quantity("duration", DURATIONS, "50ms")
SHARE: Final = Share("share", PERCENT, "5%")
SHARES: Final = Shares()
OCTETS: Final = Octets("size", SIZES, "64kb")
RATE: Final = Quantity("rate", RATES, "1mbit")


def duration_text(seconds: float) -> str:
    """Return *seconds* as a person writes them."""
    if seconds >= 1 or seconds == 0:
        return f"{seconds:g}s"
    return f"{seconds * 1e3:g}ms"


def share_text(share: float) -> str:
    return f"{share * 100:g}%"


def octets_text(octets: int) -> str:
    """Return a size as tc writes it, to three digits."""
    for unit, factor in reversed(SIZES.items()):
        if octets >= factor:
            return f"{octets / factor:.3g}{unit}"
    return f"{octets}b"


def rate_text(bit_s: float) -> str:
    """Return a rate as tc writes it."""
    for unit, factor in reversed(RATES.items()):
        if bit_s >= factor:
            return f"{bit_s / factor:g}{unit}"
    return f"{bit_s:g}bit"
