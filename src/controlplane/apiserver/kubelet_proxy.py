"""Requests that a kubelet answers: logs, streams, connections (upstream: its port 10250).

The kubelet's InternalIP is emulated; `fabric_map`, or without one `transport_map`, says where it is
dialled. A connection comes from `dial_source`, which tells the fabric who dials. The kubelet's
certificate must be of our CA; which name is in it is not checked, as addresses are mapped.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import aiohttp
from yarl import URL

from componentbase.clock import parse_rfc3339
from controlplane.apiserver.config import Config, transport_address
from controlplane.apiserver.exchange import Answer, Stream
from controlplane.apiserver.request_info import is_true
from kubeapi.resources import Resource
from kubeapi.status import (
    Cause,
    StatusError,
    bad_request,
    internal,
    invalid,
    service_unavailable,
)

_CONNECT_S: Final = 5.0
_ERROR_OCTETS_MAX: Final = 64 * 1024
_TEXT: Final = "text/plain"
#: What one message of a stream may hold: kubelets send 64 KiB.
_MESSAGE_OCTETS_MAX: Final = 4 * 1024 * 1024
#: Where a kubelet says why it does not upgrade (contracts.md §21).
_REFUSAL: Final = "Podwire-Refusal"
#: Parameters of a log that are handed on: numbers (with the least that each may be), booleans.
_NUMBERS: Final[Mapping[str, int]] = {"tailLines": 0, "sinceSeconds": 1, "limitBytes": 1}
_SWITCHES: Final = ("follow", "timestamps", "previous")


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What is asked of which kubelet."""

    address: str
    port: int
    path: str


def log_query(query: Mapping[str, str], pod: str) -> dict[str, str]:
    """Return the log options for the kubelet; raises StatusError 400 and 422 as upstream does."""
    asked = {name: "true" for name in _SWITCHES if is_true(query.get(name))}
    causes = []
    for name, least in _NUMBERS.items():
        text = query.get(name, "")
        if not text:
            continue
        if not text.isascii() or not text.lstrip("-").isdecimal():
            raise bad_request(f"{name}: {text!r} must be a number")
        if int(text) < least:
            words = "greater than 0" if least else "greater than or equal to 0"
            message = f"Invalid value: {text}: must be {words}"
            causes.append(Cause("FieldValueInvalid", message, name))
        asked[name] = text
    if query.get("sinceTime"):
        asked["sinceTime"] = _moment(query["sinceTime"])
        if "sinceSeconds" in asked:
            both = "Forbidden: at most one of `sinceTime` or `sinceSeconds` may be specified"
            causes.append(Cause("FieldValueForbidden", both, ""))
    if query.get("stream"):  # Alpha in 1.32 (PodLogsQuerySplitStreams), and off.
        said = "Forbidden: may not be specified"
        causes.append(Cause("FieldValueForbidden", said, "stream"))
    if causes:
        raise invalid("PodLogOptions", pod, causes)
    return asked


def _moment(text: str) -> str:
    try:
        parse_rfc3339(text)
    except ValueError:
        raise bad_request(f"sinceTime: {text!r} must be a time as RFC 3339 has it") from None
    return text


class KubeletProxy:
    """A client of all kubelets."""

    def __init__(self, config: Config) -> None:
        context = ssl.create_default_context(cafile=config.client_ca)
        context.check_hostname = False
        context.load_cert_chain(config.kubelet_certificate, config.kubelet_private_key)
        self._networks = config.fabric_map or config.transport_map
        source = (config.dial_source, 0) if config.dial_source else None
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=context, limit=0, local_addr=source),
            timeout=aiohttp.ClientTimeout(total=None, connect=_CONNECT_S, sock_connect=_CONNECT_S),
            auto_decompress=False,
        )

    async def close(self) -> None:
        await self._session.close()

    def _url(self, target: Target) -> str:
        host = transport_address(target.address, self._networks)
        return f"https://{host}:{target.port}{target.path}"

    async def stream(
        self, target: Target, query: Sequence[tuple[str, str]], protocols: Sequence[str] = ()
    ) -> aiohttp.ClientWebSocketResponse:
        """Open a stream of a kubelet's; raises StatusError when it refuses or does not answer."""
        try:
            return await self._session.ws_connect(
                str(URL(self._url(target), encoded=True).update_query(query)),
                protocols=protocols,
                max_msg_size=_MESSAGE_OCTETS_MAX,
            )
        except aiohttp.WSServerHandshakeError as error:
            said = error.headers.get(_REFUSAL) if error.headers is not None else None
            why = said or f"the kubelet answered {error.status}"
            raise _refused(error.status, why) from None
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise internal(f"error dialing backend: {_reason(error)}") from None

    async def request(
        self,
        method: str,
        target: Target,
        headers: Mapping[str, str],
        body: AsyncIterator[bytes] | None,
    ) -> aiohttp.ClientResponse:
        """Hand a request on to a kubelet (nodes/proxy); raises StatusError."""
        try:
            return await self._session.request(
                method,
                URL(self._url(target), encoded=True),
                headers=headers,
                data=body,
                allow_redirects=False,
            )
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise service_unavailable(f"error trying to reach service: {_reason(error)}") from None

    async def log(
        self, target: Target, query: dict[str, str], resource: Resource, node: str
    ) -> Answer | Stream:
        """Fetch a log; raises StatusError when the kubelet refuses or cannot be reached."""
        try:
            response = await self._session.get(self._url(target), params=query)
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            reason = _reason(error)
            shown = f"[{target.address}]" if ":" in target.address else target.address
            raise internal(
                f'Get "https://{shown}:{target.port}{target.path}": '
                f"the kubelet of {resource.plural} {node} does not answer: {reason}"
            ) from None
        if response.status != 200:
            raise await _refusal(response)
        return Stream(chunks=_chunks(response), content_type=_TEXT)


def _reason(error: Exception) -> str:
    return str(error) or type(error).__name__


def _refused(status: int, why: str) -> StatusError:
    """Return what a client is told of a kubelet's refusal."""
    return StatusError(404, "NotFound", why) if status == 404 else internal(why)


async def _refusal(response: aiohttp.ClientResponse) -> StatusError:
    async with response:
        text = (await response.content.read(_ERROR_OCTETS_MAX)).decode(errors="replace").strip()
    if response.status == 404:
        return StatusError(404, "NotFound", text or "the kubelet has no such log")
    if response.status == 400:
        return bad_request(text)
    return internal(f"the kubelet answered {response.status}: {text}")


async def _chunks(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    async with response:
        try:
            while chunk := await response.content.readany():
                yield chunk
        except (aiohttp.ClientError, asyncio.IncompleteReadError):
            return  # The kubelet went away in the middle: what was read is what there is.
