"""What expressions of webhooks and policies see of a write (apiserver: admission/plugin/cel)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from controlplane.apiserver.admission.attributes import Attributes, Operation
from controlplane.apiserver.admission.matching import asked_kind, in_version, namespace_of
from controlplane.apiserver.authn import User
from controlplane.apiserver.cacher import Cacher
from controlplane.apiserver.kinds.admissionregistration.expressions import compiled
from controlplane.apiserver.kinds.kind import Kind
from controlplane.apiserver.registry.options import DeleteOptions
from controlplane.apiserver.request_info import RequestInfo
from kubeapi.objects import Object
from kubeapi.resources import NAMESPACES, Resource

if TYPE_CHECKING:
    from kubeapi.cel import Budget, Program
    from kubeapi.cel.functions.authorizer import Authorizer, Question

Authorize = Callable[[User, RequestInfo], tuple[bool, str]]
Condition = tuple[str, "Program | None"]


def group_version_kind(attributes: Attributes, kind: Kind) -> Object:
    """Return what the object of a write is, as reviews name it."""
    if attributes.object_kind is not None:
        group, version, name = attributes.object_kind
        return {"group": group, "version": version, "kind": name}
    resource = kind.resource
    return {"group": resource.group, "version": resource.version, "kind": resource.kind}


def group_version_resource(resource: Resource) -> Object:
    return {"group": resource.group, "version": resource.version, "resource": resource.plural}


def options_of(attributes: Attributes) -> Object:
    """Return the options of a write as an object of meta.k8s.io."""
    options = attributes.options
    shown: Object = {"apiVersion": "meta.k8s.io/v1"}
    if isinstance(options, DeleteOptions):
        shown["kind"] = "DeleteOptions"
        if options.grace_s is not None:
            shown["gracePeriodSeconds"] = options.grace_s
        named = {"uid": options.uid, "resourceVersion": options.resource_version}
        if any(named.values()):
            shown["preconditions"] = {key: value for key, value in named.items() if value}
        if options.propagation:
            shown["propagationPolicy"] = options.propagation
    else:
        shown["kind"] = f"{attributes.operation.title()}Options"
        if options.asked_manager:
            shown["fieldManager"] = options.asked_manager
        if options.field_validation:
            shown["fieldValidation"] = options.field_validation
    return shown | ({"dryRun": ["All"]} if options.dry_run else {})


def user_info(user: User) -> Object:
    """Return authentication.k8s.io's UserInfo."""
    info: Object = {"username": user.name, "groups": list(user.groups)}
    if user.uid:
        info["uid"] = user.uid
    extra: dict[str, list[str]] = {}
    for key, value in user.extra:
        extra.setdefault(key, []).append(value)
    return {**info, "extra": extra} if extra else info


def request_of(attributes: Attributes, kind: Kind) -> Object:
    """Return the request but for its uid and objects, in the version that *kind* is."""
    asked = asked_kind(attributes)
    request: Object = {
        "kind": group_version_kind(attributes, kind),
        "resource": group_version_resource(kind.resource),
        "requestKind": group_version_kind(attributes, asked),
        "requestResource": group_version_resource(asked.resource),
        "operation": str(attributes.operation),
        "userInfo": user_info(attributes.options.user),
        "dryRun": attributes.options.dry_run,
    }
    if attributes.operation is not Operation.CONNECT:
        request["options"] = options_of(attributes)
    for key, value in (
        ("subResource", attributes.subresource),
        ("requestSubResource", attributes.subresource),
        ("name", attributes.name),
        ("namespace", attributes.namespace),
    ):
        if value:
            request[key] = value
    return request


class Variables(Mapping[str, object]):
    """What an expression may look at, each made when it is first looked at."""

    def __init__(
        self, attributes: Attributes, kind: Kind, cacher: Cacher, authorize: Authorize
    ) -> None:
        self._makers: dict[str, Callable[[], object]] = {
            "object": lambda: in_version(attributes, kind, attributes.obj),
            "oldObject": lambda: in_version(attributes, kind, attributes.old),
            "request": lambda: request_of(attributes, kind),
            "namespaceObject": lambda: _namespace_object(attributes, cacher),
            "authorizer": lambda: _authorizer(attributes, kind, authorize),
        }
        self._made: dict[str, object] = {}

    def put(self, name: str, value: object) -> None:
        """Add a variable, or exchange one."""
        self._made[name] = value

    def __getitem__(self, name: str) -> object:
        if name not in self._made:
            self._made[name] = self._makers[name]()
        return self._made[name]

    def __iter__(self) -> Iterable[str]:  # type: ignore[override]
        return iter({**self._makers, **self._made})

    def __len__(self) -> int:
        return len({**self._makers, **self._made})


def _namespace_object(attributes: Attributes, cacher: Cacher) -> Object | None:
    if not attributes.namespace or attributes.kind.resource == NAMESPACES:
        return None
    return namespace_of(attributes, cacher)


def _authorizer(attributes: Attributes, kind: Kind, authorize: Authorize) -> Authorizer:
    from kubeapi.cel.functions.authorizer import Authorizer, Question

    asking = attributes.options.user

    def decide(question: Question) -> tuple[bool, str]:
        return authorize(_asker(question, asking), _info(question))

    resource = kind.resource
    requested = Question(
        group=resource.group,
        resource=resource.plural,
        subresource=attributes.subresource,
        namespace=attributes.namespace,
        name=attributes.name,
    )
    return Authorizer(decide, Question(), requested)


def _asker(question: Question, asking: User) -> User:
    if question.account is None:
        return asking
    namespace, name = question.account
    groups = ("system:serviceaccounts", f"system:serviceaccounts:{namespace}")
    return User(f"system:serviceaccount:{namespace}:{name}", (*groups, "system:authenticated"))


def _info(question: Question) -> RequestInfo:
    if question.path:
        return RequestInfo(verb=question.verb, path=question.path)
    return RequestInfo(
        verb=question.verb,
        path="",
        group=question.group,
        version="*",
        namespace=question.namespace,
        resource=question.resource,
        name=question.name,
        subresource=question.subresource,
    )


def program_of(
    text: str, *, params: bool = False, authorizer: bool = True, variables: bool = False
) -> Program | None:
    """Return the program of a stored expression; None where it does not compile any more."""
    from kubeapi import cel

    try:
        return compiled(text, params=params, authorizer=authorizer, variables=variables)
    except cel.CompileError:
        return None


def conditions_of(holder: Object, *, params: bool = False) -> tuple[Condition, ...]:
    """Return the matchConditions of a webhook or policy."""
    return tuple(
        (condition["name"], program_of(condition["expression"], params=params))
        for condition in holder.get("matchConditions") or ()
    )


def failed_condition(
    conditions: Sequence[Condition], variables: Variables, budget: Budget
) -> tuple[str, str]:
    """Return the name of the first condition that is false, and what was wrong with others.

    Both empty: all hold. Where one is false what was wrong with others does not matter.
    """
    from kubeapi import cel

    wrong: list[str] = []
    for name, program in conditions:
        if program is None:
            wrong.append(f"the expression of condition '{name}' does not compile")
            continue
        try:
            value = program.evaluate(variables, budget)
        except (cel.EvaluationError, cel.BudgetExceeded) as error:
            wrong.append(f"expression '{program.source}' resulted in error: {error}")
            continue
        if value is False:
            return name, ""
        if value is not True:
            wrong.append(f"expression '{program.source}' did not evaluate to a boolean")
    if len(wrong) > 1:
        return "", f"[{', '.join(wrong)}]"
    return "", wrong[0] if wrong else ""
