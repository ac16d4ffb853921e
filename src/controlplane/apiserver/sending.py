"""Answers on their way out: headers, compression, pieces, streams.

A client that reads nothing while more waits for it is dropped: what it missed it can ask for again.
"""

from __future__ import annotations

import asyncio
import re
import zlib
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Final, TypeVar

import msgspec
from aiohttp import web
from aiohttp.http import HttpVersion11

from componentbase.clock import Clock
from controlplane.apiserver.decoding import JSON
from controlplane.apiserver.exchange import Answer, Stream, Watching
from controlplane.apiserver.watch_sender import Flow, WatchSender

#: How long a client of a stream may read nothing while more waits for it.
STALL_MAX_S: Final = 60.0
#: Answers above this are compressed for who accepts that (upstream: 128 KiB).
_GZIP_ABOVE: Final = 128 * 1024
#: What is written at once. A TLS connection keeps a buffer as large as its largest write for good.
_PIECE_OCTETS: Final = 16 * 1024
#: So much must be read within the time after which a client counts as stalled.
_WINDOW_OCTETS: Final = 256 * 1024
_GZIP_LEVEL: Final = 1
#: How a query says that the answer is to be indented, and who need not say it.
_PRETTY: Final = re.compile(r"[?&]pretty=([^&]+)")
_TRUE: Final = ("1", "t", "T", "TRUE", "true", "True")
_OF_PEOPLE: Final = ("curl", "Wget", "Mozilla/5.0")
_NOTHING: Final[Mapping[str, str]] = MappingProxyType({})
ResponseT = TypeVar("ResponseT", bound=web.StreamResponse)


def _headers(answer: Answer, more: Mapping[str, str]) -> dict[str, str]:
    return {
        "Content-Type": answer.content_type,
        "Cache-Control": "no-cache, private",
        **answer.headers,
        **more,
    }


def response_of(answer: Answer, more: Mapping[str, str] = _NOTHING) -> web.Response:
    """Return the response that *answer* is, with *more* headers."""
    headers = _headers(answer, more)
    return _warned(web.Response(status=answer.status, body=answer.body, headers=headers), answer)


def _warned(response: ResponseT, answer: Answer | Watching) -> ResponseT:
    for warning in answer.warnings:
        quoted = warning.replace("\\", "\\\\").replace('"', '\\"')
        quoted = "".join(c if c.isprintable() else " " for c in quoted)
        response.headers.add("Warning", f'299 - "{quoted}"')
    return response


async def finish(
    http: web.BaseRequest, answer: Answer, more: Mapping[str, str] = _NOTHING
) -> web.StreamResponse:
    """Return the response that *answer* is, with *more* headers; a large one is sent already."""
    if answer.content_type == JSON and _is_pretty(http):
        answer = replace(answer, body=msgspec.json.format(answer.body, indent=2))
    body = answer.body
    if len(body) <= _PIECE_OCTETS:
        return response_of(answer, more)
    headers = _headers(answer, more)
    response = _warned(web.StreamResponse(status=answer.status, headers=headers), answer)
    if len(body) > _GZIP_ABOVE and _accepts_gzip(http.headers):
        # In a thread: ten megabytes take a tenth of a second, and zlib lets others run.
        loop = asyncio.get_running_loop()
        body = await loop.run_in_executor(None, _gzip, body)
        response.headers["Content-Encoding"] = "gzip"
        response.headers["Vary"] = "Accept, Accept-Encoding"
    await _send_in_pieces(http, response, body)
    return response


def _is_pretty(http: web.BaseRequest) -> bool:
    """Tell whether a person reads it: he says so, or asks by a browser, curl or wget."""
    asked = _PRETTY.search(http.raw_path)
    if asked is not None:
        return asked[1] in _TRUE
    return http.headers.get("User-Agent", "").startswith(_OF_PEOPLE)


async def _write(response: web.StreamResponse, octets: memoryview) -> None:
    for begin in range(0, len(octets), _PIECE_OCTETS):
        await response.write(octets[begin : begin + _PIECE_OCTETS])


async def _send_in_pieces(http: web.BaseRequest, response: web.StreamResponse, body: bytes) -> None:
    """Send a large *body* as fast as its reader reads; a stalled one is dropped."""
    response.content_length = len(body)
    await response.prepare(http)
    whole = memoryview(body if http.method != "HEAD" else b"")
    try:
        for begin in range(0, len(whole), _WINDOW_OCTETS):
            async with asyncio.timeout(STALL_MAX_S):
                await _write(response, whole[begin : begin + _WINDOW_OCTETS])
    except TimeoutError:
        abort(http)
    else:
        await response.write_eof()


def _accepts_gzip(headers: Mapping[str, str]) -> bool:
    """Tell whether gzip is named, without a quality (upstream: wantsCompressedResponse)."""
    asked = headers.get("Accept-Encoding", "")
    return "gzip" in asked and "gzip" in map(str.strip, asked.split(","))


def _gzip(body: bytes) -> bytes:
    compressor = zlib.compressobj(_GZIP_LEVEL, wbits=31)
    return compressor.compress(body) + compressor.flush()


def abort(http: web.BaseRequest) -> None:
    """Cut the connection in the middle, as the death of a process between would."""
    if http.transport is not None:
        http.transport.abort()


def _stream_response(stream: Stream | Watching) -> web.StreamResponse:
    response = web.StreamResponse(
        headers={"Content-Type": stream.content_type, "Cache-Control": "no-cache, private"}
    )
    return _warned(response, stream) if isinstance(stream, Watching) else response


async def send_stream(
    http: web.BaseRequest, stream: Stream, *, cut: bool = False
) -> web.StreamResponse:
    """Send what *stream* yields until it ends, or at once its end where it is to be *cut*."""
    response = _stream_response(stream)
    try:
        await response.prepare(http)
        if cut:
            abort(http)
            return response
        async for chunk in stream.chunks:
            async with asyncio.timeout(STALL_MAX_S):
                await response.write(chunk)
        await response.write_eof()
    except ConnectionError:
        pass  # The client went away: nobody is left to be told.
    except TimeoutError:
        abort(http)  # It reads nothing: what it missed it can ask for again.
    finally:
        closing = getattr(stream.chunks, "aclose", None)
        if closing is not None:
            await closing()
    return response


async def send_watch(
    http: web.BaseRequest, watching: Watching, flow: Flow, clock: Clock, *, cut: bool
) -> web.StreamResponse:
    """Send a watch until it ends, on the connection that *flow* is."""
    response, transport = _stream_response(watching), http.transport
    try:
        await response.prepare(http)
        if cut or transport is None:
            abort(http)
            return response
        sender = WatchSender(watching.stream, transport, flow, clock)
        await sender.run(chunked=http.version >= HttpVersion11, stall_max_s=STALL_MAX_S)
        await response.write_eof()
    except ConnectionAbortedError:
        abort(http)
    except ConnectionError:
        pass  # The client went away: nobody is left to be told.
    except TimeoutError:
        abort(http)  # It reads nothing: what it missed it can ask for again.
    finally:
        watching.stream.watch.close()
    return response
