"""Nobody gives what he does not have (upstream: registry/rbac/…/policybased, escalation_check.go).

Who writes a role must have every right in it, or the verb `escalate` on roles; who writes a binding
every right of its role, or the verb `bind` on it. A rule of aggregation gathers anything, so it
needs every right there is.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from controlplane.apiserver.authn import MASTERS, User
from controlplane.apiserver.authz.authorizer import Authorizer
from controlplane.apiserver.authz.rule import ALL, Rule, missing, quote, quoted
from controlplane.apiserver.request_info import RequestInfo
from kubeapi.objects import Object, name_of, namespace_of
from kubeapi.resources import CLUSTERROLES, ROLES, Resource
from kubeapi.status import forbidden, not_found

_EVERYTHING: Final = (Rule((ALL,), (ALL,), (ALL,)), Rule((ALL,), urls=(ALL,)))
#: Fields of metadata that only garbage collection changes.
_COLLECTED: Final = ("ownerReferences", "finalizers", "managedFields", "resourceVersion")


def check_role(
    authorizer: Authorizer, user: User, resource: Resource, new: Object, old: Object | None
) -> None:
    """Raise StatusError 403 when *user* may not write this role."""
    rules, aggregation = new.get("rules") or [], new.get("aggregationRule")
    if old is not None:
        before = old.get("rules") or [], old.get("aggregationRule")
        if (rules, aggregation) == before or _only_collected(new, old):
            return
    if _may(authorizer, user, "escalate", resource, new, name=name_of(new) if old else ""):
        return
    wanted = [Rule.of(rule) for rule in rules]
    _check(authorizer, user, resource, new, wanted)
    if aggregation or (old or {}).get("aggregationRule"):
        _check(authorizer, user, resource, new, _EVERYTHING)


def check_binding(
    authorizer: Authorizer, user: User, resource: Resource, new: Object, old: Object | None
) -> None:
    """Raise StatusError 403 when *user* may not write this binding, 404 without its role."""
    if old is not None and _only_collected(new, old):
        return
    reference, namespace = new.get("roleRef") or {}, namespace_of(new)
    of_namespace = reference.get("kind") == "Role"
    role, name = ROLES if of_namespace else CLUSTERROLES, str(reference.get("name") or "")
    if _may(authorizer, user, "bind", role, new, name=name):
        return
    rules = authorizer.rbac.role_rules((namespace if of_namespace else "", name))
    if rules is None:
        raise not_found(role, name)
    _check(authorizer, user, resource, new, rules)


def _may(
    authorizer: Authorizer, user: User, verb: str, resource: Resource, obj: Object, *, name: str
) -> bool:
    if MASTERS in user.groups:
        return True
    asked = RequestInfo(
        verb=verb,
        path="",
        group=resource.group,
        version=ALL,
        namespace=namespace_of(obj),
        resource=resource.plural,
        name=name,
    )
    return authorizer.authorize(user, asked).allowed


def _check(
    authorizer: Authorizer, user: User, resource: Resource, obj: Object, wanted: Iterable[Rule]
) -> None:
    namespace = namespace_of(obj)
    lacking = missing(authorizer.rules_for(user, namespace), wanted)
    if not lacking:
        return
    told = "\n".join(sorted(map(str, lacking)))
    why = (
        f"user {quote(user.name)} (groups={quoted(user.groups)}) is attempting to grant RBAC "
        f"permissions not currently held:\n{told}"
    )
    unresolved = authorizer.rbac.unresolved(user, namespace)
    if unresolved:
        why += f"; resolution errors: [{', '.join(unresolved)}]"
    raise forbidden(resource, name_of(obj), why)


def _only_collected(new: Object, old: Object) -> bool:
    """Tell whether nothing but owners and finalizers changes (IsOnlyMutatingGCFields)."""
    return _rest(new) == _rest(old)


def _rest(obj: Object) -> Object:
    kept = {key: value for key, value in obj["metadata"].items() if key not in _COLLECTED}
    return {**obj, "metadata": kept}
