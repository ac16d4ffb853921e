"""Prometheus' text format, version 0.0.4: one line is one sample.

What is read comes from programs that people wrote: a line that is no sample refuses the page, as
Prometheus does. HELP and TYPE are passed over, and so are values that are not finite.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

#: Name and value of each label, sorted by name.
Labels = tuple[tuple[str, str], ...]

_SAMPLE: Final = re.compile(
    r"([a-zA-Z_:][a-zA-Z0-9_:]*)(?:[ \t]*\{(.*)\}[ \t]*|[ \t]+)(\S+)(?:[ \t]+(-?\d{1,18}))?",
    re.ASCII,
)
_LABEL: Final = re.compile(
    r'[ \t]*([a-zA-Z_][a-zA-Z0-9_]*)[ \t]*=[ \t]*"((?:[^"\\]|\\.)*)"[ \t]*(?:,|$)', re.ASCII
)
_ESCAPE: Final = re.compile(r'\\([\\"n])')
_LINE_MAX: Final = 8 * 1024


class MalformedExposition(ValueError):
    """The page is none, or has more samples than are taken."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One value; `at` is Unix seconds where the line has a time of its own."""

    name: str
    labels: Labels
    value: float
    at: float | None = None

    def __str__(self) -> str:
        """Return the line."""
        shown = ",".join(f'{name}="{_escaped(value)}"' for name, value in self.labels)
        when = "" if self.at is None else f" {round(self.at * 1000)}"
        return f"{self.name}{{{shown}}} {self.value!r}{when}"


def parse(text: str, samples_max: int) -> list[Sample]:
    """Read a page; raises MalformedExposition."""
    samples: list[Sample] = []
    for line in text.split("\n"):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        if len(samples) == samples_max:
            raise MalformedExposition(f"more than {samples_max} samples")
        sample = _sample(line)
        if math.isfinite(sample.value):
            samples.append(sample)
    return samples


def _sample(line: str) -> Sample:
    found = _SAMPLE.fullmatch(line) if len(line) <= _LINE_MAX else None
    if found is None:
        raise MalformedExposition(f"not a sample: {line[:80]!r}")
    name, labels, value, at = found.groups()
    try:
        number = float(value)
    except ValueError:
        raise MalformedExposition(f"not a value: {value[:80]!r}") from None
    return Sample(name, _labels(labels or ""), number, int(at) / 1000 if at else None)


def _labels(text: str) -> Labels:
    found: dict[str, str] = {}
    place = 0
    while text[place:].strip():
        label = _LABEL.match(text, place)
        if label is None:
            raise MalformedExposition(f"not a label: {text[place : place + 80]!r}")
        found[label[1]] = _ESCAPE.sub(lambda each: "\n" if each[1] == "n" else each[1], label[2])
        place = label.end()
    return tuple(sorted(found.items()))


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def page(samples: Iterable[Sample]) -> str:
    """Return the page of *samples*."""
    return "".join(f"{sample}\n" for sample in samples)
