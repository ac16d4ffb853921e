"""The fabric: doors and balancers, the relays behind them, and the faults on their links."""

from __future__ import annotations

import asyncio
import logging
import random
import socket
from collections.abc import Sequence
from functools import partial
from ipaddress import IPv4Address
from typing import Final

from componentbase.clock import monotonic
from componentbase.journal import Journal
from podwire.fabric.balancer import (
    SILENT_CHECKS_MAX,
    Balancer,
    Finding,
    State,
    Target,
    must_end,
)
from podwire.fabric.config import OUTSIDE, Address, Door, Rule, Topology
from podwire.fabric.dial import NO_ANSWER, Dial
from podwire.fabric.doors import Listener
from podwire.fabric.health import TIMEOUT_S
from podwire.fabric.relay import Call, Relay
from podwire.fabric.rules import Rules
from podwire.fabric.side import BUFFER_OCTETS, reset
from podwire.fabric.syn_filter import Deafness
from podwire.fabric.wires import Wires

log = logging.getLogger(__name__)

#: Relayed connections, and such that are being dialled; more are reset. Each has two sockets.
CONNECTIONS_MAX: Final = 8192
#: As long as two health checks from where the dialler is would wait in vain.
CUT_OFF_S: Final = SILENT_CHECKS_MAX * TIMEOUT_S
#: A timer may fire a little before a clock that is not the loop's says so.
_TIMER_EARLY_S: Final = 0.01
_UNDERLAY: Final = IPv4Address("192.168.64.0")
_OUTSIDE_HOST: Final = 254
#: etcd-K lives at control-plane-K's addresses; on a wire between the two it needs another.
_SECOND_NETWORK: Final = 256


