"""PriorityLevelConfigurations: how much room requests of one importance have."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import log2
from typing import Final

from controlplane.apiserver.kinds import cells, metadata, strategy
from controlplane.apiserver.kinds.flowcontrol.mandatory import fixed_spec
from controlplane.apiserver.kinds.kind import Cell, Column, Kind
from kubeapi import field, validation
from kubeapi.objects import Object, name_of
from kubeapi.resources import PRIORITYLEVELCONFIGURATIONS
from kubeapi.status import Cause

_EXEMPT, _LIMITED = "Exempt", "Limited"
_QUEUE, _REJECT = "Queue", "Reject"
_SHARES_DEFAULT: Final = 30
_QUEUING: Final = {"queues": 64, "handSize": 8, "queueLengthLimit": 50}
_QUEUES_MAX: Final = 10_000_000
_ENTROPY_BITS_MAX: Final = 60


def default(level: Object) -> None:
    spec = level["spec"] = level.get("spec") or {}
    if spec.get("type") == _EXEMPT:
        exempt = spec["exempt"] = spec.get("exempt") or {}
        exempt.setdefault("nominalConcurrencyShares", 0)
        exempt.setdefault("lendablePercent", 0)
    limited = spec.get("limited")
    if limited is None:
        return
    limited.setdefault("nominalConcurrencyShares", _SHARES_DEFAULT)
    limited.setdefault("lendablePercent", 0)
    queuing = (limited.setdefault("limitResponse", {})).get("queuing")
    if queuing is not None:
        for key, value in _QUEUING.items():
            queuing[key] = queuing.get(key) or value


def validate(level: Object) -> list[Cause]:
    causes = metadata.validate(level, validation.dns1123_subdomain)
    name, spec = name_of(level), level["spec"]
    fixed = fixed_spec("PriorityLevelConfiguration", name)
    if fixed is not None and _without_shares(spec) != _without_shares(fixed):
        detail = f"spec of '{name}' must equal the fixed value"
        causes.append(field.invalid("spec", spec, detail))
    return [*causes, *_validate_spec(name, spec)]


def _without_shares(spec: Object) -> Object:
    """Return what nobody may change of a mandatory level: how much room it has is free."""
    kept = {key: value for key, value in spec.items() if key != "exempt"}
    if isinstance(spec.get("limited"), dict):
        free = ("nominalConcurrencyShares", "lendablePercent")
        kept["limited"] = {k: v for k, v in spec["limited"].items() if k not in free}
    return kept


def _validate_spec(name: str, spec: Object) -> Iterator[Cause]:
    kind, limited, exempt = spec.get("type") or "", spec.get("limited"), spec.get("exempt")
    if (name == "exempt") != (kind == _EXEMPT):
        detail = "type must be 'Exempt' if and only if name is 'exempt'"
        yield field.invalid("spec.type", kind, detail)
    if kind == _EXEMPT:
        if limited is not None:
            yield field.forbidden("spec.limited", "must be nil if the type is not Limited")
        yield from _validate_shares(exempt or {}, "spec.exempt")
    elif kind == _LIMITED:
        if exempt is not None:
            yield field.forbidden("spec.exempt", "must be nil if the type is Limited")
        if limited is None:
            yield field.required("spec.limited", "must not be empty when type is Limited")
        else:
            yield from _validate_limited(limited)
    else:
        yield field.not_supported("spec.type", kind, (_EXEMPT, _LIMITED))


def _validate_shares(given: Object, path: str) -> Iterator[Cause]:
    shares, lendable = given.get("nominalConcurrencyShares") or 0, given.get("lendablePercent") or 0
    if shares < 0:
        where = f"{path}.nominalConcurrencyShares"
        yield field.invalid(where, shares, "must be a non-negative integer")
    if not 0 <= lendable <= 100:
        detail = "must be between 0 and 100, inclusive"
        yield field.invalid(f"{path}.lendablePercent", lendable, detail)


def _validate_limited(limited: Object) -> Iterator[Cause]:
    path = "spec.limited"
    yield from _validate_shares(limited, path)
    borrowing = limited.get("borrowingLimitPercent")
    if borrowing is not None and borrowing < 0:
        detail = "if specified, must be a non-negative integer"
        yield field.invalid(f"{path}.borrowingLimitPercent", borrowing, detail)
    response, path = limited.get("limitResponse") or {}, f"{path}.limitResponse"
    kind, queuing = response.get("type") or "", response.get("queuing")
    if kind == _REJECT:
        if queuing is not None:
            detail = "must be nil if limited.limitResponse.type is not Limited"
            yield field.forbidden(f"{path}.queuing", detail)
    elif kind != _QUEUE:
        yield field.not_supported(f"{path}.type", kind, (_QUEUE, _REJECT))
    elif queuing is None:
        detail = "must not be empty if limited.limitResponse.type is Limited"
        yield field.required(f"{path}.queuing", detail)
    else:
        yield from _validate_queuing(queuing, f"{path}.queuing")


def _validate_queuing(queuing: Object, path: str) -> Iterator[Cause]:
    for key in ("queueLengthLimit", "queues", "handSize"):
        if queuing[key] <= 0:
            yield field.invalid(f"{path}.{key}", queuing[key], "must be positive")
    queues, hand = queuing["queues"], queuing["handSize"]
    if queues > _QUEUES_MAX:
        detail = f"must not be greater than {_QUEUES_MAX}"
        yield field.invalid(f"{path}.queues", queues, detail)
    if hand > queues:
        detail = f"should not be greater than queues ({queues})"
        yield field.invalid(f"{path}.handSize", hand, detail)
    elif hand > 0 and _entropy_bits(queues, hand) > _ENTROPY_BITS_MAX:
        detail = (
            f"required entropy bits of deckSize {queues} and handSize {hand} should not be "
            f"greater than {_ENTROPY_BITS_MAX}"
        )
        yield field.invalid(f"{path}.handSize", hand, detail)


def _entropy_bits(deck: int, hand: int) -> int:
    """Return how many bits say which queues are dealt (shufflesharding.RequiredEntropyBits)."""
    bits = 0.0
    for dealt in range(min(hand, deck)):
        bits += log2(deck - dealt)
        if bits > _ENTROPY_BITS_MAX:
            break
    return -int(-bits // 1)


def row(level: Object, now: float) -> Sequence[Cell]:
    spec = level.get("spec") or {}
    limited = spec.get("limited") or {}
    queuing = (limited.get("limitResponse") or {}).get("queuing") or {}
    shares = (limited or spec.get("exempt") or {}).get("nominalConcurrencyShares")
    return (
        name_of(level),
        spec.get("type") or "",
        cells.NONE if shares is None else shares,
        *(queuing.get(key) or cells.NONE for key in ("queues", "handSize", "queueLengthLimit")),
        cells.age(level, now),
    )


PRIORITYLEVELCONFIGURATION: Final = Kind(
    resource=PRIORITYLEVELCONFIGURATIONS,
    singular="prioritylevelconfiguration",
    subresources=("status",),
    default=default,
    prepare_create=strategy.begin_generation,
    prepare_update=strategy.keep_status_and_count,
    prepare_status_update=strategy.keep_all_but_status,
    validate=validate,
    validate_update=metadata.validate_update,
    columns=(
        cells.NAME,
        Column("Type", description="Exempt or Limited."),
        Column("NominalConcurrencyShares", description="Its part of the room there is."),
        Column("Queues", description="How many queues there are."),
        Column("HandSize", description="How many of them a flow may use."),
        Column("QueueLengthLimit", description="How many requests wait in one."),
        cells.AGE,
    ),
    cells=row,
)
