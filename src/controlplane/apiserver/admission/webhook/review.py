"""AdmissionReviews: what a webhook is asked, and what its answer means (admission.k8s.io)."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from componentbase.decoding import UNREADABLE
from controlplane.apiserver.admission.attributes import Attributes
from controlplane.apiserver.admission.expressions import request_of
from controlplane.apiserver.admission.matching import in_version
from controlplane.apiserver.kinds.kind import Kind
from kubeapi.objects import Object
from kubeapi.status import StatusError

_GROUP = "admission.k8s.io"


class InvalidResponse(ValueError):
    """The webhook's answer is none."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a webhook says."""

    allowed: bool
    status: Object
    patch: Sequence[object]
    warnings: tuple[str, ...]
    annotations: dict[str, str]


def review(attributes: Attributes, kind: Kind, version: str, uid: str) -> Object:
    """Return the question, with the object in the version that *kind* is."""
    request = {
        "uid": uid,
        **request_of(attributes, kind),
        "object": in_version(attributes, kind, attributes.obj),
        "oldObject": in_version(attributes, kind, attributes.old),
    }
    return {"kind": "AdmissionReview", "apiVersion": f"{_GROUP}/{version}", "request": request}


def verdict(octets: bytes, version: str, uid: str, *, mutating: bool) -> Verdict:
    """Read an answer; raises InvalidResponse."""
    try:
        answer = msgspec.json.decode(octets)
    except UNREADABLE as error:
        raise InvalidResponse(f"couldn't get version/kind; json parse error: {error}") from None
    if not isinstance(answer, dict):
        raise InvalidResponse("couldn't get version/kind; the answer is no object")
    told = f"{answer.get('apiVersion')}, Kind={answer.get('kind')}"
    wanted = f"{_GROUP}/{version}, Kind=AdmissionReview"
    if told != wanted:
        raise InvalidResponse(f"expected webhook response of {wanted}, got {told}")
    response = answer.get("response")
    if not isinstance(response, dict):
        raise InvalidResponse("webhook response was absent")
    if version == "v1" and response.get("uid") != uid:
        given = response.get("uid") or ""
        raise InvalidResponse(f'expected response.uid="{uid}", got "{given}"')
    status = response.get("status")
    warnings, annotations = response.get("warnings"), response.get("auditAnnotations")
    return Verdict(
        response.get("allowed") is True,
        status if isinstance(status, dict) else {},
        _patch(response, version, mutating=mutating),
        tuple(map(str, warnings)) if isinstance(warnings, list) else (),
        {str(k): str(v) for k, v in annotations.items()} if isinstance(annotations, dict) else {},
    )


def _patch(response: Object, version: str, *, mutating: bool) -> Sequence[object]:
    patch, kind = response.get("patch"), response.get("patchType")
    if not mutating:
        for key, value in (("patch", patch), ("patchType", kind)):
            if value and version == "v1":
                raise InvalidResponse(f"validating webhook may not return response.{key}")
        return ()
    if not patch:
        if kind and version == "v1":
            raise InvalidResponse("webhook returned response.patchType but not response.patch")
        return ()
    if not kind and version == "v1":
        raise InvalidResponse("webhook returned response.patch but not response.patchType")
    if kind and kind != "JSONPatch":
        raise InvalidResponse(f'unsupported patch type "{kind}"')
    try:
        operations = msgspec.json.decode(base64.b64decode(str(patch), validate=True))
    except (*UNREADABLE, binascii.Error) as error:
        raise InvalidResponse(f"received undecodable patch in webhook response: {error}") from None
    if not isinstance(operations, list):
        raise InvalidResponse("received undecodable patch in webhook response: it is no list")
    return operations


def denial(name: str, status: Object) -> StatusError:
    """Return the refusal of a webhook as the client is told it (webhookerrors.ToStatusErr)."""
    denied = f'admission webhook "{name}" denied the request'
    said = status.get("message") or status.get("reason")
    message = f"{denied}: {said}" if said else f"{denied} without explanation"
    code = status.get("code")
    details = status.get("details")
    return StatusError(
        code if isinstance(code, int) and 400 <= code < 600 else 400,
        str(status.get("reason") or ""),
        message,
        details if isinstance(details, dict) else None,
    )