class Fabric:
    """Everything between the hosts; made inside the event loop."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._loop = asyncio.get_running_loop()
        self.rules = Rules(random.Random())
        self.wires = Wires(self.rules, self._wire_addresses)
        self.topology = Topology()
        self.balancers: dict[Address, Balancer] = {}
        self._targets: dict[Address, Target] = {}  # Of all balancers.
        self._near: dict[str, IPv4Address] = {}
        self._listeners: dict[Address, Listener] = {}
        self._doors: dict[Address, Door] = {}
        self._relays: dict[Relay, None] = {}
        self._dials: dict[Dial, None] = {}
        self._buffer = memoryview(bytearray(BUFFER_OCTETS))

    def close(self) -> None:
        """Stop listening and end every connection."""
        for listener in self._listeners.values():
            listener.close()
        self._listeners.clear()
        for dial in list(self._dials):
            dial.close()
        for relay in list(self._relays):
            relay.reset()
        self.wires.close()

    # What the launcher asks.

    def configure(self, topology: Topology) -> None:
        """Listen as *topology* says; raises OSError, and changes nothing, when that cannot be.

        Running connections stay, also those of doors that are gone.
        """
        wanted = topology.listened
        opened: dict[Address, Listener] = {}
        try:
            for address in wanted:
                if address not in self._listeners:
                    opened[address] = Listener(address, partial(self._accepted, address))
        except OSError:
            for listener in opened.values():
                listener.close()
            raise
        for address in [each for each in self._listeners if each not in wanted]:
            self._listeners.pop(address).close()
        self._listeners |= opened
        self.topology, self._near = topology, topology.near_addresses()
        self._doors = {door.listen: door for door in topology.doors}
        self._configure_balancers()
        self._set_deafness()
        for listener in opened.values():
            listener.start()

    def _configure_balancers(self) -> None:
        entries = self.topology.balancers
        known, self._targets = self._targets, {}
        for each in (target for entry in entries for target in entry.targets):
            target = known.get(each.address)
            kept = target is not None and target.entry == each
            self._targets[each.address] = target if target and kept else Target(each)
        self.balancers = {
            entry.listen: Balancer(entry, [self._targets[each.address] for each in entry.targets])
            for entry in entries
        }

    def impair(self, rules: Sequence[Rule]) -> None:
        """Let exactly *rules* hold, for every packet from now on; raises ValueError."""
        healed = self.rules.replace(rules, monotonic())
        self._set_deafness()
        for relay in list(self._relays):
            call = relay.call
            if not relay.impaired and self.rules.impaired(call.source, call.host):
                relay.move(self.wires)
        self._loop.call_later(CUT_OFF_S + _TIMER_EARLY_S, self._leave_silent_targets)
        self.wires.rules_changed(
            {way: [packet for _, packet in link.release()] for way, link in healed.items()}
        )

    def status(self) -> dict[str, object]:
        """Return the connections and the balancers."""
        return {
            "connections": [_row(relay) for relay in self._relays],
            "balancers": [balancer.row() for balancer in self.balancers.values()],
        }

    # Connections.

    def _accepted(self, listen: Address, dialler: socket.socket, address: str) -> None:
        if len(self._relays) + len(self._dials) >= CONNECTIONS_MAX:
            log.warning("%s connections: %s is turned away", CONNECTIONS_MAX, address)
            reset(dialler)
            dialler.close()
            return
        dial = Dial(self, (dialler, address), self._choices(listen, address), self._dial_over)
        self._dials[dial] = None
        dial.start()

    def _choices(self, listen: Address, address: str) -> list[tuple[Call, Address]]:
        source = self.topology.hosts.get(address, OUTSIDE)
        door = self._doors.get(listen)
        if door is not None:
            call = Call(door.source or source, door.host, door.target[1])
            return [(call, door.target)]
        balancer = self.balancers.get(listen)
        if balancer is None:
            return []  # Accepted just before the listener went.
        targets = balancer.order(partial(self._reaches, source))
        return [
            (Call(source, each.entry.host, each.entry.address[1], listen), each.entry.address)
            for each in targets
        ]

    def _dial_over(self, dial: Dial) -> None:
        self._dials.pop(dial, None)

    def relay(self, call: Call, sockets: tuple[socket.socket, socket.socket]) -> Relay:
        """Make a relay of two connected sockets."""
        relay = Relay(call, sockets, self._buffer, self._relay_over)
        self._relays[relay] = None
        return relay

    def _relay_over(self, relay: Relay) -> None:
        self._relays.pop(relay, None)

    # Balancers.

    def failed(self, call: Call, address: Address, error: str) -> None:
        """Hear that dialling *address* failed: a balancer need not wait for its next check."""
        if call.via is not None:
            state = State.SILENT if error == NO_ANSWER else State.DOWN
            self.heard(address, Finding(state, error))

    def heard(self, address: Address, finding: Finding) -> None:
        """Take the result of a health check."""
        checked = self._targets.get(address)
        if checked is None:
            return
        was_live, host, error = checked.live, checked.entry.host, finding.error
        checked.heard(finding)
        if checked.live != was_live:
            log.info("%s is %s %s", host, "live" if checked.live else "down:", error)
            self._journal.note("target-up" if checked.live else "target-down", host, error=error)
        for relay in list(self._relays):
            call = relay.call
            target = self._target_of(call)
            if target and must_end(target, checked, partial(self._reaches, call.source)):
                relay.reset()
        self._leave_silent_targets()  # This one may be the first that answers.

    def _target_of(self, call: Call) -> Target | None:
        balancer = None if call.via is None else self.balancers.get(call.via)
        return None if balancer is None else balancer.target(call.host)

    def _leave_silent_targets(self) -> None:
        """End balanced connections that have been cut off for long, if another target answers.

        The dialler's own kernel hears acknowledgments from us: it would wait for ever.
        """
        now = monotonic()
        for relay in list(self._relays):
            call = relay.call
            balancer = None if call.via is None else self.balancers.get(call.via)
            since = self.rules.silent_since(call.source, call.host)
            if balancer is None or now < since + CUT_OFF_S:
                continue
            others = balancer.order(partial(self._reaches, call.source))
            if any(each.state is not State.SILENT for each in others):
                relay.reset()

    def _reaches(self, source: str, host: str) -> bool:
        return not self.rules.silent(source, host)

    # Links.

    def _set_deafness(self) -> None:
        """Let every listener ignore those whose handshake cannot cross its link."""
        for listen, listener in self._listeners.items():
            door = self._doors.get(listen)
            if door is not None and door.source:
                listener.be_deaf(Deafness(everybody=self.rules.silent(door.source, door.host)))
                continue
            hosts = [door.host] if door is not None else self._balanced(listen)
            listener.be_deaf(self._deafness_towards(hosts))

    def _balanced(self, listen: Address) -> list[str]:
        return [each.entry.host for each in self.balancers[listen].targets]

    def _deafness_towards(self, hosts: Sequence[str]) -> Deafness:
        def cut_off(source: str) -> bool:
            return bool(hosts) and all(self.rules.silent(source, host) for host in hosts)

        diallers = {IPv4Address(near): name for near, name in self.topology.hosts.items()}
        return Deafness(
            everybody=cut_off(OUTSIDE),
            heard=tuple(near for near, name in diallers.items() if not cut_off(name)),
            unheard=tuple(near for near, name in diallers.items() if cut_off(name)),
        )

    def _wire_addresses(self, one: str, other: str) -> dict[str, IPv4Address]:
        addresses = {name: self._emulated(name) for name in (one, other)}
        if addresses[one] == addresses[other]:
            addresses[other] += _SECOND_NETWORK
        return addresses

    def _emulated(self, host: str) -> IPv4Address:
        near = self._near.get(host)
        return _UNDERLAY + (_OUTSIDE_HOST if near is None else near.packed[3])


def _row(relay: Relay) -> dict[str, object]:
    octets_in, octets_out = relay.octets
    return {
        "source": relay.call.source,
        "host": relay.call.host,
        "octets_in": octets_in,
        "octets_out": octets_out,
        "impaired": relay.impaired,
    }
