"""What becomes of a request: an answer of our own, or which backend gets it.

In nginx's order: the location, redirections, access by source address, the size of the body, the
choice of the backend (canaries) and of the target that it sees. Plain code: chance is an argument.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from ipaddress import ip_address
from typing import Final

from ingresscontroller import paths
from ingresscontroller.message import RequestHead
from ingresscontroller.policy import Canary, Network, Policy
from ingresscontroller.table import Alternative, Backend, Location, Table

_HTTPS_PORT: Final = 443
_COOKIES_MAX: Final = 4096


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer of our own."""

    status: int
    location: str = ""
    text: str = ""  # A page instead of nginx' words.


@dataclass(frozen=True, slots=True)
class Forward:
    """A request for a backend, and the target that it is to see."""

    ingress: str
    backend: Backend
    policy: Policy
    target: bytes
    cookie: str = ""  # What the client has of our affinity.


@dataclass(frozen=True, slots=True)
class Client:
    """Who asks, and how."""

    address: str
    secure: bool = False


Decision = Answer | Forward
_NOT_FOUND: Final = Answer(404)
_FORBIDDEN: Final = Answer(403)


def decide(table: Table, head: RequestHead, client: Client, rng: random.Random) -> Decision:
    """Decide about a request; raises Refused for a path that is none."""
    raw_path, query = paths.split(head.target)
    path = paths.normalize(raw_path) if raw_path != b"*" else "/"
    location = table.match(head.name, path)
    if location is None:
        return _NOT_FOUND
    policy, backend = location.policy, location.backend
    answer = _redirection(location, head, client, path)
    if answer is not None:
        return answer
    if (policy.allow or policy.deny) and not _is_admitted(policy, client.address):
        return _FORBIDDEN
    if policy.body_octets_max and (head.length or 0) > policy.body_octets_max:
        return Answer(413)
    if location.alternatives:
        chosen = _canary(location.alternatives, head, rng)
        if chosen is not None:
            backend = chosen.backend
    if backend is None:
        return Answer(503)
    target = head.target
    if policy.rewrite_target:
        target = paths.rewrite(policy.rewrite_target, path, location.pattern) + query
    cookie = cookie_of(head, policy.affinity.name) if policy.affinity is not None else ""
    return Forward(location.ingress, backend, policy, target, cookie)


def _redirection(location: Location, head: RequestHead, client: Client, path: str) -> Answer | None:
    policy = location.policy
    to_tls = policy.force_ssl_redirect or (policy.ssl_redirect and location.has_tls)
    if to_tls and not client.secure:
        return Answer(308, f"https://{head.name}{head.target.decode('latin-1')}")
    if policy.redirect:
        return Answer(policy.redirect_code, policy.redirect)
    if policy.app_root and path == "/":
        scheme = "https" if client.secure else "http"
        return Answer(302, f"{scheme}://{head.host}{policy.app_root}")
    return None


def _is_admitted(policy: Policy, text: str) -> bool:
    address = ip_address(text.partition("%")[0])
    mapped = getattr(address, "ipv4_mapped", None)
    address = mapped or address

    def among(networks: Sequence[Network]) -> bool:
        return any(address in network for network in networks)

    return not among(policy.deny) and (not policy.allow or among(policy.allow))


def _canary(
    alternatives: Sequence[Alternative], head: RequestHead, rng: random.Random
) -> Alternative | None:
    """Return the alternative that takes this request, if one does."""
    for each in alternatives:
        canary = each.policy.canary
        assert canary is not None
        said = _said(canary, head)
        if said is None:
            said = rng.random() * canary.weight_total < canary.weight
        if said:
            return each
    return None


def _said(canary: Canary, head: RequestHead) -> bool | None:
    """Return what header or cookie say; None when they say nothing."""
    value = head.values.get(canary.header.lower().encode()) if canary.header else None
    if value is not None:
        text = value.decode("latin-1")
        if canary.header_value:
            return True if text == canary.header_value else None
        if text in ("always", "never"):
            return text == "always"
    text = cookie_of(head, canary.cookie) if canary.cookie else ""
    return text == "always" if text in ("always", "never") else None


def cookie_of(head: RequestHead, name: str) -> str:
    """Return the value of a cookie, "" for none."""
    octets = head.values.get(b"cookie")
    if octets is None or len(octets) > _COOKIES_MAX:
        return ""
    try:
        morsel = SimpleCookie(octets.decode("latin-1")).get(name)
    except CookieError:
        return ""
    return morsel.value if morsel is not None else ""
