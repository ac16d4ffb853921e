"""authentication.k8s.io/v1 TokenRequest: what may be asked for.

A node asks for tokens of pods that are bound to it, and of no account else: the admission plugin
NodeRestriction sees to it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from componentbase.clock import rfc3339
from kubeapi import field
from kubeapi.objects import Object, name_of, uid_of
from kubeapi.resources import NODES, PODS, SECRETS, Resource
from kubeapi.schema import schema_for, validate
from kubeapi.schema.prune import prune
from kubeapi.status import bad_request, conflict, invalid

API_VERSION: Final = "authentication.k8s.io/v1"
KIND: Final = "TokenRequest"
_DEFAULT_S: Final = 3600
_MIN_S: Final = 600
_MAX_S: Final = 1 << 32
#: What a token may be bound to (upstream's switch in TokenREST.Create).
BINDABLE: Final = {"Pod": PODS, "Secret": SECRETS, "Node": NODES}


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """The object that a token is to die with."""

    resource: Resource
    name: str
    uid: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The spec of a TokenRequest, defaulted."""

    audiences: tuple[str, ...]
    duration_s: int
    bound: Bound | None


def parse(body: Object, default_audience: str) -> Asked:
    """Read a TokenRequest; raises StatusError 400, 422."""
    schema = schema_for(API_VERSION, KIND)
    assert schema is not None
    if (body.get("kind", KIND), body.get("apiVersion", API_VERSION)) != (KIND, API_VERSION):
        raise bad_request(f"a {KIND} of {API_VERSION} is needed")
    pruned = prune(body, schema)
    assert isinstance(pruned, dict)
    spec = pruned.get("spec") or {}
    spec = spec | {"audiences": spec.get("audiences") or [default_audience]}
    causes = validate(pruned | {"spec": spec}, schema)
    if causes:
        raise bad_request("; ".join(map(str, causes)))
    seconds = spec.get("expirationSeconds") or _DEFAULT_S
    _check_duration(seconds)
    return Asked(
        audiences=tuple(spec["audiences"]),
        duration_s=seconds,
        bound=_bound(spec.get("boundObjectRef") or {}),
    )


def _check_duration(seconds: int) -> None:
    path = "spec.expirationSeconds"
    why = ""
    if seconds < _MIN_S:
        why = "may not specify a duration less than 10 minutes"
    if seconds > _MAX_S:
        why = "may not specify a duration larger than 2^32 seconds"
    if why:
        causes = [field.invalid(path, seconds, why)]
        raise invalid(KIND, "", causes, group="authentication.k8s.io")


def _bound(reference: Object) -> Bound | None:
    if not reference:
        return None
    kind, name = reference.get("kind") or "", reference.get("name") or ""
    resource = BINDABLE.get(kind)
    if resource is None or reference.get("apiVersion", "v1") != "v1":
        version = reference.get("apiVersion") or ""
        raise bad_request(f"cannot bind token for serviceaccount to object {version}, Kind={kind}")
    if not name:
        raise bad_request("boundObjectRef: a name is required")
    return Bound(resource=resource, name=name, uid=reference.get("uid") or "")


def check_bound(bound: Bound, found: Object, account: str) -> None:
    """Raise StatusError 400, 409 when *found* is not what a token of *account* may be bound to."""
    if bound.uid and bound.uid != uid_of(found):
        raise conflict(
            bound.resource,
            bound.name,
            f"the UID in the bound object reference ({bound.uid}) does not match the UID in record."
            " The object might have been deleted and then recreated",
        )
    if bound.resource == PODS and found["spec"].get("serviceAccountName") != account:
        raise bad_request(
            f'cannot bind token for serviceaccount "{account}" to pod running with different '
            "serviceaccount name."
        )


def answer(body: Object, asked: Asked, account: Object, token: str, now: float) -> Object:
    """Return the TokenRequest with its status: the *token* and when to ask for another."""
    spec: Object = {"audiences": list(asked.audiences), "expirationSeconds": asked.duration_s}
    reference = (body.get("spec") or {}).get("boundObjectRef")
    spec["boundObjectRef"] = reference or None
    return {
        "kind": KIND,
        "apiVersion": API_VERSION,
        "metadata": {
            "name": name_of(account),
            "namespace": account["metadata"]["namespace"],
            "creationTimestamp": rfc3339(now),
        },
        "spec": spec,
        "status": {"token": token, "expirationTimestamp": rfc3339(int(now) + asked.duration_s)},
    }
