"""A small HTTP/1.1 client for programs in our images: wget, curl, agnhost's dial; with TLS too."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from podruntime.images.addresses import Peer
from podruntime.images.http_message import Body, Head, MalformedMessage, take_head

_READ_OCTETS: Final = 64 * 1024
_PORTS: Final = {"http": 80, "https": 443}


class BadUrl(ValueError):
    """A text that is no http:// or https:// URL."""


@dataclass(frozen=True, slots=True)
class Url:
    """The parts of an http:// or https:// URL."""

    host: str
    port: int
    target: str
    scheme: str = "http"

    @classmethod
    def parse(cls, text: str) -> Url:
        """Read *text*; a missing scheme means http, as curl and wget have it."""
        try:
            parts = urlsplit(text if "://" in text else f"http://{text}")
            port = parts.port or _PORTS.get(parts.scheme, 0)
        except ValueError as error:
            raise BadUrl(str(error)) from None
        if parts.scheme not in _PORTS or not parts.hostname:
            raise BadUrl(f"not an http or https address: {text}")
        query = f"?{parts.query}" if parts.query else ""
        return cls(parts.hostname, port, (parts.path or "/") + query, parts.scheme)

    @property
    def origin(self) -> str:
        """Return what stands before a path."""
        return f"{self.scheme}://{self.authority}"

    @property
    def authority(self) -> str:
        """Return the Host header's value."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Answer:
    """A response, and with whom it was spoken."""

    head: Head
    body: bytes
    peer: Peer
    local: Peer

    @property
    def status(self) -> int:
        """Return the status code."""
        return int(self.head.second) if self.head.second.isdigit() else 0


async def fetch(
    url: Url,
    *,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    body: bytes = b"",
    family: int = socket.AF_UNSPEC,
    tls: ssl.SSLContext | None = None,
    source: str = "",
) -> Answer:
    """Ask once on a connection of its own; raises OSError (ssl.SSLError too) or MalformedMessage.

    *tls* is how an https:// URL is spoken to: without it as the system's authorities vouch. The
    connection is made from *source*, if it is given.
    """
    secured = (tls or True) if url.scheme == "https" else None
    local_addr = (source, 0) if source else None
    reader, writer = await asyncio.open_connection(
        url.host, url.port, family=family, ssl=secured, local_addr=local_addr
    )
    try:
        writer.write(_request(url, method, headers or {}, body))
        peer, local = (writer.get_extra_info(name) for name in ("peername", "sockname"))
        head, received = await _answer(reader, method)
        return Answer(head, received, peer, local)
    finally:
        writer.close()


def anybody() -> ssl.SSLContext:
    """Return how to speak TLS with whoever answers, whatever its certificate says."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def _request(url: Url, method: str, headers: Mapping[str, str], body: bytes) -> bytes:
    fields = {"Host": url.authority, **headers, "Connection": "close"}
    if body:
        fields["Content-Length"] = str(len(body))
    lines = [f"{method} {url.target} HTTP/1.1", *(f"{k}: {v}" for k, v in fields.items())]
    return "\r\n".join([*lines, "", ""]).encode("latin-1", "replace") + body


async def _answer(reader: asyncio.StreamReader, method: str) -> tuple[Head, bytes]:
    buffer = bytearray()
    while (head := take_head(buffer)) is None or head.second == "100":
        if head is None:
            await _more(reader, buffer)
    if not head.first.startswith("HTTP/"):
        raise MalformedMessage("the answer is not HTTP")
    if method == "HEAD" or head.second in ("204", "304"):
        return head, b""
    chunked = head.chunked
    body = Body(chunked=chunked, length=None if chunked else head.content_length)
    body.feed(buffer)
    while not body.complete:
        octets = await reader.read(_READ_OCTETS)
        if not octets:
            if chunked or head.content_length is not None:
                raise ConnectionResetError("the connection ended within the body")
            break
        buffer += octets
        body.feed(buffer)
    return head, bytes(body.octets)


async def _more(reader: asyncio.StreamReader, buffer: bytearray) -> None:
    octets = await reader.read(_READ_OCTETS)
    if not octets:
        raise ConnectionResetError("the connection ended before an answer came")
    buffer += octets
