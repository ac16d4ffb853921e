"""Roles and bindings are given by who has what is in them (upstream: registry/rbac's policybased
storage, which comes before all plugins; `authz.escalation` decides)."""

from __future__ import annotations

from typing import Final

from controlplane.apiserver.admission.attributes import Attributes, Operation, Validating
from controlplane.apiserver.authz.authorizer import Authorizer
from controlplane.apiserver.authz.escalation import check_binding, check_role
from controlplane.apiserver.kinds.kind import Kind
from kubeapi.resources import CLUSTERROLEBINDINGS, CLUSTERROLES, ROLEBINDINGS, ROLES

_ROLES: Final = (ROLES, CLUSTERROLES)
_BINDINGS: Final = (ROLEBINDINGS, CLUSTERROLEBINDINGS)


class RoleEscalation(Validating):
    """Guards roles and bindings."""

    name = "RoleEscalation"

    def __init__(self, authorizer: Authorizer) -> None:
        self._authorizer = authorizer

    def handles(self, operation: Operation, kind: Kind, subresource: str) -> bool:
        written = operation in (Operation.CREATE, Operation.UPDATE)
        return written and kind.resource in (*_ROLES, *_BINDINGS)

    async def validate(self, attributes: Attributes) -> None:
        new, resource = attributes.obj, attributes.kind.resource
        assert new is not None
        check = check_role if resource in _ROLES else check_binding
        check(self._authorizer, attributes.options.user, resource, new, attributes.old)
