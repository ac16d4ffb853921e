"""Eviction thresholds: `memory.available < 100Mi`, or a share (helpers.go, ParseThresholdConfig).

The signals are those that this node can observe: memory, the node's file system, which holds
images and containers too, and process ids. Upstream's imagefs and containerfs are that same file
system here; their thresholds are read and watched as such. Inodes are not counted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Final

from kubeapi.quantity import QuantityError, parse_quantity
from nodeagent.kubelet.durations import parse_duration

MEMORY: Final = "memory.available"
NODE_FS: Final = "nodefs.available"
PID: Final = "pid.available"

#: Which condition of the Node a signal raises; a signal that is not here there is none.
NODE_CONDITIONS: Final[Mapping[str, str]] = {
    MEMORY: "MemoryPressure",
    NODE_FS: "DiskPressure",
    "nodefs.inodesFree": "DiskPressure",
    "imagefs.available": "DiskPressure",
    "imagefs.inodesFree": "DiskPressure",
    "containerfs.available": "DiskPressure",
    "containerfs.inodesFree": "DiskPressure",
    PID: "PIDPressure",
}

#: What is reclaimed when a signal's threshold is met, as messages name it.
RESOURCES: Final[Mapping[str, str]] = {
    MEMORY: "memory",
    NODE_FS: "ephemeral-storage",
    "nodefs.inodesFree": "inodes",
    "imagefs.available": "ephemeral-storage",
    "imagefs.inodesFree": "inodes",
    "containerfs.available": "ephemeral-storage",
    "containerfs.inodesFree": "inodes",
    PID: "pids",
}

#: DefaultEvictionHard of upstream's Linux kubelet.
DEFAULT_HARD: Final[Mapping[str, str]] = {
    MEMORY: "100Mi",
    NODE_FS: "10%",
    "nodefs.inodesFree": "5%",
    "imagefs.available": "15%",
    "imagefs.inodesFree": "5%",
}


class BadThreshold(ValueError):
    """A threshold that makes no sense; the text is upstream's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Amount:
    """So much, or such a share of what there is."""

    quantity: Fraction = Fraction(0)
    share: Fraction | None = None

    def of(self, capacity: Fraction) -> Fraction:
        """Return how much that is of *capacity* (GetThresholdQuantity)."""
        return self.quantity if self.share is None else Fraction(int(capacity * self.share))


@dataclass(frozen=True, slots=True, kw_only=True)
class Threshold:
    """Less of *signal* than *value* is pressure; a soft one may last for *grace_s*."""

    signal: str
    value: Amount
    grace_s: float = 0.0
    min_reclaim: Amount | None = None

    @property
    def hard(self) -> bool:
        return self.grace_s == 0


def parse_thresholds(
    hard: Mapping[str, str],
    soft: Mapping[str, str],
    soft_grace: Mapping[str, str],
    min_reclaim: Mapping[str, str],
) -> tuple[Threshold, ...]:
    """Read KubeletConfiguration's four maps; raises BadThreshold."""
    graces = {_signal(signal): _grace(signal, text) for signal, text in soft_grace.items()}
    reclaims = {_signal(signal): _reclaim(signal, text) for signal, text in min_reclaim.items()}
    found = list(_statements(hard))
    for threshold in _statements(soft):
        if threshold.signal not in graces:
            what = "grace period must be specified for the soft eviction threshold"
            raise BadThreshold(f"{what} {threshold.signal}")
        found.append(replace(threshold, grace_s=graces[threshold.signal]))
    return tuple(replace(each, min_reclaim=reclaims.get(each.signal)) for each in found)


def _signal(signal: str) -> str:
    if signal not in NODE_CONDITIONS:
        raise BadThreshold(f"unsupported eviction signal {signal}")
    return signal


def _statements(statements: Mapping[str, str]) -> Iterator[Threshold]:
    """Yield the thresholds of *statements*; 0 % and 100 % switch one off."""
    for signal, text in statements.items():
        value = _amount(_signal(signal), text)
        if value.share in (0, 1):
            continue
        if value.share is None and value.quantity <= 0:
            raise BadThreshold(f"eviction threshold {signal} must be positive: {text}")
        yield Threshold(signal=signal, value=value)


def _amount(signal: str, text: str) -> Amount:
    if not text.endswith("%"):
        try:
            return Amount(quantity=parse_quantity(text))
        except QuantityError as error:
            raise BadThreshold(f"eviction threshold {signal}: {error}") from None
    try:
        share = Fraction(text[:-1]) / 100
    except (ValueError, ZeroDivisionError):
        raise BadThreshold(f"eviction threshold {signal}: invalid percentage {text}") from None
    if share < 0:
        raise BadThreshold(f"eviction percentage threshold {signal} must be >= 0%: {text}")
    if share > 1:
        raise BadThreshold(f"eviction percentage threshold {signal} must be <= 100%: {text}")
    return Amount(share=share)


def _reclaim(signal: str, text: str) -> Amount:
    amount = _amount(signal, text)
    if amount.quantity < 0:
        raise BadThreshold(f"negative eviction minimum reclaim specified for {signal}")
    return amount


def _grace(signal: str, text: str) -> float:
    try:
        grace_s = parse_duration(text)
    except ValueError as error:
        raise BadThreshold(str(error)) from None
    if grace_s < 0:
        what = "invalid eviction grace period specified"
        raise BadThreshold(f"{what}: {text}, must be a positive value")
    return grace_s
