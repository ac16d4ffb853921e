"""One request in the audit log: an Event of audit.k8s.io/v1 for each of its stages.

Upstream: audit/request.go, endpoints/filters/audit.go. A request is told when it is received, when
the answer of one that lasts begins, and when it is done.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import msgspec

from componentbase.clock import Clock, rfc3339_micro
from componentbase.decoding import UNREADABLE
from controlplane.apiserver.audit.policy import API_VERSION, Policy, Verdict
from controlplane.apiserver.authn import User
from controlplane.apiserver.decoding import JSON, MSGPACK, decode_octets, media_type
from controlplane.apiserver.exchange import Answer, Request
from controlplane.apiserver.routes.reviews import user_info
from kubeapi.objects import Object
from kubeapi.status import StatusError

_WITH_REQUEST: Final = ("Request", "RequestResponse")
_READS: Final = ("get", "list", "watch")
_ID_MAX: Final = 64
_UNAUTHORIZED: Final = 401
_FORBIDDEN: Final = 403


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What is known of a request besides what it asks for."""

    uri: str
    source: str
    audit_id: str


class Auditor:
    """Writes down what the policy says."""

    def __init__(
        self,
        policy: Policy,
        write: Callable[[bytes], None],
        *,
        wall: Clock,
        explain: Callable[[User, Request], str],
    ) -> None:
        self._policy, self._write = policy, write
        self._wall, self._explain = wall, explain

    def begin(self, request: Request, seen: Seen) -> Record | None:
        """Note that *request* was received; None when nothing of it is written down."""
        verdict = self._policy.judge(request.user, request.info)
        if verdict.level == "None":
            return None
        record = Record(verdict, request, seen, self._wall())
        self._say(record, "RequestReceived")
        return record

    def failed(self, request: Request, seen: Seen) -> None:
        """Note that nobody knows who asked; *request* has a user without a name."""
        verdict = self._policy.judge(request.user, request.info)
        if verdict.level != "None":
            record = Record(verdict, request, seen, self._wall())
            status = {"metadata": {}, "status": "Failure", "reason": "Unauthorized"}
            told = {"message": "Authentication failed, attempted: bearer", "code": _UNAUTHORIZED}
            record.event["responseStatus"] = {**status, **told}
            self._say(record, "ResponseStarted")

    def started(self, record: Record, code: int) -> None:
        """Note that an answer that lasts has begun."""
        record.answered(code)
        self._say(record, "ResponseStarted")

    def completed(self, record: Record, code: int, answer: Answer | None = None) -> None:
        """Note the end."""
        record.answered(code, answer)
        acting = record.acting
        forbidden = code == _FORBIDDEN
        reason = "" if forbidden else self._explain(acting, record.request)
        record.event["annotations"] = {
            "authorization.k8s.io/decision": "forbid" if forbidden else "allow",
            "authorization.k8s.io/reason": reason,
            **record.request.annotations,
        }
        self._say(record, "ResponseComplete")

    def _say(self, record: Record, stage: str) -> None:
        if stage in record.verdict.omitted:
            return
        event = {**record.event, "stage": stage, "stageTimestamp": rfc3339_micro(self._wall())}
        self._write(msgspec.json.encode(event) + b"\n")


class Record:
    """One request, as far as it is known by now."""

    def __init__(self, verdict: Verdict, request: Request, seen: Seen, now: float) -> None:
        self.verdict, self.request, self.acting = verdict, request, request.user
        info = request.info
        self.event: Object = {
            "kind": "Event",
            "apiVersion": API_VERSION,
            "level": verdict.level,
            "auditID": seen.audit_id[:_ID_MAX],
            "requestURI": seen.uri,
            "verb": info.verb,
            "user": user_info(request.user),
            "sourceIPs": [seen.source] if seen.source else [],
            "requestReceivedTimestamp": rfc3339_micro(now),
        }
        if request.user_agent:
            self.event["userAgent"] = request.user_agent
        if info.resource:
            self.event["objectRef"] = _reference(request)

    def impersonates(self, user: User) -> None:
        """Note whom the request acts as."""
        self.acting = user
        self.event["impersonatedUser"] = user_info(user)

    def has_body(self, body: bytes, content_type: str) -> None:
        """Note what was sent."""
        if not body or self.verdict.level not in _WITH_REQUEST or self.request.info.verb in _READS:
            return
        try:
            value = decode_octets(body, content_type)
        except StatusError:
            if "patch" not in media_type(content_type):
                return
            try:  # JSON, or for server-side apply as good as always.
                value = msgspec.json.decode(body)
            except UNREADABLE:
                return
        if isinstance(value, dict):
            self.event["requestObject"] = self._shown(value)
            self._refer(value)
        elif isinstance(value, list):
            self.event["requestObject"] = value

    def _refer(self, obj: Object) -> None:
        """Let the reference name what is created."""
        metadata, reference = obj.get("metadata"), self.event.get("objectRef")
        if not isinstance(metadata, dict) or reference is None:
            return
        for key in ("name", "uid", "resourceVersion"):
            if isinstance(metadata.get(key), str) and not reference.get(key):
                reference[key] = metadata[key]

    def answered(self, code: int, answer: Answer | None = None) -> None:
        """Note the answer."""
        status: Object = {"metadata": {}, "code": code}
        body = None if answer is None else _decoded(answer)
        if isinstance(body, dict) and body.get("kind") == "Status":
            status |= {key: body[key] for key in ("status", "reason", "message") if key in body}
        self.event["responseStatus"] = status
        if body is not None and self.verdict.level == "RequestResponse":
            self.event["responseObject"] = self._shown(body)

    def _shown(self, obj: Object) -> Object:
        metadata = obj.get("metadata")
        if not self.verdict.omits_managed_fields or not isinstance(metadata, dict):
            return obj
        kept = {key: value for key, value in metadata.items() if key != "managedFields"}
        return {**obj, "metadata": kept}


def _reference(request: Request) -> Object:
    info = request.info
    found = {
        "resource": info.resource,
        "namespace": info.namespace,
        "name": info.name,
        "apiGroup": info.group,
        "apiVersion": info.version,
        "subresource": info.subresource,
    }
    return {key: value for key, value in found.items() if value}


def _decoded(answer: Answer) -> Object | None:
    kind = media_type(answer.content_type)
    if kind not in (JSON, MSGPACK) or not answer.body:
        return None
    decode = msgspec.json.decode if kind == JSON else msgspec.msgpack.decode
    value: object = decode(answer.body)
    return value if isinstance(value, dict) else None
