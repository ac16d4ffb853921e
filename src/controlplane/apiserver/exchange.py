"""A request and its answer as everything behind the HTTP shell sees them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec

from controlplane.apiserver.authn import User
from controlplane.apiserver.decoding import JSON, MSGPACK
from controlplane.apiserver.negotiation import Accepted
from controlplane.apiserver.request_info import Query, RequestInfo
from kubeapi.objects import Object
from kubeapi.status import StatusError

if TYPE_CHECKING:
    from controlplane.apiserver.registry.watch import WatchStream

_encode_json = msgspec.json.Encoder().encode
_encode_msgpack = msgspec.msgpack.Encoder().encode


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A request that is authenticated and authorized."""

    info: RequestInfo
    query: Query
    user: User
    accepted: Accepted
    accept: str = ""
    content_type: str = ""
    body: bytes = field(default=b"", repr=False)
    if_none_match: str = ""
    query_text: str = ""  # What `query` has the first values of.
    user_agent: str = ""
    #: What admission has to say to the audit log; filled while the request is served.
    annotations: dict[str, str] = field(default_factory=dict, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An answer that is complete."""

    status: int = 200
    body: bytes = field(repr=False)
    content_type: str = JSON
    headers: Mapping[str, str] = field(default_factory=dict)
    warnings: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Watching:
    """An answer that goes on as long as something happens."""

    stream: WatchStream
    content_type: str
    warnings: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """An answer that goes on: a log."""

    chunks: AsyncIterator[bytes]
    content_type: str


def answer_object(
    obj: Object, accepted: Accepted, *, status: int = 200, warnings: Sequence[str] = ()
) -> Answer:
    """Return *obj* encoded as the client wants it."""
    as_msgpack = accepted.media_type == MSGPACK
    body = _encode_msgpack(obj) if as_msgpack else _encode_json(obj)
    kind = MSGPACK if as_msgpack else JSON
    return Answer(status=status, body=body, content_type=kind, warnings=warnings)


def answer_error(error: StatusError, accepted: Accepted) -> Answer:
    """Return a Status for *error*."""
    answer = answer_object(error.to_object(), accepted, status=error.code)
    seconds = error.retry_after_s
    if not seconds:
        return answer
    headers = {"Retry-After": str(seconds)}
    return Answer(
        status=answer.status,
        body=answer.body,
        content_type=answer.content_type,
        headers=headers,
    )


def success(details: Object, code: int = 200) -> Object:
    """Return a Status that says that all went well."""
    status: Object = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}
    if details:
        status["details"] = details
    return status if code == 200 else {**status, "code": code}
