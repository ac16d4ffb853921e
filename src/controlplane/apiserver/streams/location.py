"""Where a proxied request goes, and what of its answer must be said anew.

Upstream: ResourceLocation of pods, services and nodes; apimachinery/util/proxy transport.go. A name
may be `scheme:name:port`. Links of HTML pages that begin with a slash get the proxy's path in
front, so that a page can be walked through the proxy; so does the Location of a redirect.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit, urlunsplit

from kubeapi.objects import Object
from kubeapi.status import bad_request, service_unavailable

_SCHEMES: Final = ("", "http", "https")
_HOP_BY_HOP: Final = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
#: What a client shows the API server is not for who is behind it.
_OURS: Final = frozenset({"authorization", "host"})
_IMPERSONATION: Final = "impersonate-"
_LINK: Final = re.compile(
    rb"""(<[a-z][^<>]*?\s(?:href|src|action|background|cite|data|formaction|longdesc|poster)\s*=\s*["'])(/[^"'<>]*)""",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Name:
    """`scheme:name:port` of a proxied pod, service or node."""

    scheme: str
    name: str
    port: str

    @classmethod
    def parse(cls, text: str, what: str) -> Name:
        """Read *text*; raises StatusError 400."""
        parts = text.split(":")
        scheme, name, port = {
            1: ("", parts[0], ""),
            2: ("", parts[0], parts[-1]),
            3: (parts[0], parts[len(parts) // 2], parts[-1]),
        }.get(len(parts), ("", "", ""))
        if not name or scheme not in _SCHEMES:
            raise bad_request(f'invalid {what} request "{text}"')
        return cls(scheme=scheme or "http", name=name, port=port)


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """An address behind the proxy, and the node from which it is dialled ("": any)."""

    address: str
    port: int
    node: str


def pod_endpoint(pod: Object, name: Name) -> Endpoint:
    """Return where a pod listens: at the port that is named, else its first; raises StatusError."""
    status, spec = pod.get("status") or {}, pod.get("spec") or {}
    address = status.get("podIP") or ""
    if not address:
        raise bad_request("address not allowed")
    declared = [port for each in spec.get("containers") or () for port in each.get("ports") or ()]
    first = next((str(port["containerPort"]) for port in declared), "")
    default = "443" if name.scheme == "https" else "80"
    port = _number(name.port or first or default, f"pod {name.name}")
    return Endpoint(address=address, port=port, node=spec.get("nodeName") or "")


def _number(text: str, what: str) -> int:
    if not text.isdecimal() or not 0 < int(text) <= 65535:
        raise bad_request(f"invalid port {text!r} of {what}")
    return int(text)


def service_port(service: Object, name: Name) -> str:
    """Return the name of the port that is meant; raises StatusError."""
    ports = (service.get("spec") or {}).get("ports") or []
    if not name.port:
        return str(ports[0].get("name") or "") if len(ports) == 1 else ""
    if not name.port.isdecimal():
        return name.port
    for port in ports:
        if port.get("port") == int(name.port):
            return str(port.get("name") or "")
    raise service_unavailable(f'no service port {name.port} found for service "{name.name}"')


def service_endpoint(
    slices: Iterable[Object], port_name: str, service: str, rng: random.Random
) -> Endpoint:
    """Return one of the ready endpoints of a Service by chance; raises StatusError."""
    found = [
        Endpoint(address=address, port=port["port"], node=each.get("nodeName") or "")
        for piece in slices
        for port in piece.get("ports") or ()
        if (port.get("name") or "") == port_name and port.get("port")
        for each in piece.get("endpoints") or ()
        if (each.get("conditions") or {}).get("ready", True) is not False
        for address in (each.get("addresses") or ())[:1]
    ]
    if not found:
        raise service_unavailable(f'no endpoints available for service "{service}"')
    return rng.choice(found)


def request_headers(headers: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return what of a client's headers is for who is behind the proxy."""
    return [
        (name, text)
        for name, text in headers
        if name.lower() not in _HOP_BY_HOP | _OURS and not name.lower().startswith(_IMPERSONATION)
    ]


def answer_headers(headers: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return what of an answer's headers is for the client."""
    return [(name, text) for name, text in headers if name.lower() not in _HOP_BY_HOP]


def rewritten(url: str, prefix: str, hosts: Iterable[str]) -> str:
    """Return a link of one of *hosts* as the proxy's client must ask for it."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return url
    foreign = parts.netloc and parts.netloc not in hosts
    if foreign or not parts.path.startswith("/") or parts.path.startswith(prefix):
        return url
    return urlunsplit(("", "", prefix.rstrip("/") + parts.path, parts.query, parts.fragment))


def rewrite_html(page: bytes, prefix: str) -> bytes:
    """Return *page* with the links to its own server going through the proxy."""
    front = prefix.rstrip("/").encode()

    def link(match: re.Match[bytes]) -> bytes:
        target = match[2]
        if target.startswith((b"//", front + b"/")):
            return match[0]
        return match[1] + front + target

    return _LINK.sub(link, page)


def is_page(headers: Mapping[str, str]) -> bool:
    """Tell whether links may be read in an answer: HTML that is not compressed."""
    kind = headers.get("Content-Type", "").partition(";")[0].strip().lower()
    return kind == "text/html" and not headers.get("Content-Encoding")
