"""Annotations of Ingresses, under the names that ingress-nginx has for them.

What makes no sense is left at its default and told, as ingress-nginx does; so a typing error in
one Ingress hurts no other. Absent: snippets, authentication, rate limits, CORS, mirrors, gRPC.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Final

PREFIX: Final = "nginx.ingress.kubernetes.io/"

_SIZES: Final = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3}
_SIZE: Final = re.compile(r"(\d{1,12})([kmg]?)", re.IGNORECASE)
_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_TIMEOUT_MAX_S: Final = 86_400
_REDIRECTS: Final = (300, 301, 302, 303, 307, 308)

Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True, kw_only=True)
class Affinity:
    """A cookie that leads a client to the endpoint of before."""

    name: str = "INGRESSCOOKIE"
    path: str = "/"
    max_age_s: int | None = None
    same_site: str = ""
    secure: bool | None = None  # None: where the request was.


@dataclass(frozen=True, slots=True, kw_only=True)
class Canary:
    """Which requests another Ingress's backend gets instead."""

    weight: int = 0
    weight_total: int = 100
    header: str = ""
    header_value: str = ""
    cookie: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What the annotations of one Ingress say."""

    allow: tuple[Network, ...] = ()  # Empty: everybody.
    deny: tuple[Network, ...] = ()
    rewrite_target: str = ""
    use_regex: bool = False
    body_octets_max: int = 1024**2  # 0: any.
    connect_timeout_s: float = 5.0
    send_timeout_s: float = 60.0
    read_timeout_s: float = 60.0
    tries_max: int = 3  # 0: as many as there are endpoints.
    ssl_redirect: bool = True
    force_ssl_redirect: bool = False
    redirect: str = ""
    redirect_code: int = 301
    app_root: str = ""
    upstream_vhost: str = ""
    tls_to_backend: bool = False
    service_upstream: bool = False
    affinity: Affinity | None = None
    canary: Canary | None = None

    @property
    def is_regex(self) -> bool:
        """Tell whether the paths of the whole host are regular expressions."""
        return self.use_regex or bool(self.rewrite_target)


def _boolean(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise ValueError("is neither true nor false")
    return text.lower() == "true"


def _networks(text: str) -> tuple[Network, ...]:
    return tuple(ip_network(each.strip(), strict=False) for each in text.split(",") if each.strip())


def _size(text: str) -> int:
    found = _SIZE.fullmatch(text.strip())
    if not found:
        raise ValueError("is no size such as 8m")
    return int(found[1]) * _SIZES[found[2].lower()]


def _seconds(text: str) -> float:
    value = int(text)
    if not 0 < value <= _TIMEOUT_MAX_S:
        raise ValueError(f"is not between 1 and {_TIMEOUT_MAX_S}")
    return float(value)


def _count(text: str) -> int:
    value = int(text)
    if value < 0:
        raise ValueError("is negative")
    return value


def _code(text: str) -> int:
    if int(text) not in _REDIRECTS:
        raise ValueError("is no status of a redirection")
    return int(text)


def _url(text: str) -> str:
    if not text.startswith(("http://", "https://", "/")) or not _is_visible(text):
        raise ValueError("is no URL")
    return text


def _path(text: str) -> str:
    if not text.startswith("/") or not _is_visible(text):
        raise ValueError("is no absolute path")
    return text


def _is_visible(text: str) -> bool:
    return text.isascii() and text.isprintable() and " " not in text


def _target(text: str) -> str:
    if not _is_visible(text):
        raise ValueError("is no path")
    return text


def _host(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9.:\[\]_-]+", text):
        raise ValueError("is no host")
    return text


def _token(text: str) -> str:
    if not _TOKEN.fullmatch(text):
        raise ValueError("is no token")
    return text


def _protocol(text: str) -> bool:
    if text.upper() not in ("HTTP", "HTTPS"):
        raise ValueError("is neither HTTP nor HTTPS, which are all that is spoken to backends")
    return text.upper() == "HTTPS"


_Value = bool | float | str | tuple[Network, ...] | None
_Reader = Callable[[str], _Value]
#: Annotation → field of Policy, and how it is read.
_POLICY: Final[Mapping[str, tuple[str, _Reader]]] = {
    "whitelist-source-range": ("allow", _networks),
    "allowlist-source-range": ("allow", _networks),
    "denylist-source-range": ("deny", _networks),
    "rewrite-target": ("rewrite_target", _target),
    "use-regex": ("use_regex", _boolean),
    "proxy-body-size": ("body_octets_max", _size),
    "proxy-connect-timeout": ("connect_timeout_s", _seconds),
    "proxy-send-timeout": ("send_timeout_s", _seconds),
    "proxy-read-timeout": ("read_timeout_s", _seconds),
    "proxy-next-upstream-tries": ("tries_max", _count),
    "ssl-redirect": ("ssl_redirect", _boolean),
    "force-ssl-redirect": ("force_ssl_redirect", _boolean),
    "temporal-redirect": ("redirect", _url),
    "permanent-redirect": ("redirect", _url),
    "permanent-redirect-code": ("redirect_code", _code),
    "app-root": ("app_root", _path),
    "upstream-vhost": ("upstream_vhost", _host),
    "backend-protocol": ("tls_to_backend", _protocol),
    "service-upstream": ("service_upstream", _boolean),
}
_AFFINITY: Final[Mapping[str, tuple[str, _Reader]]] = {
    "session-cookie-name": ("name", _token),
    "session-cookie-path": ("path", _path),
    "session-cookie-max-age": ("max_age_s", _count),
    "session-cookie-samesite": ("same_site", _token),
    "session-cookie-secure": ("secure", _boolean),
}
_CANARY: Final[Mapping[str, tuple[str, _Reader]]] = {
    "canary-weight": ("weight", _count),
    "canary-weight-total": ("weight_total", _count),
    "canary-by-header": ("header", _token),
    "canary-by-header-value": ("header_value", str),
    "canary-by-cookie": ("cookie", _token),
}


_PLAIN: Final = Policy()


def read_policy(annotations: Mapping[str, str]) -> tuple[Policy, list[str]]:
    """Return what *annotations* say, and a line for each that makes no sense."""
    wrong: list[str] = []
    if not any(name.startswith(PREFIX) for name in annotations):
        return _PLAIN, wrong
    fields = _fields(annotations, _POLICY, wrong)
    if "redirect" in fields and f"{PREFIX}permanent-redirect" not in annotations:
        fields["redirect_code"] = 302
    policy = replace(Policy(), **fields)  # type: ignore[arg-type]
    if annotations.get(f"{PREFIX}affinity") == "cookie":
        fields = _fields(annotations, _AFFINITY, wrong)
        affinity = replace(Affinity(), **fields)  # type: ignore[arg-type]
        policy = replace(policy, affinity=affinity)
    if annotations.get(f"{PREFIX}canary", "").lower() == "true":
        fields = _fields(annotations, _CANARY, wrong)
        canary = replace(Canary(), **fields)  # type: ignore[arg-type]
        policy = replace(policy, canary=canary)
    return policy, wrong


def _fields(
    annotations: Mapping[str, str],
    readers: Mapping[str, tuple[str, _Reader]],
    wrong: list[str],
) -> dict[str, _Value]:
    found: dict[str, _Value] = {}
    for name, (field, read_value) in readers.items():
        text = annotations.get(PREFIX + name)
        if text is None:
            continue
        try:
            found[field] = read_value(text)
        except ValueError as error:
            wrong.append(f"annotation {PREFIX}{name} {text!r} is ignored: {error}")
    return found
