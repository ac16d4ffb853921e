"""What is wrong with one direction of a wire: netem's parameters, and which of them make sense.

`ImpairedLink` (impaired_link.py) is the wire that has it. Names are those of tc-netem(8), units
are last. Whoever asks for what cannot be, or for what contradicts itself, is told with a ValueError
and nothing is changed: netem's tc would take `gap` without `reorder` or a loss of 101 %.
"""

from __future__ import annotations

from typing import Final

import msgspec

from netdev.chance import MarkovChain, four_state, gilbert_elliott
from netdev.distribution import DISTRIBUTIONS, Distribution

DELAY_MAX_S: Final = 60.0
RATE_MAX_BIT_S: Final = 1_000_000_000_000
LIMIT_MAX: Final = 100_000
#: Octets that may wait on one wire, whatever their number: its memory has an end.
LIMIT_OCTETS_MAX: Final = 64 << 20
#: A shorter queue would not take a single packet of full size.
LIMIT_OCTETS_MIN: Final = 1514
GAP_MAX: Final = 100_000
#: Octets in front of a packet, or of a cell of it, and of a cell: no link has more.
OVERHEAD_MAX: Final = 10_000
SEED_MAX: Final = (1 << 32) - 1

_SHARES: Final = (
    "loss",
    "corrupt",
    "duplicate",
    "reorder",
    "delay_correlation",
    "loss_correlation",
    "corrupt_correlation",
    "duplicate_correlation",
    "reorder_correlation",
)
#: What says how something happens -> what must happen at all.
_NEEDS: Final = {
    "delay_correlation": "jitter_s",
    "loss_correlation": "loss",
    "corrupt_correlation": "corrupt",
    "duplicate_correlation": "duplicate",
    "reorder_correlation": "reorder",
    "gap": "reorder",
    "slot_max_s": "slot_min_s",
    "slot_jitter_s": "slot_delay_s",
    "rate_overhead": "rate_bit_s",
    "rate_cell": "rate_bit_s",
    "rate_cell_overhead": "rate_cell",
}
_DURATIONS: Final = (
    "delay_s",
    "jitter_s",
    "slot_min_s",
    "slot_max_s",
    "slot_delay_s",
    "slot_jitter_s",
)
#: What is how long at least; none is longer than OVERHEAD_MAX.
_OVERHEADS: Final = {"rate_overhead": -OVERHEAD_MAX, "rate_cell": 0, "rate_cell_overhead": 0}
_MODELS: Final = {"loss_gemodel": 4, "loss_state": 5}  # And how many shares each may have.


