"""Whether a write fits into the quotas of its namespace (upstream: CheckRequest)."""

from __future__ import annotations

from collections.abc import Sequence

from controlplane.quota import amounts, pods
from controlplane.quota.amounts import Amounts
from controlplane.quota.evaluators import Evaluator
from kubeapi.objects import Object, name_of
from kubeapi.resources import PODS


class Exceeded(Exception):
    """A quota forbids the write; the text says which and why."""


def charge(
    quotas: Sequence[Object], evaluator: Evaluator, new: Object, old: Object | None, now: float
) -> dict[str, Object]:
    """Return, by name, what quotas' status.used becomes; raises Exceeded.

    Only those are returned that change.
    """
    charged: dict[str, Object] = {}
    usage: Amounts | None = None
    for quota in quotas:
        status = quota.get("status") or {}
        hard, used = status.get("hard") or {}, status.get("used") or {}
        if not evaluator.matches(quota, hard, new):
            continue
        _check_stated(quota, evaluator, new, used)
        usage = evaluator.usage(new, now) if usage is None else usage
        delta = usage
        if old is not None and evaluator.matches(quota, hard, old):
            delta = amounts.growth(usage, evaluator.usage(old, now))
        asked = {name: more for name, more in amounts.only(delta, hard).items() if more}
        if not asked:
            continue
        total = amounts.plus(amounts.read(used), asked)
        _check_fits(quota, asked, total)
        charged[name_of(quota)] = {**used, **amounts.write(amounts.only(total, asked), hard)}
    return charged


def _check_stated(quota: Object, evaluator: Evaluator, new: Object, used: Object) -> None:
    restricted = evaluator.matching((quota.get("status") or {}).get("hard") or {})
    missing = pods.what_is_missing(new, restricted) if evaluator.resource == PODS else ""
    if missing:
        raise Exceeded(f"failed quota: {name_of(quota)}: {missing}")
    if any(name not in used for name in restricted):
        told = ",".join(restricted)
        raise Exceeded(f"status unknown for quota: {name_of(quota)}, resources: {told}")


def _check_fits(quota: Object, asked: Amounts, total: Amounts) -> None:
    status = quota["status"]
    hard = status["hard"]
    limits = amounts.read(hard)
    exceeded = [name for name in asked if total[name] > limits[name]]
    if not exceeded:
        return
    requested = amounts.show(amounts.write(amounts.only(asked, exceeded), hard))
    used = amounts.show({name: str((status.get("used") or {}).get(name, 0)) for name in exceeded})
    limited = amounts.show({name: str(hard[name]) for name in exceeded})
    raise Exceeded(
        f"exceeded quota: {name_of(quota)}, requested: {requested}, used: {used},"
        f" limited: {limited}"
    )
