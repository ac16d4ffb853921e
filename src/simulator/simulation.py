"""One run: a plan, a seed, and what came of it.

The plan's events happen; when the last fault is over and everything has had time to be told, every
service is asked once more, from every node: these *probes* must succeed and must reach an endpoint
that is ready. Then everybody falls silent, a day passes, and nothing may be left.
"""

from __future__ import annotations

import errno
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from netstack.neighbour import GC_THRESH1
from simulator import checkers
from simulator.cluster import DETECTED_AFTER_S
from simulator.conversation import Conversation
from simulator.director import Director
from simulator.link import Watch
from simulator.plan import Converse, Flood, Plan, RouteLoop
from simulator.world import EPOCH_S, Stalled, World

#: After the last fault: until endpoints are told, and neighbours that failed are asked again.
_SETTLED_AFTER_S: Final = DETECTED_AFTER_S + 3.0
#: Within which a probe must be over.
_CONVERGED_WITHIN_S: Final = 120.0
#: Within which every conversation must have ended, one way or the other: tcp_retries2 and more.
_OVER_WITHIN_S: Final = 1500.0
#: The last timers: TIME-WAIT, FIN-WAIT-2, stale neighbours, the bridge's memory.
_QUIET_S: Final = 700.0
#: Longer than the longest timeout of conntrack.
_DAY_S: Final = 90_000.0
_VIOLATIONS_MAX: Final = 20
_FIRST_PROBE: Final = 10_000
#: A lossy wire may swallow a whole handshake, or three questions of ARP: clients try again.
_TRIES: Final = 3
#: Time does not end a burst, only packets do: somebody who tries has to send it to its end.
_TRIES_IN_BURSTS: Final = 10


@dataclass(slots=True)
class Outcome:
    """What came of a run; it was good if there are no violations."""

    violations: list[str] = field(default_factory=list)
    virtual_s: float = 0.0
    packets: int = 0
    conversations: int = 0
    succeeded: int = 0
    drops: Counter[str] = field(default_factory=Counter)


class Simulation:
    """A plan on its way."""

    def __init__(self, plan: Plan, seed: int, *, watch: Watch | None = None) -> None:
        """*watch* sees every packet that is put on a wire."""
        self.plan, self.world, self.outcome = plan, World(seed), Outcome()
        floods = self._floods = any(isinstance(event, Flood) for event in plan.events)
        loops = any(isinstance(event, RouteLoop) for event in plan.events)
        self._wires = checkers.WireWatch(
            self._complain,
            nodes=plan.nodes,
            checksums=not (plan.corrupts or floods),
            ttl=not (plan.corrupts or floods or loops),
        )
        self.director = Director(self.world, plan, self._complain)
        self.cluster = self.director.cluster
        self._probed = 0
        self.cluster.watches += [self._wires.see, *([watch] if watch else [])]

    def run(self) -> Outcome:
        """Do everything; return what came of it."""
        try:
            self._happen()
            self._converge()
            self._fall_silent()
        except Stalled as error:
            self._complain(f"the world does not come to rest: {error}")
        outcome, talks = self.outcome, self.director.conversations.values()
        outcome.virtual_s = self.world.now - EPOCH_S
        outcome.packets = self._wires.packets
        outcome.conversations = len(talks)
        outcome.succeeded = sum(each.succeeded for each in talks)
        for pod in self.cluster.pods.values():
            outcome.drops.update({reason.value: n for reason, n in pod.host.drops.items()})
        for kernel in self.cluster.kernels.values():
            outcome.drops.update({reason.value: n for reason, n in kernel.node.drops.items()})
        return outcome

    def _complain(self, what: str) -> None:
        if len(self.outcome.violations) < _VIOLATIONS_MAX:
            self.outcome.violations.append(f"{self.world.now - EPOCH_S:.6f} s: {what}")

    def _complain_all(self, violations: list[str]) -> None:
        for violation in violations:
            self._complain(violation)

    def _happen(self) -> None:
        self.director.schedule()
        self.world.run(limit_s=self.plan.calm_at + _SETTLED_AFTER_S)
        self._check_bounds()

    def _converge(self) -> None:
        """Ask every service from every node once more, or a pod where there is none."""
        plan, cluster = self.plan, self.cluster
        services = [f"service-{index}" for index in range(len(plan.services))]
        asked = [name for name in services if cluster.ready(name)] or [f"pod-{plan.pods - 1}"]
        clients = min(plan.pods - 1, max(1, plan.nodes))
        events = [
            Converse(
                at=0, client=f"pod-{client}", server=server, up=700, down=3000, version=version
            )
            for server in asked
            for client in range(clients)
            for version in plan.versions
        ]
        for _ in range(_TRIES_IN_BURSTS if plan.bursts else _TRIES):
            probes = [self.director.converse(self._next_number(), event) for event in events]
            self.world.run(limit_s=_CONVERGED_WITHIN_S, until=partial(_all_settled, probes))
            for probe in probes:
                self._check_endpoint(probe)
            events = [probe.event for probe in probes if not probe.succeeded]
            if not events:
                return
        self._complain_all(checkers.unreliable(probes))

    def _next_number(self) -> int:
        self._probed += 1
        return _FIRST_PROBE + self._probed

    def _check_endpoint(self, probe: Conversation) -> None:
        service = probe.event.server
        if service.startswith("service-") and probe.server_name:
            ready = self.cluster.ready(service)
            if probe.server_name not in ready:
                self._complain(f"{service} led to {probe.server_name}, which is not ready")

    def _fall_silent(self) -> None:
        talks, chats = self.director.conversations.values(), self.director.chats
        self.world.run(
            limit_s=_OVER_WITHIN_S,
            until=lambda: _all_settled(talks) and all(each.over for each in chats),
        )
        self._complain_all(checkers.unsettled(talks))
        if self.plan.reliable:
            self._complain_all(checkers.unreliable(talks, excused=self._excused))
        self._check_bounds()
        self.world.run(limit_s=_QUIET_S)
        self.world.skip(_DAY_S)
        self.world.run(limit_s=_QUIET_S)
        self._check_leaks()

    def _excused(self, talk: Conversation) -> bool:
        """Tell whether *talk* may have failed: probes have other tries, ARP only three."""
        error = talk.client.error if talk.client is not None else None
        unresolved = error is not None and error.errno == errno.EHOSTUNREACH
        return talk.number >= _FIRST_PROBE or (unresolved and self.plan.loses_arp)

    def _check_bounds(self) -> None:
        kernels, pods = self.cluster.kernels.values(), self.cluster.pods.values()
        most = self.plan.conntrack_max
        self._complain_all(checkers.bounds(kernels, pods, conntrack_max=most))

    def _check_leaks(self) -> None:
        there_are = self.plan.pods + 1  # And the gateway.
        if 6 in self.plan.versions:
            there_are *= 3  # An address of each version, and a link-local one.
        if self._floods:  # Those that never were may stay, as far as Linux lets garbage lie.
            there_are += GC_THRESH1
        for pod in self.cluster.pods.values():
            self._complain_all(checkers.leaks_of_pod(pod, neighbours=there_are))
        for kernel in self.cluster.kernels.values():
            self._complain_all(checkers.leaks_of_kernel(kernel, neighbours=there_are))
        for chat in self.director.chats:
            self._complain_all(chat.leaks())


def _all_settled(talks: Iterable[Conversation]) -> bool:
    return all(each.settled for each in talks)
