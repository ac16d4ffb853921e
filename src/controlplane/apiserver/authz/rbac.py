"""Roles and bindings as an index by subject (upstream: plugin/pkg/auth/authorizer/rbac).

A change of a binding forgets the rights of its subjects, one of a role those of the subjects bound
to it; they are put together again when next asked for. Everything else stays.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from controlplane.apiserver.authn import User
from controlplane.apiserver.authz.rights import Rights
from controlplane.apiserver.authz.rule import Rule, quote
from controlplane.apiserver.request_info import RequestInfo
from kubeapi.objects import Object, name_of, namespace_of

_ACCOUNT: Final = "system:serviceaccount:"
#: For how many users and namespaces the rights are remembered together.
_KNOWN_MAX: Final = 4096
#: Names a role: its namespace ("" for a ClusterRole) and its name.
RoleKey = tuple[str, str]
#: Names a subject: "User" or "Group", and its name. Service accounts are users.
_Subject = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Binding:
    """Who has which role in which namespace ("": everywhere)."""

    namespace: str
    name: str
    role: RoleKey
    subjects: tuple[_Subject, ...]
    kinds: tuple[str, ...]  # The subjects' as the object has them.

    @classmethod
    def of(cls, obj: Object) -> Binding:
        """Read a RoleBinding or a ClusterRoleBinding."""
        namespace = namespace_of(obj)
        reference = obj.get("roleRef") or {}
        where = namespace if reference.get("kind") == "Role" else ""
        subjects = obj.get("subjects") or ()
        return cls(
            namespace,
            name_of(obj),
            (where, str(reference.get("name") or "")),
            tuple(_subject(each, namespace) for each in subjects),
            tuple(_told(each, namespace) for each in subjects),
        )

    def reason(self, index: int) -> str:
        """Return upstream's sentence for what subject number *index* is allowed."""
        kind, role = "ClusterRoleBinding", "Role" if self.role[0] else "ClusterRole"
        name = self.name
        if self.namespace:
            kind, name = "RoleBinding", f"{self.name}/{self.namespace}"
        told = self.kinds[index]
        return f"RBAC: allowed by {kind} {quote(name)} of {role} {quote(self.role[1])} to {told}"


def _subject(subject: Object, namespace: str) -> _Subject:
    kind, name = str(subject.get("kind")), str(subject.get("name") or "")
    if kind == "ServiceAccount":
        return "User", f"{_ACCOUNT}{subject.get('namespace') or namespace}:{name}"
    return kind, name


def _told(subject: Object, namespace: str) -> str:
    kind, name = str(subject.get("kind")), str(subject.get("name") or "")
    if kind == "ServiceAccount":
        name = f"{name}/{subject.get('namespace') or namespace}"
    return f"{kind} {quote(name)}"


class _Granted:
    """The bindings of one subject in one scope, and what they come to."""

    __slots__ = ("bindings", "rights")

    def __init__(self) -> None:
        self.bindings: dict[str, Binding] = {}
        self.rights: Rights | None = None


_Scope = dict[_Subject, _Granted]


