"""The HTTP shell: octets in, octets out, over TLS (aiohttp's low-level server).

It reads a request as far as its head, learns who asks, and only then reads the body, which is
bounded. Whatever goes wrong leaves as a Status; a fault of our own leaves as 500 and a log entry.
A store that does not answer is 503 without Retry-After: clients of upstream's would wait and ask
ten times over, where a person wants to read why.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
import uuid
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from http import HTTPStatus
from typing import Final

from aiohttp import web
from aiohttp.http_exceptions import LineTooLong
from aiohttp.web_protocol import RequestHandler

from componentbase import client_certificates, clock
from componentbase.client_certificates import NotBelieved
from componentbase.clock import Clock
from controlplane.apiserver.api_faults import WATCH, ApiFaults
from controlplane.apiserver.audit.event import Auditor, Record, Seen
from controlplane.apiserver.authn import ANONYMOUS, Certified, User, web_socket_token
from controlplane.apiserver.config import Config
from controlplane.apiserver.decoding import JSON, MSGPACK, YAML
from controlplane.apiserver.exchange import Answer, Request, Stream, Watching, answer_error
from controlplane.apiserver.flowcontrol.admission import FlowControl
from controlplane.apiserver.impersonation import impersonation
from controlplane.apiserver.metrics import Metrics
from controlplane.apiserver.negotiation import Accepted, negotiate
from controlplane.apiserver.request_info import (
    RequestInfo,
    is_stream,
    parse_query,
    parse_request_info,
    parse_target,
)
from controlplane.apiserver.routes.dispatch import Dispatcher
from controlplane.apiserver.routes.serviceaccounts import Tokens
from controlplane.apiserver.sending import abort, finish, response_of, send_stream, send_watch
from controlplane.apiserver.streams.upgrade import BEGINNING, Beginning, Upgrade
from controlplane.storage.interface import (
    StorageError,
    StorageFull,
    StorageUnavailable,
    ValueTooLarge,
)
from kubeapi.client.delegation import bearer_token
from kubeapi.status import (
    StatusError,
    bad_request,
    internal,
    not_acceptable,
    request_timeout,
    service_unavailable,
    too_large,
    unauthorized,
)

log = logging.getLogger(__name__)

BODY_MAX: Final = 3 * 1024 * 1024
#: How long a request line may be (Go's DefaultMaxHeaderBytes), and one field of the head.
LINE_MAX: Final = 1 << 20
FIELD_MAX: Final = 64 * 1024
_TOO_LONG: Final = 431
#: How long a client may take to send a head, and a body, and be idle between two requests.
HEAD_WAIT_S: Final = 30.0
BODY_WAIT_S: Final = 60.0
IDLE_S: Final = 90.0
_WITH_BODY: Final = ("POST", "PUT", "PATCH", "DELETE")
_JSON: Final = Accepted()
_UNAVAILABLE: Final = 503
_ACCEPTED: Final = "only the following media types are accepted: {}"
_AUDIT_ID: Final = "Audit-Id"
#: Disabled: a line per request costs more than the request.
_ACCESS_LOG: Final = logging.getLogger("aiohttp.access")
_ACCESS_LOG.disabled = True


class _Handler(RequestHandler):
    """aiohttp's connection handler, with Status objects for what never reaches our routes."""

    __slots__ = ("_head_due", "certified", "is_full", "on_room")

    certified: Certified | None  # Whom the client's certificate names: known at the first request.
    is_full: bool
    on_room: Callable[[], None] | None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.is_full, self.on_room, self.certified = False, None, None
        loop = asyncio.get_running_loop()
        self._head_due = loop.call_later(HEAD_WAIT_S, transport.close)

    def connection_lost(self, exc: BaseException | None) -> None:
        self._head_due.cancel()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        self.is_full = True

    def resume_writing(self) -> None:
        super().resume_writing()
        self.is_full = False
        if self.on_room is not None:
            self.on_room()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        between = self._current_request is None and not self._messages
        if between and self._head_due.cancelled() and self.transport is not None:
            # A further head has begun: it has as long as the first one had.
            loop = asyncio.get_running_loop()
            self._head_due = loop.call_later(HEAD_WAIT_S, self.transport.close)

    def head_came(self) -> None:
        """Wait no longer for this request's head."""
        self._head_due.cancel()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer malformed HTTP (400), and faults of ours (500)."""
        if isinstance(exc, LineTooLong):
            error = StatusError(_TOO_LONG, "RequestHeaderFieldsTooLarge", "the head is too long")
        elif status < HTTPStatus.INTERNAL_SERVER_ERROR:
            error = StatusError(status, "BadRequest", message or "the request is malformed")
        else:
            log.error("%s %s failed", request.method, request.raw_path, exc_info=exc)
            error = internal("the server has a fault; its log says more")
        if request.writer.output_size > 0:
            raise ConnectionError("the answer had begun")
        response = response_of(answer_error(error, _JSON))
        response.force_close()
        return response


class _Server(web.Server):
    def __call__(self) -> RequestHandler:
        return _Handler(
            self,
            loop=asyncio.get_running_loop(),
            access_log=_ACCESS_LOG,
            keepalive_timeout=IDLE_S,
            max_line_size=LINE_MAX,
            max_field_size=FIELD_MAX,
        )


class ApiServer:
    """Listens, and carries requests to the dispatcher."""

    def __init__(
        self,
        dispatcher: Dispatcher,
        metrics: Metrics,
        faults: ApiFaults,
        tokens: Tokens,
        flow_control: FlowControl,
        *,
        monotonic: Clock,
        auditor: Auditor | None = None,
    ) -> None:
        self._tokens, self._auditor = tokens, auditor
        self._dispatcher, self._metrics, self._monotonic = dispatcher, metrics, monotonic
        self._faults = faults
        self._streams: dict[int, tuple[web.BaseRequest, Request]] = {}  # By id: no hash.
        self._flow_control = flow_control
        self._server: asyncio.Server | None = None
        self._http: _Server | None = None
        self.tls: ssl.SSLContext | None = None

    async def start(self, config: Config) -> None:
        """Listen; raises OSError with a clear text when the address is taken."""
        self._http = _Server(self._handle, handler_cancellation=True)
        self.tls = client_certificates.server_context(
            config.certificate, config.private_key, config.client_ca
        )
        loop = asyncio.get_running_loop()
        try:
            self._server = await loop.create_server(
                self._http,
                config.bind,
                config.port,
                ssl=self.tls,
                reuse_address=True,
                backlog=1024,
            )
        except OSError as error:
            where = f"{config.bind}:{config.port}"
            raise OSError(f"cannot listen on {where}: {error.strerror or error}") from None

    @property
    def port(self) -> int:
        """Return the port that is listened on."""
        assert self._server is not None
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def close(self) -> None:
        """Stop listening and end what is open."""
        if self._server is not None:
            self._server.close()
        if self._http is not None:
            await self._http.shutdown(1.0)

    async def _handle(self, http: web.BaseRequest) -> web.StreamResponse:
        began = self._monotonic()
        assert isinstance(http.protocol, _Handler)
        http.protocol.head_came()
        info = RequestInfo(verb=http.method.lower(), path=http.raw_path)
        accepted = _JSON
        asked: Request | RequestInfo = info
        cut = False
        record: Record | None = None
        told: dict[str, str] = {}
        try:
            info, request = await self._read_head(http)
            asked, accepted = request, request.accepted
            if self._auditor is not None:
                record = self._auditor.begin(request, _seen(http))
            _check_accepted(request)
            asked = request = self._acting(http, request, record)
            await self._dispatcher.authorize(request)
            if self._faults.active:
                cut = await self._suffer(request)
            with await self._flow_control.seat(info, request.user, told):
                if http.method in _WITH_BODY and not is_stream(info):
                    request = _with_body(request, await _read_body(http))
                    if record is not None:
                        record.has_body(request.body, request.content_type)
                answer = await self._dispatcher.serve(request)
            if isinstance(answer, Upgrade):
                return await self._carry(http, info, answer, record)
        except StatusError as error:
            answer = answer_error(error, accepted)
        except StorageError as error:
            refusal = status_of(error)
            # That the store is away is told once, when it goes: not by every request.
            level = logging.DEBUG if refusal.code == _UNAVAILABLE else logging.ERROR
            log.log(level, "%s %s: %s", http.method, http.raw_path, error)
            answer = answer_error(refusal, accepted)
        if not isinstance(answer, Answer):
            self._metrics.answered(asked, HTTPStatus.OK, None)
            return await self._stream(http, request, answer, record, cut=cut)
        if record is not None:
            answer = self._audited(record, answer)
        took_s = self._monotonic() - began
        self._metrics.answered(asked, answer.status, took_s, len(answer.body))
        if not http.content.is_eof() and _expects_continue(http):
            answer = _last(http, answer)
        return await finish(http, answer, told)

    async def _carry(
        self, http: web.BaseRequest, info: RequestInfo, upgrade: Upgrade, record: Record | None
    ) -> web.StreamResponse:
        """Let *upgrade* have the connection; raises StatusError as long as nothing was said."""
        if record is not None and self._auditor is not None:
            http[BEGINNING] = Beginning(partial(self._auditor.started, record))
        response = await upgrade.carry(http)
        self._metrics.answered(info, response.status, None)
        if record is not None and self._auditor is not None:
            self._auditor.completed(record, response.status)
        return response

    def _audited(self, record: Record, answer: Answer) -> Answer:
        """Write an answer down, and tell the client under which number."""
        assert self._auditor is not None
        self._auditor.completed(record, answer.status, answer)
        return replace(answer, headers={**answer.headers, _AUDIT_ID: record.event["auditID"]})

    async def _suffer(self, request: Request) -> bool:
        """Let faults act; tell whether the watch is to be cut; raises StatusError."""
        verdict = self._faults.judge(request.user, request.info)
        if verdict.latency_s:
            await asyncio.sleep(verdict.latency_s)
        if verdict.refusal is not None:
            raise verdict.refusal
        return verdict.cut

    async def _stream(
        self,
        http: web.BaseRequest,
        request: Request,
        stream: Stream | Watching,
        record: Record | None,
        *,
        cut: bool,
    ) -> web.StreamResponse:
        self._streams[id(http)] = http, request
        self._metrics.streams(request.info, 1)
        if record is not None and self._auditor is not None:
            self._auditor.started(record, HTTPStatus.OK)
        try:
            if isinstance(stream, Watching):
                assert isinstance(http.protocol, _Handler)
                return await send_watch(http, stream, http.protocol, self._monotonic, cut=cut)
            return await send_stream(http, stream, cut=cut)
        finally:
            del self._streams[id(http)]
            self._metrics.streams(request.info, -1)
            if record is not None and self._auditor is not None:
                self._auditor.completed(record, HTTPStatus.OK)

    def faults_changed(self) -> None:
        """Cut those open watches that the table now drops."""
        for http, request in list(self._streams.values()):
            if request.info.verb == WATCH and self._faults.cuts(request.user, request.info):
                abort(http)

    async def _read_head(self, http: web.BaseRequest) -> tuple[RequestInfo, Request]:
        """Learn what is asked and by whom; raises StatusError."""
        path, query_text = parse_target(http.raw_path)
        try:
            query = parse_query(query_text)
            info = parse_request_info(http.method, path, query)
        except ValueError as error:
            raise bad_request(f"the URL is malformed: {error}") from None
        try:
            user = await self._user(http)
        except StatusError:
            if self._auditor is not None:
                nobody = Request(info=info, query=query, user=User(""), accepted=_JSON)
                self._auditor.failed(nobody, _seen(http))
            raise
        accept = http.headers.get("Accept", "")
        return info, Request(
            info=info,
            query=query,
            user=user,
            accepted=negotiate(accept) or _JSON,
            accept=accept,
            content_type=http.headers.get("Content-Type", ""),
            if_none_match=http.headers.get("If-None-Match", ""),
            user_agent=http.headers.get("User-Agent", ""),
            query_text=query_text,
        )

    def _acting(self, http: web.BaseRequest, request: Request, record: Record | None) -> Request:
        """Return the request of whom its user acts as; raises StatusError 403."""
        other = impersonation(http.raw_headers)
        if other is None:
            return request
        for needed in other.needed:
            self._dispatcher.authorizer.check(request.user, needed)
        if record is not None:
            record.impersonates(other.user)
        return replace(request, user=other.user)

    async def _user(self, http: web.BaseRequest) -> User:
        """Return who asks; raises StatusError 401 for a wrong certificate or token.

        A good token makes up for a wrong certificate, but not the other way round: a token is
        looked at only where no certificate says who asks (upstream: the union of authenticators).
        """
        connection = http.protocol
        assert isinstance(connection, _Handler)
        if connection.certified is None:
            connection.certified = Certified(client_certificates.shown_on(http.transport))
        wrong = False
        try:
            if user := connection.certified.user(clock.wall()):
                return user
        except NotBelieved:
            wrong = True
        if token := _token(http):
            return await self._tokens.user_of(token)
        if wrong:
            raise unauthorized()
        return ANONYMOUS


def _token(http: web.BaseRequest) -> str:
    """Return the token that is shown, "" for none; raises StatusError 401."""
    token = bearer_token(http.headers.get("Authorization", ""))
    if token or http.headers.get("Upgrade", "").lower() != "websocket":
        return token
    try:
        return web_socket_token(",".join(http.headers.getall("Sec-WebSocket-Protocol", ())))
    except ValueError:
        raise unauthorized() from None


def _seen(http: web.BaseRequest) -> Seen:
    peer = None if http.transport is None else http.transport.get_extra_info("peername")
    asked = http.headers.get(_AUDIT_ID, "")
    return Seen(
        uri=http.raw_path,
        source=str(peer[0]) if peer else "",
        audit_id=asked if asked.isprintable() and asked else str(uuid.uuid4()),
    )


#: Groups of reviews: what is answered and never stored has no columns.
_UNSHAPED_GROUPS: Final = ("authentication.k8s.io", "authorization.k8s.io")


def _check_accepted(request: Request) -> None:
    """Raise StatusError 406 for what we have in no such form; watches of YAML are none."""
    info, accepted = request.info, request.accepted
    if not info.resource or info.subresource == "log" or is_stream(info):
        return
    nothing = accepted is _JSON and negotiate(request.accept) is None
    if accepted.transformation and info.group in _UNSHAPED_GROUPS:
        nothing = negotiate(request.accept, shaped=False) is None
    if info.verb == WATCH:
        if nothing or accepted.media_type == YAML:
            raise not_acceptable(_ACCEPTED.format(f"{JSON};stream=watch, {MSGPACK};stream=watch"))
    elif nothing:
        raise not_acceptable(_ACCEPTED.format(f"{JSON}, {YAML}, {MSGPACK}"))


def _with_body(request: Request, body: bytes) -> Request:
    return replace(request, body=body)


def _expects_continue(http: web.BaseRequest) -> bool:
    """Tell whether the client sends its body only when it is told to (RFC 9110, 10.1.1)."""
    return http.headers.get("Expect", "").lower() == "100-continue"


def _last(http: web.BaseRequest, answer: Answer) -> Answer:
    """Return *answer* as the connection's last: nobody knows whether the body will still come."""
    http.protocol.close()
    return replace(answer, headers={**answer.headers, "Connection": "close"})


async def _read_body(http: web.BaseRequest) -> bytes:
    """Return the body; raises StatusError 413 before more than the bound is held."""
    refusal = f"Request entity too large: limit is {BODY_MAX}"
    if (http.content_length or 0) > BODY_MAX:
        raise too_large(refusal)
    pieces, size = [], 0
    if _expects_continue(http) and http.transport is not None:
        http.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    try:
        async with asyncio.timeout(BODY_WAIT_S):
            while piece := await http.content.readany():
                pieces.append(piece)
                size += len(piece)
                if size > BODY_MAX:
                    raise too_large(refusal)
    except TimeoutError:
        raise request_timeout(f"the body did not come within {BODY_WAIT_S:g} seconds") from None
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def status_of(error: StorageError) -> StatusError:
    """Return how a failure of the store is told."""
    if isinstance(error, ValueTooLarge):
        return too_large(str(error))
    if isinstance(error, StorageUnavailable) and not isinstance(error, StorageFull):
        return service_unavailable(f"the API server cannot reach its store: {error}")
    return internal(str(error))
