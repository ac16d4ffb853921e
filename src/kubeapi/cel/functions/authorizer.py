"""`authorizer.group('apps').resource('deployments').check('create').allowed()` (library.Authz).

Who decides is the caller's: an `Authorizer` is made with a function that is told what is asked.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from kubeapi import validation
from kubeapi.cel.errors import EvaluationError, no_such_overload
from kubeapi.cel.functions.function import Table, function
from kubeapi.cel.values import Opaque, Selectable, Value

_CHECK_COST: Final = 350_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked: of a path, or of a resource; for an account where it names one."""

    account: tuple[str, str] | None = None  # Namespace and name.
    path: str = ""
    group: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    verb: str = ""


Decide = Callable[[Question], tuple[bool, str]]


class _Asking(Opaque):
    __slots__ = ("decide", "question")

    def __init__(self, decide: Decide, question: Question) -> None:
        self.decide, self.question = decide, question

    def identity(self) -> object:
        return self.question


class Authorizer(_Asking, Selectable):
    """The variable: who asks, and nothing yet of what; its field is what the request asks."""

    __slots__ = ("requested",)
    TYPE = "kubernetes.authorization.Authorizer"

    def __init__(self, decide: Decide, question: Question, requested: Question) -> None:
        super().__init__(decide, question)
        self.requested = requested

    def select(self, name: str) -> Value:
        """Return authorizer.requestResource; raises KeyError."""
        if name != "requestResource":
            raise KeyError(name)
        return ResourceCheck(self.decide, self.requested)


class _PathCheck(_Asking):
    __slots__ = ()
    TYPE = "kubernetes.authorization.PathCheck"


class _GroupCheck(_Asking):
    __slots__ = ()
    TYPE = "kubernetes.authorization.GroupCheck"


class ResourceCheck(_Asking):
    """The variable authorizer.requestResource: what the request itself is about."""

    __slots__ = ()
    TYPE = "kubernetes.authorization.ResourceCheck"


class _Decision(Opaque):
    __slots__ = ("allowed", "reason")
    TYPE = "kubernetes.authorization.Decision"

    def __init__(self, allowed: bool, reason: str) -> None:
        self.allowed, self.reason = allowed, reason

    def identity(self) -> object:
        return self.allowed, self.reason


def _text(value: Value) -> str:
    if not isinstance(value, str):
        raise no_such_overload()
    return value


def _not_empty(value: Value, what: str) -> str:
    if not _text(value).strip():
        raise EvaluationError(f"{what} must not be empty")
    return _text(value)


def _path(target: Value, path: Value) -> _PathCheck:
    if not isinstance(target, Authorizer):
        raise no_such_overload()
    question = replace(target.question, path=_not_empty(path, "path"))
    return _PathCheck(target.decide, question)


def _group(target: Value, group: Value) -> _GroupCheck:
    if not isinstance(target, Authorizer):
        raise no_such_overload()
    return _GroupCheck(target.decide, replace(target.question, group=_text(group)))


def _service_account(target: Value, namespace: Value, name: Value) -> Authorizer:
    if not isinstance(target, Authorizer):
        raise no_such_overload()
    if validation.dns1123_subdomain(_text(name)):
        raise EvaluationError("Invalid service account name")
    if validation.dns1123_label(_text(namespace)):
        raise EvaluationError("Invalid service account namespace")
    account = (str(namespace), str(name))
    return Authorizer(
        target.decide,
        replace(target.question, account=account),
        replace(target.requested, account=account),
    )


def _resource(target: Value, resource: Value) -> ResourceCheck:
    if not isinstance(target, _GroupCheck):
        raise no_such_overload()
    question = replace(target.question, resource=_not_empty(resource, "resource"))
    return ResourceCheck(target.decide, question)


def _narrowed(target: Value) -> ResourceCheck:
    if not isinstance(target, ResourceCheck):
        raise no_such_overload()
    return target


def _subresource(target: Value, subresource: Value) -> ResourceCheck:
    check = _narrowed(target)
    return ResourceCheck(check.decide, replace(check.question, subresource=_text(subresource)))


def _namespace(target: Value, namespace: Value) -> ResourceCheck:
    check = _narrowed(target)
    return ResourceCheck(check.decide, replace(check.question, namespace=_text(namespace)))


def _name(target: Value, name: Value) -> ResourceCheck:
    check = _narrowed(target)
    return ResourceCheck(check.decide, replace(check.question, name=_text(name)))


def _selector(target: Value, selector: Value) -> ResourceCheck:
    """Authorization here looks at no selectors: what is asked stays as wide as it was."""
    _text(selector)
    return _narrowed(target)


def _check(target: Value, verb: Value) -> _Decision:
    if not isinstance(target, _PathCheck | ResourceCheck):
        raise no_such_overload()
    return _Decision(*target.decide(replace(target.question, verb=_text(verb))))


def _decision(target: Value) -> _Decision:
    if not isinstance(target, _Decision):
        raise no_such_overload()
    return target


def _allowed(target: Value) -> bool:
    return _decision(target).allowed


def _reason(target: Value) -> str:
    return _decision(target).reason


def _errored(target: Value) -> bool:
    _decision(target)
    return False


def _error(target: Value) -> str:
    _decision(target)
    return ""


_A, _P, _G = Authorizer.TYPE, _PathCheck.TYPE, _GroupCheck.TYPE
_R, _D = ResourceCheck.TYPE, _Decision.TYPE
MEMBER: Final[Table] = {
    "path": function(_path, f"{_A}, string -> {_P}"),
    "group": function(_group, f"{_A}, string -> {_G}"),
    "serviceAccount": function(_service_account, f"{_A}, string, string -> {_A}"),
    "resource": function(_resource, f"{_G}, string -> {_R}"),
    "subresource": function(_subresource, f"{_R}, string -> {_R}"),
    "namespace": function(_namespace, f"{_R}, string -> {_R}"),
    "name": function(_name, f"{_R}, string -> {_R}"),
    "fieldSelector": function(_selector, f"{_R}, string -> {_R}"),
    "labelSelector": function(_selector, f"{_R}, string -> {_R}"),
    "check": function(
        _check, f"{_P}, string -> {_D}", f"{_R}, string -> {_D}", cost=lambda _: _CHECK_COST
    ),
    "allowed": function(_allowed, f"{_D} -> bool"),
    "reason": function(_reason, f"{_D} -> string"),
    "errored": function(_errored, f"{_D} -> bool"),
    "error": function(_error, f"{_D} -> string"),
}