class Rbac:
    """All roles and bindings, and the answers that they give."""

    def __init__(self) -> None:
        self._roles: dict[RoleKey, tuple[Rule, ...]] = {}
        self._bindings: dict[tuple[str, str], Binding] = {}
        self._bound: dict[RoleKey, dict[tuple[str, str], Binding]] = {}
        self._scopes: dict[str, _Scope] = {}  # By namespace, "" for everywhere.
        #: What was found for those who ask again and again; forgotten with every change.
        self._known: dict[tuple[str, tuple[str, ...], str], tuple[Rights, ...]] = {}

    def put_role(self, obj: Object) -> None:
        """Take a Role or ClusterRole as it is now."""
        key = (namespace_of(obj), name_of(obj))
        self._roles[key] = tuple(Rule.of(rule) for rule in obj.get("rules") or ())
        self._forget(key)

    def drop_role(self, key: RoleKey) -> None:
        """Forget a role; its bindings grant nothing until there is one of its name again."""
        if self._roles.pop(key, None) is not None:
            self._forget(key)

    def _forget(self, role: RoleKey) -> None:
        self._known.clear()
        for binding in self._bound.get(role, {}).values():
            for subject in binding.subjects:
                self._scopes[binding.namespace][subject].rights = None

    def put_binding(self, obj: Object) -> None:
        """Take a RoleBinding or ClusterRoleBinding as it is now."""
        binding = Binding.of(obj)
        key = (binding.namespace, binding.name)
        self.drop_binding(key)
        self._bindings[key] = binding
        self._bound.setdefault(binding.role, {})[key] = binding
        self._known.clear()
        for subject in binding.subjects:  # Without any there is no scope to speak of.
            scope = self._scopes.setdefault(binding.namespace, {})
            granted = scope.setdefault(subject, _Granted())
            granted.bindings[binding.name] = binding
            granted.rights = None

    def drop_binding(self, key: tuple[str, str]) -> None:
        """Forget a binding, named by its namespace and name."""
        binding = self._bindings.pop(key, None)
        if binding is None:
            return
        self._known.clear()
        bound = self._bound[binding.role]
        del bound[key]
        if not bound:
            del self._bound[binding.role]
        scope = self._scopes.get(binding.namespace, {})
        for subject in dict.fromkeys(binding.subjects):
            granted = scope[subject]
            del granted.bindings[binding.name]
            granted.rights = None
            if not granted.bindings:
                del scope[subject]
        if not scope:
            self._scopes.pop(binding.namespace, None)

    def allows(self, user: User, info: RequestInfo) -> bool:
        """Tell whether a binding lets *user* do this."""
        resource = info.resource
        if not resource:
            return any(rights.allow_path(info) for rights in self._rights_of(user, ""))
        what = f"{resource}/{info.subresource}" if info.subresource else resource
        key = (user.name, user.groups, info.namespace)
        known = self._known.get(key)
        if known is None:
            known = self._remember(key, user)
        return any(rights.allow(info, what) for rights in known)

    def _remember(self, key: tuple[str, tuple[str, ...], str], user: User) -> tuple[Rights, ...]:
        """Return what *user* has in the namespace, for the next questions, too."""
        found = [*self._rights_of(user, "")]
        if key[2]:
            found += self._rights_of(user, key[2])
        known = tuple(rights for rights in found if rights.are_of_resources)
        if len(self._known) >= _KNOWN_MAX:
            self._known.clear()
        self._known[key] = known
        return known

    def _rights_of(self, user: User, namespace: str) -> Iterator[Rights]:
        scope = self._scopes.get(namespace)
        if scope is None:
            return
        for subject in _subjects_of(user):
            granted = scope.get(subject)
            if granted is not None:
                yield self._rights(granted)

    def _rights(self, granted: _Granted) -> Rights:
        if granted.rights is None:
            rules = self._roles.get
            granted.rights = Rights(
                rule for each in granted.bindings.values() for rule in rules(each.role, ())
            )
        return granted.rights

    def role_rules(self, role: RoleKey) -> Sequence[Rule] | None:
        """Return the rules of a role; None where there is no such role."""
        return self._roles.get(role)

    def reason(self, user: User, info: RequestInfo) -> str:
        """Return which binding allows this, "" where none does."""
        for binding, index, rules in self._granted_to(user, info.namespace):
            if any(rule.allows(info) for rule in rules):
                return binding.reason(index)
        return ""

    def rules_for(self, user: User, namespace: str) -> list[Rule]:
        """Return all rules that *user* has in *namespace* ("": everywhere)."""
        return [rule for _, _, rules in self._granted_to(user, namespace) for rule in rules]

    def unresolved(self, user: User, namespace: str) -> list[str]:
        """Return what is wrong with the bindings of *user*: the roles that are not there."""
        return [
            _no_role(binding.role)
            for binding in self._bindings_of(user, namespace)
            if binding.role not in self._roles
        ]

    def _bindings_of(self, user: User, namespace: str) -> Iterator[Binding]:
        for where in ("", namespace) if namespace else ("",):
            scope = self._scopes.get(where, {})
            found: dict[str, Binding] = {}
            for subject in _subjects_of(user):
                granted = scope.get(subject)
                found.update({} if granted is None else granted.bindings)
            yield from (found[name] for name in sorted(found))

    def _granted_to(
        self, user: User, namespace: str
    ) -> Iterator[tuple[Binding, int, Sequence[Rule]]]:
        mine = frozenset(_subjects_of(user))
        for binding in self._bindings_of(user, namespace):
            index = next(n for n, each in enumerate(binding.subjects) if each in mine)
            yield binding, index, self._roles.get(binding.role, ())


def _subjects_of(user: User) -> Iterable[_Subject]:
    return (("User", user.name), *(("Group", group) for group in user.groups))


def _no_role(role: RoleKey) -> str:
    kind = "role" if role[0] else "clusterrole"
    return f"{kind}.rbac.authorization.k8s.io {quote(role[1])} not found"
