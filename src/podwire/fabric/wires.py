"""All wires, one timer: the shell that drives stacks and links between batches of octets."""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Callable
from ipaddress import IPv4Address

from componentbase.clock import monotonic
from netstack.timers import TimerHeap
from podwire.fabric.rules import Rules
from podwire.fabric.wire import Wire


class Wires:
    """The wires between pairs of hosts whose link has a fault, or had one.

    A wire is never thrown away: its stacks may still have something to say (TIME-WAIT), and two
    wires between the same hosts would take each other's packets from the link.
    """

    def __init__(
        self, rules: Rules, address_of: Callable[[str, str], dict[str, IPv4Address]]
    ) -> None:
        """*address_of* tells the addresses that two hosts have on the wire between them."""
        self._rules, self._address_of = rules, address_of
        self._loop = asyncio.get_running_loop()
        self._rng = random.Random()
        self._wires: dict[frozenset[str], Wire] = {}
        self._timers = TimerHeap()
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = math.inf
        self._touched: dict[Wire, None] = {}

    def between(self, one: str, other: str) -> Wire:
        """Return the wire between two hosts."""
        pair = frozenset((one, other))
        wire = self._wires.get(pair)
        if wire is None:
            wire = self._wires[pair] = Wire(self._address_of(one, other), self._rules, self._rng)
        return wire

    def touch(self, wire: Wire) -> None:
        """Let *wire* carry what its stacks have to say, after this event."""
        if not self._touched:
            self._loop.call_soon(self._flush)
        self._touched[wire] = None

    def rules_changed(self, healed: dict[tuple[str, str], list[bytes]]) -> None:
        """Look again at every wire; *healed* is what was under way where there is no fault now."""
        for (source, to), packets in healed.items():
            wire = self._wires.get(frozenset((source, to)))
            if wire is not None:
                wire.arrive(to, packets, monotonic())
        for wire in self._wires.values():
            self.touch(wire)

    def close(self) -> None:
        """Carry nothing more."""
        if self._timer is not None:
            self._timer.cancel()

    def _flush(self) -> None:
        touched, self._touched = self._touched, {}
        now = monotonic()
        for wire in touched:
            wire.exchange(now)
            self._timers.schedule(wire, wire.deadline())
        self._set_timer()

    def _set_timer(self) -> None:
        deadline = self._timers.deadline()
        if deadline >= self._timer_at:
            return  # A timer that comes too early finds nothing due.
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = deadline
        delay_s = max(0.0, deadline - monotonic())
        self._timer = self._loop.call_later(delay_s, self._due)

    def _due(self) -> None:
        self._timer, self._timer_at = None, math.inf
        self._timers.run(monotonic())
        self._set_timer()
