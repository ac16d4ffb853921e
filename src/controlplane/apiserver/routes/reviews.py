"""What somebody may do, and who somebody is (upstream: registry/authorization, authentication).

Reviews are created and answered, never stored. They ask the same authorizer as every request.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from controlplane.apiserver.authn import MASTERS, User
from controlplane.apiserver.authz.authorizer import Authorizer
from controlplane.apiserver.decoding import read_body
from controlplane.apiserver.exchange import Answer, Request, answer_object
from controlplane.apiserver.kinds.kind import Kind
from controlplane.apiserver.registry.options import write_options
from controlplane.apiserver.request_info import RequestInfo
from controlplane.apiserver.routes.serviceaccounts import Tokens
from kubeapi import field
from kubeapi.objects import Object
from kubeapi.resources import (
    LOCALSUBJECTACCESSREVIEWS,
    SELFSUBJECTACCESSREVIEWS,
    SELFSUBJECTREVIEWS,
    SELFSUBJECTRULESREVIEWS,
    SUBJECTACCESSREVIEWS,
    TOKENREVIEWS,
)
from kubeapi.schema import validate
from kubeapi.status import (
    Cause,
    StatusError,
    bad_request,
    invalid,
    method_not_allowed,
    no_such_path,
)

_NEITHER: Final = "exactly one of nonResourceAttributes or resourceAttributes must be specified"
_BOTH: Final = "cannot be specified in combination with resourceAttributes"
_NODE_RULES: Final = "node authorizer does not support user rule resolution"
#: What upstream writes where every version, group or so is meant.
_ANY: Final = "*"


class ReviewRoutes:
    """Answers reviews."""

    def __init__(self, authorizer: Authorizer, tokens: Tokens) -> None:
        self._authorizer, self._tokens = authorizer, tokens

    async def serve(self, kind: Kind, request: Request) -> Answer:
        """Answer a review; raises StatusError."""
        info = request.info
        if info.verb != "create" and not info.name:
            raise method_not_allowed(kind.resource, info.verb)
        if info.name or bool(info.namespace) is not kind.resource.namespaced:
            raise no_such_path()
        admitted = read_body(
            request.body, request.content_type, kind.resource, write_options(request).strictness
        )
        review = _checked(kind, admitted.obj)
        spec = review.get("spec") or {}
        match kind.resource:
            case resource if resource == SELFSUBJECTACCESSREVIEWS:
                _check_attributes(kind, spec, [])
                status = self._access(request.user, spec)
            case resource if resource in (SUBJECTACCESSREVIEWS, LOCALSUBJECTACCESSREVIEWS):
                _check_subject_review(kind, spec, info.namespace)
                status = self._access(_user_of(spec), spec)
            case resource if resource == SELFSUBJECTRULESREVIEWS:
                status = self._rules(request.user, spec)
            case resource if resource == TOKENREVIEWS:
                status = await self._token(spec)
            case resource:
                assert resource == SELFSUBJECTREVIEWS
                status = {"userInfo": user_info(request.user)}
        answered, warnings = review | {"status": status}, admitted.warnings
        return answer_object(answered, request.accepted, status=201, warnings=warnings)

    def _access(self, user: User, spec: Object) -> Object:
        decision = self._authorizer.explain(user, _described(spec))
        status: Object = {"allowed": decision.allowed}
        return status | {"reason": decision.reason} if decision.reason else status

    def _rules(self, user: User, spec: Object) -> Object:
        namespace = spec.get("namespace") or ""
        if not namespace:
            raise bad_request("no namespace on request")
        rules = [rule.to_object() for rule in self._authorizer.rules_for(user, namespace)]
        incomplete = self._authorizer.has_other_rights(user)
        wrong = [_NODE_RULES] if incomplete else []
        if MASTERS not in user.groups:
            wrong += self._authorizer.rbac.unresolved(user, namespace)
        status: Object = {
            "resourceRules": [rule for rule in rules if "nonResourceURLs" not in rule],
            "nonResourceRules": [rule for rule in rules if "nonResourceURLs" in rule],
            "incomplete": bool(wrong),
        }
        return status | {"evaluationError": ", ".join(wrong)} if wrong else status

    async def _token(self, spec: Object) -> Object:
        token = spec.get("token") or ""
        if not token:
            raise bad_request("token is required for TokenReview in authentication")
        audiences = tuple(spec.get("audiences") or ())
        try:
            user, meant = await self._tokens.review(token, audiences)
        except StatusError:
            return {"user": {}, "error": "[invalid bearer token, Token could not be validated.]"}
        status: Object = {"authenticated": True, "user": user_info(user)}
        return status | {"audiences": list(meant)} if meant else status


def _checked(kind: Kind, body: Object) -> Object:
    """Return the review with all that its schema requires; raises StatusError 400."""
    resource, review = kind.resource, body | {"spec": body.get("spec") or {}}
    causes = validate(review, kind.schema)
    if causes:
        raise bad_request("; ".join(map(str, causes)))
    head = {"kind": resource.kind, "apiVersion": resource.api_version, "metadata": {}}
    return {**head, **review}


def _check_attributes(kind: Kind, spec: Object, causes: list[Cause]) -> None:
    resource, path = spec.get("resourceAttributes"), spec.get("nonResourceAttributes")
    if resource is not None and path is not None:
        causes.append(field.invalid("spec.nonResourceAttributes", path, _BOTH))
    if resource is None and path is None:
        causes.append(field.invalid("spec.resourceAttributes", None, _NEITHER))
    if causes:
        raise invalid(kind.resource.kind, "", causes, group=kind.resource.group)


def _check_subject_review(kind: Kind, spec: Object, namespace: str) -> None:
    causes: list[Cause] = []
    if not spec.get("user") and not spec.get("groups"):
        causes.append(
            field.invalid("spec.user", "", "at least one of user or group must be specified")
        )
    if namespace:
        asked = spec.get("resourceAttributes") or {}
        if spec.get("nonResourceAttributes") is not None:
            found = spec["nonResourceAttributes"]
            why = "disallowed on this kind of request"
            causes.append(field.invalid("spec.nonResourceAttributes", found, why))
        elif asked.get("namespace") != namespace:
            raise bad_request(
                f"spec.resourceAttributes.namespace must match namespace: {namespace}"
            )
    _check_attributes(kind, spec, causes)


def _user_of(spec: Object) -> User:
    extra: Mapping[str, list[str]] = spec.get("extra") or {}
    return User(
        spec.get("user") or "",
        tuple(spec.get("groups") or ()),
        uid=spec.get("uid") or "",
        extra=tuple((name, value) for name, values in extra.items() for value in values or ()),
    )


def _described(spec: Object) -> RequestInfo:
    path = spec.get("nonResourceAttributes")
    if path is not None:
        return RequestInfo(verb=path.get("verb") or "", path=path.get("path") or "")
    asked: Mapping[str, str] = spec.get("resourceAttributes") or {}
    return RequestInfo(
        verb=asked.get("verb") or "",
        path="",
        group=asked.get("group") or "",
        version=asked.get("version") or _ANY,
        namespace=asked.get("namespace") or "",
        resource=asked.get("resource") or "",
        name=asked.get("name") or "",
        subresource=asked.get("subresource") or "",
        fields=_selected((spec.get("resourceAttributes") or {}).get("fieldSelector") or {}),
    )


def _selected(selector: Object) -> tuple[tuple[str, str], ...]:
    """Return what the field selector of a question pins."""
    return tuple(
        (str(each.get("key")), str(each["values"][0]))
        for each in selector.get("requirements") or ()
        if each.get("operator") == "In" and len(each.get("values") or ()) == 1
    )


def user_info(user: User) -> Object:
    """Return *user* as authentication.k8s.io's UserInfo."""
    who: Object = {"username": user.name, "groups": list(user.groups)}
    if user.uid:
        who["uid"] = user.uid
    if user.extra:
        extra: dict[str, list[str]] = {}
        for name, value in user.extra:
            extra.setdefault(name, []).append(value)
        who["extra"] = extra
    return who
