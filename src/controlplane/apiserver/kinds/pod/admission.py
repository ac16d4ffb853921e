"""What upstream's built-in admission plugins add to a pod.

ServiceAccount (the name; the volume needs the account: `serviceaccount.admission`) and
DefaultTolerationSeconds: how long a pod stays on a node that is not ready or unreachable.
"""

from __future__ import annotations

from typing import Final

from componentbase.timings import Timings
from kubeapi.objects import Object

NOT_READY: Final = "node.kubernetes.io/not-ready"
UNREACHABLE: Final = "node.kubernetes.io/unreachable"


def admit(spec: Object, timings: Timings) -> None:
    """Complete the spec of a pod."""
    spec["serviceAccountName"] = spec.get("serviceAccountName") or "default"
    spec["serviceAccount"] = spec["serviceAccountName"]
    add_default_tolerations(spec, max(1, round(timings.default_toleration_s)))


def add_default_tolerations(spec: Object, seconds: int) -> None:
    """Tolerate a lost node for *seconds*, unless the pod says itself how long."""
    tolerations: list[Object] = spec.get("tolerations") or []
    missing = [
        {"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": seconds}
        for key in (NOT_READY, UNREACHABLE)
        if not any(_tolerates(toleration, key) for toleration in tolerations)
    ]
    if missing:
        spec["tolerations"] = [*tolerations, *missing]


def _tolerates(toleration: Object, key: str) -> bool:
    return toleration.get("key") in (None, "", key) and toleration.get("effect") in (
        None,
        "",
        "NoExecute",
    )
