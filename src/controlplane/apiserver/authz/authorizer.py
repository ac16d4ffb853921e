"""The one who decides (upstream: authorizer/union of system:masters, Node and RBAC)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from controlplane.apiserver.authn import MASTERS, NODES, User
from controlplane.apiserver.authz.graph import Graph, Lookup
from controlplane.apiserver.authz.node import NodeAuthorizer, node_of
from controlplane.apiserver.authz.rbac import Rbac
from controlplane.apiserver.authz.rule import Rule
from controlplane.apiserver.request_info import RequestInfo
from kubeapi.resources import Resource
from kubeapi.status import StatusError, forbidden


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether a request may go on, and what was said about that."""

    allowed: bool
    reason: str = ""


_YES: Final = Decision(True)
_NO: Final = Decision(False)


class Authorizer:
    """Decides by user, verb and resource or path."""

    def __init__(self, lookup: Lookup) -> None:
        self.rbac = Rbac()
        self.graph = Graph(lookup)
        self._node = NodeAuthorizer(self.graph)

    def authorize(self, user: User, info: RequestInfo) -> Decision:
        """Decide; a refusal says what the Node authorizer has against it."""
        groups = user.groups
        if MASTERS in groups:
            return _YES
        opinion: str | None = ""
        if NODES in groups:
            opinion = self._node.judge(user, info)
            if opinion is None:
                return _YES
        if self.rbac.allows(user, info):
            return _YES
        return Decision(False, opinion) if opinion else _NO

    def explain(self, user: User, info: RequestInfo) -> Decision:
        """Decide, and say which binding allows it or what is wrong with the bindings."""
        decision = self.authorize(user, info)
        if decision.allowed:
            reason = self.rbac.reason(user, info)
            return Decision(True, "" if MASTERS in user.groups else reason)
        lacking = self.rbac.unresolved(user, info.namespace)
        told = lacking[0] if len(lacking) == 1 else f"[{', '.join(lacking)}]"
        reasons = filter(None, (decision.reason, f"RBAC: {told}" if lacking else ""))
        return Decision(False, ", ".join(reasons))

    def rules_for(self, user: User, namespace: str) -> Sequence[Rule]:
        """Return what *user* may do in *namespace*, as far as rules say it."""
        return self.rbac.rules_for(user, namespace)

    def has_other_rights(self, user: User) -> bool:
        """Tell whether *user* may do more than rules say: a node."""
        return node_of(user) is not None

    def check(self, user: User, info: RequestInfo) -> None:
        """Raise StatusError 403 when *user* may not do this."""
        if not self.authorize(user, info).allowed:
            raise self.refusal(user, info)

    def refusal(self, user: User, info: RequestInfo) -> StatusError:
        """Return the answer to what *user* may not do."""
        reason = self.explain(user, info).reason
        why = denial(user, info) + (f": {reason}" if reason else "")
        if not info.resource:
            return StatusError(403, "Forbidden", f"forbidden: {why}", {})
        resource = Resource(info.group, info.version, info.resource, "", bool(info.namespace))
        return forbidden(resource, info.name, why)


def denial(user: User, info: RequestInfo) -> str:
    """Return upstream's sentence for what *user* may not do."""
    if not info.resource:
        return f'User "{user.name}" cannot {info.verb} path "{info.path}"'
    what = f"{info.resource}/{info.subresource}" if info.subresource else info.resource
    where = f'in the namespace "{info.namespace}"' if info.namespace else "at the cluster scope"
    return (
        f'User "{user.name}" cannot {info.verb} resource "{what}" '
        f'in API group "{info.group}" {where}'
    )
