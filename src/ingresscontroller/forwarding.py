"""Heads as they leave: a request's for the backend, a response's for the client, our own answers.

X-Forwarded-* as ingress-nginx sets them with `use-forwarded-headers: false`: what a client says of
itself there is replaced, its X-Forwarded-For goes on as X-Original-Forwarded-For.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

from ingresscontroller.decision import Answer, Client, Forward
from ingresscontroller.message import RequestHead, ResponseHead

_PORTS: Final = {False: b"80", True: b"443"}
_SCHEMES: Final = {False: b"http", True: b"https"}
_REPLACED: Final = frozenset(
    (b"host", b"expect", b"x-request-id", b"x-real-ip", b"x-forwarded-for", b"x-forwarded-host",
     b"x-forwarded-port", b"x-forwarded-proto", b"x-forwarded-scheme", b"x-scheme",
     b"x-original-forwarded-for", b"forwarded")
)  # fmt: skip
_WEBSOCKET: Final = b"websocket"
_PHRASES: Final = {each.value: each.phrase for each in HTTPStatus} | {
    413: "Request Entity Too Large",
    414: "Request-URI Too Large",
    431: "Request Header Fields Too Large",
}
#: ingress-nginx: hsts, hsts-max-age, hsts-include-subdomains.
STRICT_TRANSPORT: Final = b"Strict-Transport-Security: max-age=31536000; includeSubDomains\r\n"
CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
#: Statuses that have no body, whatever their head says (RFC 9110 §6.4.1).
BODYLESS: Final = (204, 304)


def wants_websocket(head: RequestHead) -> bool:
    """Tell whether this connection is to become a tunnel: only WebSocket's may (no h2c)."""
    return head.upgrade == _WEBSOCKET and head.method == b"GET" and head.minor == 1


def request_octets(head: RequestHead, forward: Forward, client: Client, request_id: str) -> bytes:
    """Return the head that the backend gets."""
    address, host = client.address.encode(), head.host.encode()
    port, scheme = _PORTS[client.secure], _SCHEMES[client.secure]
    vhost = forward.policy.upstream_vhost.encode() or host
    identity = head.values.get(b"x-request-id") or request_id.encode()
    parts = [
        b"%b %b HTTP/1.1\r\nHost: %b\r\nX-Request-ID: %b\r\nX-Real-IP: %b\r\nX-Forwarded-For: %b"
        b"\r\nX-Forwarded-Host: %b\r\nX-Forwarded-Port: %b\r\nX-Forwarded-Proto: %b\r\n"
        b"X-Forwarded-Scheme: %b\r\nX-Scheme: %b\r\n"
        % (head.method, forward.target, vhost, identity, address, address, host, port, scheme,
           scheme, scheme)
    ]  # fmt: skip
    original = head.values.get(b"x-forwarded-for")
    if original is not None:
        parts.append(b"X-Original-Forwarded-For: %b\r\n" % original)
    parts += [
        b"%b: %b\r\n" % (name, value)
        for name, value in head.fields
        if name.lower() not in _REPLACED
    ]
    if head.chunked:
        parts.append(b"Transfer-Encoding: chunked\r\n")
    elif head.length is not None:
        parts.append(b"Content-Length: %d\r\n" % head.length)
    if wants_websocket(head):
        parts.append(b"Connection: upgrade\r\nUpgrade: websocket\r\n")
    parts.append(b"\r\n")
    return b"".join(parts)


def response_octets(head: ResponseHead, *, framing: bytes, keep_alive: bool, minor: int) -> bytes:
    """Return the head that the client gets; *framing* is what says where the body ends."""
    parts = [b"HTTP/1.1", head.line[8:], b"\r\n"]
    for name, value in head.fields:
        parts += (name, b": ", value, b"\r\n")
    parts.append(framing)
    if not keep_alive:
        parts.append(b"Connection: close\r\n")
    elif minor == 0:
        parts.append(b"Connection: keep-alive\r\n")
    parts.append(b"\r\n")
    return b"".join(parts)


def upgraded_octets(head: ResponseHead) -> bytes:
    """Return the head of an answer 101."""
    parts = [b"HTTP/1.1", head.line[8:], b"\r\nConnection: upgrade\r\nUpgrade: websocket\r\n"]
    parts += [b"%b: %b\r\n" % each for each in head.fields]
    return b"".join([*parts, b"\r\n"])


def answer_octets(answer: Answer, *, keep_alive: bool, with_body: bool, date: str) -> bytes:
    """Return an answer of our own, as nginx words it."""
    reason = f"{answer.status} {_PHRASES.get(answer.status, 'Unknown')}"
    body = answer.text or (
        f"<html>\r\n<head><title>{reason}</title></head>\r\n<body>\r\n<center><h1>{reason}</h1>"
        "</center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
    )
    lines = [
        f"HTTP/1.1 {reason}",
        f"Date: {date}",
        f"Content-Type: {'text/plain; charset=utf-8' if answer.text else 'text/html'}",
        f"Content-Length: {len(body)}",
    ]
    if answer.location:
        lines.append(f"Location: {answer.location}")
    lines.append(f"Connection: {'keep-alive' if keep_alive else 'close'}")
    text = "\r\n".join([*lines, "", body if with_body else ""])
    return text.encode("latin-1", "replace")
