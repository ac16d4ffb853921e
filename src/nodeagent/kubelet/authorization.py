"""Who may ask the kubelet, as the API server says (upstream: pkg/kubelet/server/auth.go, webhook).

A bearer token is shown to the API server in a TokenReview; what its user, or the user of a client
certificate, may do is asked in a SubjectAccessReview about a subresource of the node. Answers are
remembered for upstream's times. The API server's own certificate and administrators' are not asked
about: a node that is cut off from its masters is still looked into.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from componentbase.clock import Clock
from kubeapi.client.delegation import Ask, Asker, Delegation, Question

_TRUSTED_USER: Final = "system:kube-apiserver"
_TRUSTED_GROUP: Final = "system:masters"
_VERBS: Final[Mapping[str, str]] = {
    "POST": "create",
    "PUT": "update",
    "PATCH": "patch",
    "DELETE": "delete",
}
_SUBRESOURCES: Final[Mapping[str, str]] = {
    "stats": "stats",
    "metrics": "metrics",
    "logs": "log",
    "spec": "spec",
    "checkpoint": "checkpoint",
}


@dataclass(frozen=True, slots=True)
class Attributes:
    """What is asked: a verb on a subresource of the node."""

    verb: str
    subresource: str


def attributes(method: str, path: str) -> Attributes:
    """Return what a request asks for; whatever has no name of its own is `proxy`."""
    first = path.strip("/").partition("/")[0]
    return Attributes(_VERBS.get(method, "get"), _SUBRESOURCES.get(first, "proxy"))


class Authorization(Delegation):
    """Asks about the kubelet's own node."""

    def __init__(self, ask: Ask, node: str, monotonic: Clock) -> None:
        super().__init__(ask, monotonic)
        self._node = node

    async def may_do(self, asker: Asker, asked: Attributes) -> bool:
        """Tell whether *asker* may do this; raises StatusError, Unreachable."""
        if asker.name == _TRUSTED_USER or _TRUSTED_GROUP in asker.groups:
            return True
        about = (
            ("verb", asked.verb),
            ("version", "v1"),
            ("resource", "nodes"),
            ("subresource", asked.subresource),
            ("name", self._node),
        )
        return await self.may(asker, Question("resourceAttributes", about))
