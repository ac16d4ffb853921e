"""What a scenario expects, in sentences, and how each is judged.

A sentence is one of five kinds by when it is judged:

* *settled*: true at its deadline; how long it took is when it last became true. A cluster
  does not notice at once what was done to it, so a first look would always be content. Once it
  was seen broken it is settled earlier: when it is whole for `STEADY_S`.
* *seen*: true at least once before its deadline.
* *held*: true at every moment up to its end.
* *kept*: compared at the end of the run with the beginning.
* *felt*: judged at the end by what the run's load felt.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final

from podwire.scenario.felt import Felt
from podwire.scenario.world import World

_UNITS: Final[Mapping[str, float]] = {"ms": 0.001, "s": 1.0, "m": 60.0}
_NUMBER: Final = r"[0-9]+(?:\.[0-9]+)?"
_NAME: Final = r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?"
SPAN_MAX_S: Final = 3600.0

#: What was broken and is whole for so long is settled.
STEADY_S: Final = 3.0

#: Says what is wrong, or "" when all is as expected.
Look = Callable[[World], str]
Feel = Callable[[Felt], str]


class ExpectationError(ValueError):
    """A sentence that nobody can judge."""


class When(Enum):
    """When an expectation is judged."""

    SETTLED = "settled"
    SEEN = "seen"
    HELD = "held"
    KEPT = "kept"
    FELT = "felt"


@dataclass(frozen=True, slots=True)
class Expectation:
    """A sentence that was understood."""

    text: str
    when: When
    span_s: float = 0.0  # From its step to its deadline.
    look: Look | None = None
    feel: Feel | None = None
    node: str = ""  # The one that it is about.
    #: Whether judging it asks the API server to write something.
    probes: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """How an expectation came out: *why* it failed, or what is worth telling."""

    expectation: Expectation
    passed: bool
    why: str
    took_s: float | None = None


class Judge:
    """Follows one expectation of a step that was taken at *began*."""

    def __init__(self, expectation: Expectation, began: float) -> None:
        assert expectation.look is not None
        self.expectation, self._look = expectation, expectation.look
        self._began, self.deadline = began, began + expectation.span_s
        self._wrong = "nothing was seen of it"
        self._true_since: float | None = None
        self._was_broken = False

    def see(self, world: World, now: float) -> Verdict | None:
        """Look at the cluster; return the verdict once there is one."""
        self._wrong = self._look(world)
        if self._wrong:
            self._true_since, self._was_broken = None, True
            if self.expectation.when is When.HELD:
                return self._verdict(False, self._wrong, now - self._began)
        elif self._true_since is None:
            self._true_since = now
        if self.expectation.when is When.SEEN and self._true_since is not None:
            return self._verdict(True, "", now - self._began)
        return self._end() if now >= self.deadline or self._is_settled(now) else None

    def _is_settled(self, now: float) -> bool:
        return (
            self.expectation.when is When.SETTLED
            and self._was_broken
            and self._true_since is not None
            and now - self._true_since >= STEADY_S
        )

    def _end(self) -> Verdict:
        if self._true_since is None:
            return self._verdict(False, self._wrong, None)
        took_s = None if self.expectation.when is When.HELD else self._true_since - self._began
        return self._verdict(True, "", took_s)

    def _verdict(self, passed: bool, why: str, took_s: float | None) -> Verdict:
        return Verdict(self.expectation, passed, why, took_s)


def seconds(text: str) -> float:
    """Read `6s`, `6 s`, `500ms` or `2m`; raises ExpectationError."""
    match = re.fullmatch(rf"({_NUMBER})\s*(ms|s|m)", text.strip())
    if match is None:
        raise ExpectationError(f"{text!r} is no duration; 6s, 500ms and 2m are")
    value = float(match[1]) * _UNITS[match[2]]
    if value > SPAN_MAX_S:
        raise ExpectationError(f"{text!r} is too long; at most {SPAN_MAX_S:.0f} s")
    return value


# --- what sentences look at ----------------------------------------------------------------------


def _every_pod(deployment: str) -> Look:
    return lambda world: _listed(world.missing_pods(deployment))


def _every_node(world: World) -> str:
    return _listed([f"{name} is not Ready" for name in world.unready_nodes()])


def _node(name: str, ready: bool) -> Look:
    def look(world: World) -> str:
        if name not in world.nodes:
            return f"there is no Node {name}"
        word = "Ready" if world.nodes[name] else "NotReady"
        return "" if world.nodes[name] == ready else f"{name} is {word}"

    return look


def _endpoints(service: str, count: int) -> Look:
    def look(world: World) -> str:
        there = len(world.endpoints.get(service, ()))
        return "" if there == count else f"{service} has {there} endpoints"

    return look


def _no_endpoint_on(service: str, node: str) -> Look:
    def look(world: World) -> str:
        there = world.endpoints.get(service, ()).count(node)
        return f"{service} has {there} endpoints on {node}" if there else ""

    return look


def _answers(world: World) -> str:
    return "" if world.answers else "the API server does not answer"


def _takes_writes(world: World) -> str:
    return "" if world.writes else "a write was refused"


def _refuses_writes(world: World) -> str:
    return "a write was taken" if world.writes else ""


def _fails_at_most(share: float) -> Feel:
    def feel(felt: Felt) -> str:
        failed = felt.failed / felt.sent if felt.sent else 1.0
        return f"{100 * failed:.1f} % failed" if failed > share else ""

    return feel


def _outage_at_most(longest_s: float) -> Feel:
    def feel(felt: Felt) -> str:
        worst = felt.longest_outage_s
        return f"requests failed for {worst:.2f} s" if worst > longest_s else ""

    return feel


def _quantile(name: str, side: str, limit_s: float) -> Feel:
    def feel(felt: Felt) -> str:
        value = felt.latency_s.get(name)
        if value is None:
            return "no request succeeded"
        held = value < limit_s if side == "below" else value > limit_s
        return "" if held else f"{name} is {1000 * value:.1f} ms"

    return feel


def _listed(wrong: list[str]) -> str:
    more = f" and {len(wrong) - 3} more" if len(wrong) > 3 else ""
    return ", ".join(wrong[:3]) + more


# --- the grammar ---------------------------------------------------------------------------------

_Fields = Mapping[str, str]


def _within(look: Callable[[_Fields], Look], when: When = When.SETTLED) -> Callable[..., object]:
    return lambda text, g: Expectation(
        text, when, seconds(g["span"]), look(g), node=g.get("node", "")
    )


def _probe(look: Look, when: When) -> Callable[..., object]:
    return lambda text, g: Expectation(text, when, seconds(g["span"]), look, probes=True)


def _felt(feel: Callable[[_Fields], Feel]) -> Callable[..., object]:
    return lambda text, g: Expectation(text, When.FELT, feel=feel(g))


_SPAN: Final = rf"(?P<span>{_NUMBER}\s*(?:ms|s|m))"
_GRAMMAR: Final[tuple[tuple[str, str, Callable[..., object]], ...]] = (
    (
        "every pod [of DEPLOYMENT] Ready within 20s",
        rf"every pod(?: of (?P<of>{_NAME}))? Ready within {_SPAN}",
        _within(lambda g: _every_pod(g["of"] or "")),
    ),
    (
        "every node Ready within 20s",
        rf"every node Ready within {_SPAN}",
        _within(lambda _g: _every_node),
    ),
    (
        "NODE Ready within 10s",
        rf"(?P<node>{_NAME}) Ready within {_SPAN}",
        _within(lambda g: _node(g["node"], ready=True)),
    ),
    (
        "NODE NotReady within 8s",
        rf"(?P<node>{_NAME}) NotReady within {_SPAN}",
        _within(lambda g: _node(g["node"], ready=False), When.SEEN),
    ),
    (
        "NODE stays Ready for 5s",
        rf"(?P<node>{_NAME}) stays Ready for {_SPAN}",
        _within(lambda g: _node(g["node"], ready=True), When.HELD),
    ),
    (
        "service SERVICE has 3 endpoints within 10s",
        rf"service (?P<service>{_NAME}) has (?P<count>[0-9]+) endpoints? within {_SPAN}",
        _within(lambda g: _endpoints(g["service"], int(g["count"]))),
    ),
    (
        "service SERVICE has no endpoint on NODE within 6s",
        rf"service (?P<service>{_NAME}) has no endpoint on (?P<node>{_NAME}) within {_SPAN}",
        _within(lambda g: _no_endpoint_on(g["service"], g["node"]), When.SEEN),
    ),
    (
        "the API answers within 5s",
        rf"the API answers within {_SPAN}",
        _within(lambda _g: _answers),
    ),
    (
        "the API takes writes within 5s",
        rf"the API takes writes within {_SPAN}",
        _probe(_takes_writes, When.SETTLED),
    ),
    (
        "the API refuses writes within 5s",
        rf"the API refuses writes within {_SPAN}",
        _probe(_refuses_writes, When.SEEN),
    ),
    (
        "no pod is replaced",
        r"no pod is replaced",
        lambda text, _g: Expectation(text, When.KEPT),
    ),
    (
        "no request fails",
        r"no request fails",
        _felt(lambda _g: _fails_at_most(0.0)),
    ),
    (
        "no request fails for more than 6s",
        rf"no request fails for more than {_SPAN}",
        _felt(lambda g: _outage_at_most(seconds(g["span"]))),
    ),
    (
        "at most 5% of requests fail",
        rf"at most (?P<percent>{_NUMBER})\s*% of requests fail",
        _felt(lambda g: _fails_at_most(float(g["percent"]) / 100)),
    ),
    (
        "p99 below 50ms",  # Or above: what is broken should be felt.
        rf"(?P<quantile>p50|p90|p99|p99\.9|max) (?P<side>below|above) {_SPAN}",
        _felt(lambda g: _quantile(g["quantile"], g["side"], seconds(g["span"]))),
    ),
)


def parse(text: str) -> Expectation:
    """Understand a sentence; raises ExpectationError that lists those there are."""
    words = " ".join(text.split())
    for _, pattern, make in _GRAMMAR:
        if match := re.fullmatch(pattern, words):
            made = make(words, match.groupdict())
            assert isinstance(made, Expectation)
            return made
    known = "\n  ".join(example for example, _, _ in _GRAMMAR)
    raise ExpectationError(f"{text!r} is no expectation; there are\n  {known}")
