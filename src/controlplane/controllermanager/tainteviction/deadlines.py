"""When a pod must leave a node because of its NoExecute taints (upstream: tainteviction).

The tolerations that match decide: a taint that none tolerates means now; otherwise the shortest
tolerationSeconds counts, from the moment that the controller first saw the reason. A controller
that starts anew counts anew, as upstream's does.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from kubeapi.objects import Object

NO_EXECUTE: Final = "NoExecute"


def tolerates(toleration: Object, taint: Object) -> bool:
    """Return whether *toleration* matches *taint* (v1 `ToleratesTaint`)."""
    if toleration.get("effect") and toleration["effect"] != taint["effect"]:
        return False
    if toleration.get("key") and toleration["key"] != taint["key"]:
        return False
    operator = toleration.get("operator") or "Equal"
    if operator == "Exists":
        return True
    if not toleration.get("key"):
        return False  # An empty key goes with Exists only.
    return bool((toleration.get("value") or "") == (taint.get("value") or ""))


def tolerated_s(tolerations: Sequence[Object], taints: Sequence[Object]) -> float:
    """Return for how long a pod with *tolerations* may stay: 0 means not at all, inf for ever."""
    stay = math.inf
    for taint in taints:
        if taint["effect"] != NO_EXECUTE:
            continue
        matching = [one for one in tolerations if tolerates(one, taint)]
        if not matching:
            return 0.0
        limits = [one["tolerationSeconds"] for one in matching if _is_limited(one)]
        stay = min([stay, *(max(0.0, float(limit)) for limit in limits)])
    return stay


def _is_limited(toleration: Object) -> bool:
    return toleration.get("tolerationSeconds") is not None


class Deadlines:
    """Since when each pod is under a NoExecute taint."""

    def __init__(self) -> None:
        self._since: dict[str, float] = {}

    def remaining_s(self, uid: str, stay_s: float, now: float) -> float | None:
        """Return how long the pod *uid* may still stay; None when it may stay for ever."""
        if math.isinf(stay_s):
            self._since.pop(uid, None)
            return None
        since = self._since.setdefault(uid, now)
        return max(0.0, since + stay_s - now)

    def cancel(self, uid: str) -> bool:
        """Forget *uid*; return whether it was to leave."""
        return self._since.pop(uid, None) is not None

    def __len__(self) -> int:
        return len(self._since)
