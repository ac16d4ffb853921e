"""Which other resolver is asked (CoreDNS: `forward`): policies, and who is believed to be down.

A resolver that failed `max_fails` times in a row is asked nothing until a probe is answered; when
all are down one is asked all the same, as the belief may be wrong.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from clusterdns.name import is_below

Policy = Literal["random", "round_robin", "sequential"]
Address = tuple[str, int]

#: One question to one resolver, and all attempts together (CoreDNS: 2 s, 5 s).
READ_TIMEOUT_S: Final = 2.0
TOTAL_TIMEOUT_S: Final = 5.0
_MAX_FAILS: Final = 2
_HEALTH_CHECK_S: Final = 0.5
#: Without `max_concurrent` upstream has no bound; sockets do.
_CONCURRENT_MAX: Final = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class ForwardSettings:
    """The `forward` block of a Corefile."""

    base: str
    servers: tuple[Address, ...]
    exceptions: tuple[str, ...] = ()
    policy: Policy = "random"
    max_fails: int = _MAX_FAILS
    max_concurrent: int = 0
    health_check_s: float = _HEALTH_CHECK_S
    force_tcp: bool = False

    def concerns(self, name: str) -> bool:
        """Tell whether questions about *name* go there."""
        return is_below(name, self.base) and not any(
            is_below(name, zone) for zone in self.exceptions
        )


@dataclass(slots=True)
class Upstreams:
    """The resolvers of one `forward`, and what is believed of each."""

    settings: ForwardSettings
    rng: random.Random
    _failures: dict[Address, int] = field(default_factory=dict)
    _turn: int = 0
    under_way: int = 0

    @property
    def is_full(self) -> bool:
        """Tell whether no more questions may be under way."""
        return self.under_way >= (self.settings.max_concurrent or _CONCURRENT_MAX)

    def order(self) -> Sequence[Address]:
        """Return whom to ask for one question, the first first."""
        servers = list(self.settings.servers)
        if self.settings.policy == "random":
            self.rng.shuffle(servers)
        elif self.settings.policy == "round_robin":
            self._turn = (self._turn + 1) % len(servers)
            servers = servers[self._turn :] + servers[: self._turn]
        alive = [each for each in servers if not self.is_down(each)]
        return alive or servers[:1]

    def is_down(self, server: Address) -> bool:
        fails = self.settings.max_fails
        return bool(fails) and self._failures.get(server, 0) >= fails

    def down(self) -> list[Address]:
        """Return who must be probed."""
        return [each for each in self.settings.servers if self.is_down(each)]

    def failed(self, server: Address) -> None:
        self._failures[server] = self._failures.get(server, 0) + 1

    def answered(self, server: Address) -> None:
        self._failures.pop(server, None)