class Impairment(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is wrong with one direction of a wire; raises ValueError when that cannot be.

    `loss`, `corrupt`, `duplicate`, `reorder` and correlations are shares, 0 to 1. Of `loss`,
    `loss_gemodel` (P, R, 1-H, 1-K) and `loss_state` (P13, P31, P32, P23, P14) one may be given, of
    the models only the first shares. A `rate_bit_s` of 0 is no limit; `limit` is how many packets
    may be under way, `limit_octets` how many octets. `gap`: only each so manieth packet may be
    reordered. `ecn`: what would be lost is marked instead, where its ends have agreed on ECN.
    On a link with a rate each packet is `rate_overhead` octets longer (shorter, where that is
    negative), then fills whole cells of `rate_cell` octets, each with `rate_cell_overhead` more.
    Slots come `slot_min_s` to `slot_max_s` after each other, or as `slot_delay_s`, `slot_jitter_s`
    and `slot_distribution` say, each for so many packets and octets (0: any number). Without a
    `seed` each wire has a history of its own.
    """

    delay_s: float = 0.0
    jitter_s: float = 0.0
    delay_correlation: float = 0.0
    distribution: Distribution = "uniform"
    loss: float = 0.0
    loss_correlation: float = 0.0
    loss_gemodel: tuple[float, ...] = ()
    loss_state: tuple[float, ...] = ()
    corrupt: float = 0.0
    corrupt_correlation: float = 0.0
    duplicate: float = 0.0
    duplicate_correlation: float = 0.0
    reorder: float = 0.0
    reorder_correlation: float = 0.0
    gap: int = 0
    rate_bit_s: float = 0
    rate_overhead: int = 0
    rate_cell: int = 0
    rate_cell_overhead: int = 0
    limit: int = 1000
    limit_octets: int = LIMIT_OCTETS_MAX
    ecn: bool = False
    slot_min_s: float = 0.0
    slot_max_s: float = 0.0
    slot_delay_s: float = 0.0
    slot_jitter_s: float = 0.0
    slot_distribution: Distribution = "uniform"
    slot_packets: int = 0
    slot_octets: int = 0
    seed: int | None = None

    def __post_init__(self) -> None:
        for name in _SHARES:
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} is a share, 0 to 1, not {getattr(self, name):g}")
        for name in _DURATIONS:
            if not 0 <= getattr(self, name) <= DELAY_MAX_S:
                allowed = f"0 to {DELAY_MAX_S:g} seconds"
                raise ValueError(f"{name} is {allowed}, not {getattr(self, name):g}")
        if self.rate_bit_s and not 1 <= self.rate_bit_s <= RATE_MAX_BIT_S:
            raise ValueError(f"rate_bit_s is 0 (unlimited) or 1 to {RATE_MAX_BIT_S}")
        self._check_numbers()
        self._check_models()
        self._check_needs()

    def _check_numbers(self) -> None:
        if not 1 <= self.limit <= LIMIT_MAX:
            raise ValueError(f"limit is 1 to {LIMIT_MAX} packets, not {self.limit}")
        if not LIMIT_OCTETS_MIN <= self.limit_octets <= LIMIT_OCTETS_MAX:
            allowed = f"{LIMIT_OCTETS_MIN} to {LIMIT_OCTETS_MAX}"
            raise ValueError(f"limit_octets is {allowed}, not {self.limit_octets}")
        if not 0 <= self.gap <= GAP_MAX:
            raise ValueError(f"gap is 0 to {GAP_MAX} packets, not {self.gap}")
        for name in ("slot_packets", "slot_octets"):
            if not 0 <= getattr(self, name) <= LIMIT_OCTETS_MAX:
                raise ValueError(f"{name} is 0 to {LIMIT_OCTETS_MAX}, not {getattr(self, name)}")
        for name, least in _OVERHEADS.items():
            if not least <= getattr(self, name) <= OVERHEAD_MAX:
                allowed = f"{least} to {OVERHEAD_MAX} octets"
                raise ValueError(f"{name} is {allowed}, not {getattr(self, name)}")
        if self.slot_max_s and self.slot_max_s < self.slot_min_s:
            raise ValueError("slot_max_s is no less than slot_min_s")
        if self.seed is not None and not 0 <= self.seed <= SEED_MAX:
            raise ValueError(f"seed is 0 to {SEED_MAX}, not {self.seed}")
        for name in ("distribution", "slot_distribution"):
            if getattr(self, name) not in DISTRIBUTIONS:
                raise ValueError(f"{name} is one of {', '.join(DISTRIBUTIONS)}")

    def _check_models(self) -> None:
        given = [name for name in ("loss", *_MODELS) if getattr(self, name)]
        if len(given) > 1:
            raise ValueError(f"give one model of loss, not {' and '.join(given)}")
        for name, count in _MODELS.items():
            shares: tuple[float, ...] = getattr(self, name)
            if len(shares) > count:
                raise ValueError(f"{name} has 1 to {count} shares, not {len(shares)}")
            if not all(0 <= share <= 1 for share in shares):
                raise ValueError(f"{name} is made of shares, each 0 to 1")
        chain = self.loss_chain
        if chain is not None and any(min(row) < 0 for row in chain.moves):
            raise ValueError("loss_state: p13 + p14 and p31 + p32 are at most 1")

    def _check_needs(self) -> None:
        for name, needed in _NEEDS.items():
            if getattr(self, name) and not getattr(self, needed):
                raise ValueError(f"{name} needs {needed}: there is nothing that it would shape")
        if self.distribution != "uniform" and not self.jitter_s:
            raise ValueError("distribution needs jitter_s: there is nothing that it would shape")
        if self.slot_distribution != "uniform" and not self.slot_jitter_s:
            raise ValueError("slot_distribution needs slot_jitter_s: there is nothing to shape")
        if self.slot_min_s and self.slot_delay_s:
            raise ValueError("give slot_min_s or slot_delay_s: slots come one way or the other")
        for name in ("slot_packets", "slot_octets"):
            if getattr(self, name) and not self.has_slots:
                raise ValueError(f"{name} needs slot_min_s or slot_delay_s: there are no slots")
        if self.ecn and not (self.loss or self.loss_gemodel or self.loss_state):
            raise ValueError("ecn needs a loss: what would be lost is marked instead")
        if self.reorder and not self.delay_s:
            raise ValueError("reorder needs a delay_s that some packets escape")

    @property
    def loss_chain(self) -> MarkovChain | None:
        """The model of bursts, if one was given."""
        if self.loss_gemodel:
            return gilbert_elliott(*self.loss_gemodel)
        return four_state(*self.loss_state) if self.loss_state else None

    @property
    def has_slots(self) -> bool:
        """Whether packets come in bursts."""
        return bool(self.slot_min_s or self.slot_delay_s)

    def on_the_wire_s(self, octets: int) -> float:
        """Return how long a packet takes at the rate, which must be there (packet_time_ns)."""
        octets = max(0, octets + self.rate_overhead)
        if self.rate_cell:
            octets = -(-octets // self.rate_cell) * (self.rate_cell + self.rate_cell_overhead)
        return 8 * octets / self.rate_bit_s

    @property
    def silent(self) -> bool:
        """Whether nothing comes through: this direction is partitioned."""
        return self.loss >= 1 and not self.ecn
