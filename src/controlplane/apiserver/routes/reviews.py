"""What a client may do, and who it is (upstream: authorization.k8s.io, authentication.k8s.io).

Reviews are created and answered, never stored. Absent: rules, and reviews about others.
"""

from __future__ import annotations

from typing import Final

from controlplane.apiserver.authn import User
from controlplane.apiserver.authz import authorize
from controlplane.apiserver.decoding import decode_object
from controlplane.apiserver.exchange import Answer, Request, answer_object
from controlplane.apiserver.request_info import RequestInfo
from kubeapi.objects import Object
from kubeapi.status import bad_request, no_such_path

_ACCESS: Final = ("authorization.k8s.io", "v1", "selfsubjectaccessreviews")
_RULES: Final = ("authorization.k8s.io", "v1", "selfsubjectrulesreviews")
_SELF: Final = ("authentication.k8s.io", "v1", "selfsubjectreviews")


def serve(request: Request) -> Answer:
    """Answer a review; raises StatusError 404 for what is none."""
    info = request.info
    asked = (info.group, info.version, info.resource)
    if asked not in (_ACCESS, _RULES, _SELF) or info.verb != "create" or info.name:
        raise no_such_path()
    review = decode_object(request.body, request.content_type)
    if asked == _RULES:
        raise no_such_path()
    status = _access(review.get("spec"), request.user) if asked == _ACCESS else _who(request.user)
    answer: Object = {
        "kind": "SelfSubjectAccessReview" if asked == _ACCESS else "SelfSubjectReview",
        "apiVersion": f"{info.group}/{info.version}",
        "metadata": {},
        "status": status,
    }
    if asked == _ACCESS:
        answer["spec"] = review["spec"]
    return answer_object(answer, request.accepted, status=201)


def _access(spec: object, user: User) -> Object:
    """Return whether *user* may do what *spec* describes, to any object of that name."""
    decision = authorize(user, _described(spec))
    if decision.allowed and not decision.bound_to:
        return {"allowed": True}
    reason = f"only what is bound to {decision.bound_to}" if decision.bound_to else ""
    return {"allowed": False, "reason": reason} if reason else {"allowed": False}


def _described(spec: object) -> RequestInfo:
    attributes = spec if isinstance(spec, dict) else {}
    path = attributes.get("nonResourceAttributes")
    if isinstance(path, dict):
        return RequestInfo(verb=str(path.get("verb", "")), path=str(path.get("path", "")))
    resource = attributes.get("resourceAttributes")
    if not isinstance(resource, dict):
        raise bad_request(
            "spec: exactly one of resourceAttributes and nonResourceAttributes is required"
        )

    def text(name: str) -> str:
        return str(resource.get(name) or "")

    return RequestInfo(
        verb=text("verb"),
        path="",
        group=text("group"),
        version=text("version"),
        namespace=text("namespace"),
        resource=text("resource"),
        name=text("name"),
        subresource=text("subresource"),
    )


def _who(user: User) -> Object:
    who: Object = {"username": user.name, "groups": list(user.groups)}
    if user.uid:
        who["uid"] = user.uid
    if user.extra:
        who["extra"] = {name: [value] for name, value in user.extra}
    return {"userInfo": who}
