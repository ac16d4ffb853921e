"""OpenAPI documents as answers: hashes, ETags and what may be kept for ever (handler3, handler).

Who asks with the right hash may keep the answer for a year; with another, he is sent to the one
there is now. Version 2 is made when it is asked for and not kept: hardly anybody does.
"""

from __future__ import annotations

import email.utils
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from componentbase.clock import Clock
from controlplane.apiserver.decoding import JSON
from controlplane.apiserver.exchange import Answer, Request
from controlplane.apiserver.kinds.kind import Kind
from controlplane.apiserver.negotiation import preferred
from controlplane.apiserver.openapi import gnostic, swagger
from controlplane.apiserver.openapi.documents import Documents, digest
from kubeapi.status import no_such_path, not_acceptable

_YEAR_S: Final = 365 * 24 * 3600
#: What version 2 is served as; one name has an @, which no media type may have.
_V2: Final = (JSON, gnostic.CONTENT_TYPE, gnostic.OLD_CONTENT_TYPE)


class OpenApiRoutes:
    """Answers /openapi/v2 and /openapi/v3."""

    def __init__(self, wall: Clock) -> None:
        self._wall = wall
        self._documents = Documents({})

    def serve_kinds(self, groups: Mapping[str, Mapping[str, Sequence[Kind]]]) -> None:
        """Describe *groups* from now on."""
        self._documents = Documents(groups, self._documents)

    def serve(self, version: str, rest: str, request: Request) -> Answer:
        """Answer by path; raises StatusError."""
        match version, rest:
            case "v2", "":
                return self._v2(request)
            case "v3", "":
                return _tagged(request, msgspec.json.encode(self._documents.index()))
            case "v3", _:
                return self._v3(rest, request)
        raise no_such_path()

    def _v3(self, name: str, request: Request) -> Answer:
        documents = self._documents
        if name not in documents.names():
            raise no_such_path()
        _accepted(request, (JSON,))
        asked, known = request.query.get("hash", ""), documents.hashes().get(name)
        if known is not None and request.if_none_match == _quoted(known) and asked in ("", known):
            return self._kept(Answer(status=304, body=b"", headers=_headers(known)), asked)
        body = documents.octets(name)
        assert body is not None
        known = documents.hashes()[name]
        if asked not in ("", known):
            moved = {"Location": documents.location(name), "Vary": "Accept"}
            return Answer(status=301, body=b"", headers=moved)
        return self._kept(Answer(body=body, headers=_headers(known)), asked)

    def _kept(self, answer: Answer, asked: str) -> Answer:
        """Let who asked by the hash keep *answer*."""
        if not asked:
            return answer
        ends = email.utils.formatdate(self._wall() + _YEAR_S, usegmt=True)
        kept = {**answer.headers, "Cache-Control": "public, immutable", "Expires": ends}
        return Answer(status=answer.status, body=answer.body, headers=kept)

    def _v2(self, request: Request) -> Answer:
        media_type = _accepted(request, _V2)
        if media_type == JSON:
            return _tagged(request, swagger.encoded(self._documents.each()))
        body = gnostic.encoded(self._documents.each())
        return _tagged(request, body, gnostic.CONTENT_TYPE)


def _accepted(request: Request, served: tuple[str, ...]) -> str:
    media_type = preferred(request.accept, served)
    if not media_type:
        offered = ", ".join(served)
        raise not_acceptable(f"only the following media types are accepted: {offered}")
    return media_type


def _quoted(known: str) -> str:
    return f'"{known}"'


def _headers(known: str) -> dict[str, str]:
    return {"ETag": _quoted(known), "Vary": "Accept"}


def _tagged(request: Request, body: bytes, content_type: str = JSON) -> Answer:
    """Return *body*, or 304 to who has it already."""
    headers = _headers(digest(body))
    if request.if_none_match == headers["ETag"]:
        return Answer(status=304, body=b"", content_type=content_type, headers=headers)
    return Answer(body=body, content_type=content_type, headers=headers)
