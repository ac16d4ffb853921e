"""How long a pod stays on a node that is lost (upstream: plugin/…/defaulttolerationseconds)."""

from __future__ import annotations

from typing import Final

from controlplane.apiserver.admission.attributes import Attributes, Mutating, Operation
from controlplane.apiserver.kinds.kind import Kind
from kubeapi.objects import Object
from kubeapi.resources import PODS

NOT_READY: Final = "node.kubernetes.io/not-ready"
UNREACHABLE: Final = "node.kubernetes.io/unreachable"


class DefaultTolerationSeconds(Mutating):
    """Lets pods tolerate nodes that are not ready or unreachable for some time."""

    name = "DefaultTolerationSeconds"

    def __init__(self, toleration_s: float) -> None:
        self._seconds = max(1, round(toleration_s))

    def handles(self, operation: Operation, kind: Kind, subresource: str) -> bool:
        written = operation in (Operation.CREATE, Operation.UPDATE) and not subresource
        return written and kind.resource == PODS

    async def admit(self, attributes: Attributes) -> None:
        assert attributes.obj is not None
        add_default_tolerations(attributes.obj["spec"], self._seconds)


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
