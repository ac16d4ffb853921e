"""A scenario as a file has it, and as a run needs it.

The file is YAML, its fields those of `File`. Reading it checks everything that can be known before
anything is done: fields, durations, sentences, commands and their options. `$NAME` stands for what
`pick` chose with the scenario's seed, so the same seed does the same things at the same times. What
the file picks is chosen once; what a step picks is chosen anew each time that the step is taken.
"""

from __future__ import annotations

import random
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Final

import msgspec
import yaml

from kubeapi.bounded_yaml import BoundedLoader
from podwire.cluster.layout import UsageError
from podwire.scenario import expectations
from podwire.scenario.expectations import Expectation, ExpectationError, When

STEPS_MAX: Final = 1000
_RATE_MAX: Final = 2000.0


class Needs(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="kebab"):
    """What the cluster must have at least."""

    nodes: int = 1
    control_planes: int = 1


class LoadEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Requests that are sent from the first step to the end. A node's name may be the host."""

    url: str
    rate: float = 50.0
    timeout: str = "1s"
    fresh: bool = True


class Repeat(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Take the step so often."""

    times: int
    every: str


class StepEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is done at a time, and what must come of it."""

    at: str
    do: list[str] = []
    expect: list[str] = []
    repeat: Repeat | None = None
    pick: dict[str, list[str]] = {}


class File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file."""

    name: str
    steps: list[StepEntry]
    about: str = ""
    seed: int = 0
    needs: Needs = Needs()
    pick: dict[str, list[str]] = {}
    apply: list[str] = []
    load: list[LoadEntry] = []
    expect: list[str] = []


@dataclass(frozen=True, slots=True)
class Step:
    """One moment of a run: commands of `podwire`, word by word."""

    at_s: float
    commands: tuple[tuple[str, ...], ...]
    expected: tuple[Expectation, ...]


@dataclass(frozen=True, slots=True)
class Scenario:
    """A scenario that makes sense."""

    name: str
    about: str
    seed: int
    needs: Needs
    picked: Mapping[str, str]
    manifests: tuple[Path, ...]
    load: tuple[LoadEntry, ...]
    steps: tuple[Step, ...]
    expected: tuple[Expectation, ...]

    @property
    def probes_writes(self) -> bool:
        return any(one.probes for step in self.steps for one in step.expected)


#: Raises UsageError when the words are no command that a scenario may give.
CheckCommand = Callable[[Sequence[str]], object]


def read(path: Path, check_command: CheckCommand, *, seed: int | None = None) -> Scenario:
    """Read the scenario in *path*; raises UsageError that says where it is wrong."""
    try:
        content = yaml.load(path.read_text(), BoundedLoader)
        file = msgspec.convert(content, File)
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from None
    except msgspec.ValidationError as error:
        raise UsageError(f"{path}: {error}") from None
    except (yaml.YAMLError, RecursionError, ValueError) as error:  # A date that is none, say.
        raise UsageError(f"{path}: {' '.join(str(error).split())}") from None
    try:
        return _Reader(file, file.seed if seed is None else seed, check_command).scenario(path)
    except ExpectationError as error:
        raise UsageError(f"{path}: {error}") from None
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from None


class _Reader:
    """Turns a file into a scenario."""

    def __init__(self, file: File, seed: int, check_command: CheckCommand) -> None:
        self._file, self._seed, self._check = file, seed, check_command
        self._rng = random.Random(seed)
        self._picked = self._pick("pick", file.pick)

    def _pick(self, where: str, choices: Mapping[str, Sequence[str]]) -> dict[str, str]:
        for name, values in choices.items():
            if not values:
                raise UsageError(f"{where}.{name}: there is nothing to choose from")
        return {name: self._rng.choice(values) for name, values in choices.items()}

    def scenario(self, path: Path) -> Scenario:
        file = self._file
        picked = self._picked
        manifests = tuple(path.parent / _fill(name, picked) for name in file.apply)
        for manifest in manifests:
            if not manifest.is_file():
                raise UsageError(f"apply: there is no file {manifest}")
        steps = sorted(self._steps(), key=lambda step: step.at_s)
        if not steps:
            raise UsageError("steps: there are none")
        return Scenario(
            name=file.name,
            about=file.about,
            seed=self._seed,
            needs=file.needs,
            picked=self._picked,
            manifests=manifests,
            load=tuple(self._load(index, load) for index, load in enumerate(file.load)),
            steps=tuple(steps),
            expected=self._final(),
        )

    def _steps(self) -> list[Step]:
        found: list[Step] = []
        for index, entry in enumerate(self._file.steps):
            where = f"steps[{index}]"
            if not entry.do and not entry.expect:
                raise UsageError(f"{where}: it neither does nor expects anything")
            at_s = _seconds(f"{where}.at", entry.at)
            delays = _delays(where, entry)
            if len(found) + len(delays) > STEPS_MAX:
                raise UsageError(f"steps: they are too many; at most {STEPS_MAX}")
            found += [self._step(where, entry, at_s + delay_s) for delay_s in delays]
        return found

    def _step(self, where: str, entry: StepEntry, at_s: float) -> Step:
        picked = self._picked | self._pick(f"{where}.pick", entry.pick)
        return Step(
            at_s,
            tuple(self._command(where, text, picked) for text in entry.do),
            tuple(_expectation(where, text, picked) for text in entry.expect),
        )

    def _command(self, where: str, text: str, picked: Mapping[str, str]) -> tuple[str, ...]:
        try:
            words = tuple(shlex.split(_fill(text, picked)))
        except ValueError as error:
            raise UsageError(f"{where}.do: {text!r}: {error}") from None
        try:
            self._check(words)
        except UsageError as error:
            raise UsageError(f"{where}.do: {text!r}: {error}") from None
        return words

    def _final(self) -> tuple[Expectation, ...]:
        found = []
        for text in self._file.expect:
            try:
                expected = expectations.parse(_fill(text, self._picked))
            except ExpectationError as error:
                raise UsageError(f"expect: {error}") from None
            if expected.look is not None:
                raise UsageError(f"expect: {text!r} counts from a step; move it to one")
            if expected.when is When.FELT and not self._file.load:
                raise UsageError(f"expect: {text!r} needs a `load`")
            found.append(expected)
        return tuple(found)

    def _load(self, index: int, load: LoadEntry) -> LoadEntry:
        _seconds(f"load[{index}].timeout", load.timeout)
        if not 0 < load.rate <= _RATE_MAX:
            raise UsageError(f"load[{index}].rate: above 0 and at most {_RATE_MAX:.0f}")
        return msgspec.structs.replace(load, url=_fill(load.url, self._picked))


def _expectation(where: str, text: str, picked: Mapping[str, str]) -> Expectation:
    try:
        expected = expectations.parse(_fill(text, picked))
    except ExpectationError as error:
        raise UsageError(f"{where}.expect: {error}") from None
    if expected.look is None:
        raise UsageError(f"{where}.expect: {text!r} is judged at the end; move it to `expect`")
    return expected


def _fill(text: str, picked: Mapping[str, str]) -> str:
    try:
        return Template(text).substitute(picked)
    except KeyError as error:
        raise UsageError(f"{text!r}: {error} was not picked; see `pick`") from None
    except ValueError:
        raise UsageError(f"{text!r}: a $ that is no $NAME is written $$") from None


def _delays(where: str, entry: StepEntry) -> list[float]:
    """Return how long after `at` a step is taken, each time."""
    repeat = entry.repeat
    if repeat is None:
        return [0.0]
    if not 1 <= repeat.times <= STEPS_MAX:
        raise UsageError(f"{where}.repeat.times: 1 to {STEPS_MAX}, not {repeat.times}")
    every_s = _seconds(f"{where}.repeat.every", repeat.every)
    return [time * every_s for time in range(repeat.times)]


def _seconds(where: str, text: str) -> float:
    try:
        return expectations.seconds(text)
    except ExpectationError as error:
        raise UsageError(f"{where}: {error}") from None
