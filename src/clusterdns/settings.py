"""What a Corefile means: each directive's arguments as values (upstream: each plugin's setup.go).

A directive that CoreDNS has and this server has not is an error, as an unknown one is there: a
configuration that would be half obeyed is not obeyed at all.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from clusterdns import corefile
from clusterdns.corefile import Block, CorefileError, Directive
from clusterdns.hosts import Hosts
from clusterdns.kubernetes import TTL_MAX_S, KubernetesSettings, PodMode
from clusterdns.name import fqdn
from clusterdns.rewrite import Rewrite
from clusterdns.upstream import ForwardSettings, Policy

PORT: Final = 53
RELOAD_MIN_S = 2.0
_CACHE_TTL_S: Final = 3600
_DENIAL_TTL_S: Final = 1800
_CAPACITY: Final = 9984
_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)")
_SECONDS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_POD_MODES: Final[Mapping[str, PodMode]] = {
    "disabled": "disabled", "insecure": "insecure", "verified": "verified",
}  # fmt: skip
_POLICIES: Final[Mapping[str, Policy]] = {
    "random": "random", "round_robin": "round_robin", "sequential": "sequential",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class CacheSettings:
    """For how long, and of how many questions, answers of others are kept."""

    ttl_s: int = _CACHE_TTL_S
    denial_ttl_s: int = _DENIAL_TTL_S
    capacity: int = _CAPACITY
    denial_capacity: int = _CAPACITY


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerBlock:
    """One server block: the zones it answers for, and what its plugins do."""

    zones: tuple[str, ...]
    port: int = PORT
    kubernetes: KubernetesSettings | None = None
    forwards: tuple[ForwardSettings, ...] = ()
    hosts: Hosts | None = None
    rewrites: tuple[Rewrite, ...] = ()
    cache: CacheSettings | None = None
    loadbalance: bool = False
    log: bool = False
    errors: bool = False
    loop: bool = False
    health_port: int = 0
    lameduck_s: float = 0.0
    ready_port: int = 0
    prometheus_port: int = 0
    reload_s: float = 0.0


def read(text: str, environment: Mapping[str, str], resolv_conf: str) -> list[ServerBlock]:
    """Return the server blocks of a Corefile; raises CorefileError.

    *resolv_conf* holds the servers that `forward . /etc/resolv.conf` means.
    """
    blocks = [_server(block, resolv_conf) for block in corefile.parse(text, environment)]
    owners: dict[tuple[str, int], None] = {}
    for block in blocks:
        for zone in block.zones:
            if (zone, block.port) in owners:
                raise CorefileError(
                    1, f"cannot serve dns://{zone}.:{block.port} - it is defined twice"
                )
            owners[zone, block.port] = None
    if not blocks:
        raise CorefileError(1, "there is no server block")
    return blocks


def _server(block: Block, resolv_conf: str) -> ServerBlock:
    zones, ports = zip(*(_zone_key(key, block.line) for key in block.keys), strict=True)
    if len(set(ports)) > 1:
        raise CorefileError(block.line, "the zones of a server block must have one port")
    server = ServerBlock(zones=tuple(dict.fromkeys(zones)), port=ports[0])
    for directive in block.directives:
        make = _DIRECTIVES.get(directive.name)
        if make is None:
            raise CorefileError(directive.line, f"Unknown directive '{directive.name}'")
        try:
            server = make(server, directive, resolv_conf)
        except ValueError as error:
            why = f"plugin/{directive.name}: {error}"
            raise CorefileError(directive.line, why) from None
    return server


def _zone_key(key: str, line: int) -> tuple[str, int]:
    text = key.removeprefix("dns://")
    if "://" in text:
        raise CorefileError(line, f"{key}: only plain DNS is served")
    try:
        return _zone_and_port(text)
    except ValueError as error:
        raise CorefileError(line, f"{key}: {error}") from None


def _zone_and_port(text: str) -> tuple[str, int]:
    zone, colon, port = text.rpartition(":") if ":" in text else (text, "", "")
    if colon and not port.isdigit():
        raise ValueError(f"{port!r} is no port")
    return _zone(zone), int(port) if port else PORT


def _zone(text: str) -> str:
    """Return a zone's name; a network is its reverse zone."""
    if "/" in text:
        network = ipaddress.ip_network(text, strict=False)
        digits, step = (4, 8) if network.version == 4 else (32, 4)
        if network.prefixlen % step:
            raise ValueError(f"{text}: the prefix must be a multiple of {step}")
        pointer = network.network_address.reverse_pointer.split(".")
        return ".".join(pointer[digits - network.prefixlen // step :])
    return fqdn(text)


def duration_s(text: str) -> float:
    """Return a Go duration in seconds; raises ValueError."""
    found = _DURATION.findall(text)
    if not found or "".join(number + unit for number, unit in found) != text:
        raise ValueError(f"{text!r} is no duration; write 5s")
    return float(sum(float(number) * _SECONDS[unit] for number, unit in found))


def _number(text: str, least: int, most: int, what: str) -> int:
    if not text.isdigit() or not least <= int(text) <= most:
        raise ValueError(f"{what} must be in range [{least}, {most}]: {text}")
    return int(text)


def _only(words: Sequence[str], count: int) -> str:
    if len(words) != count:
        raise ValueError(f"wrong argument count or unexpected line ending after '{words[0]}'")
    return words[-1]


# --- the directives ------------------------------------------------------------------------------


def _kubernetes(server: ServerBlock, directive: Directive, _: str) -> ServerBlock:
    if server.kubernetes is not None:
        raise ValueError("it may stand once in a server block")
    zones = tuple(_zone(each) for each in directive.arguments) or server.zones
    made = KubernetesSettings(zones=zones)
    for words in directive.block:
        made = _kubernetes_option(made, words)
    return replace(server, kubernetes=made)


def _kubernetes_option(made: KubernetesSettings, words: Sequence[str]) -> KubernetesSettings:
    match list(words):
        case ["pods", mode] if mode in _POD_MODES:
            return replace(made, pods=_POD_MODES[mode])
        case ["pods", mode]:
            raise ValueError(
                f"wrong value for pods: {mode},  must be one of: {', '.join(_POD_MODES)}"
            )
        case ["ttl", text]:
            return replace(made, ttl_s=_number(text, 0, TTL_MAX_S, "ttl"))
        case ["namespaces", *names] if names:
            return replace(made, namespaces=tuple(name.lower() for name in names))
        case ["endpoint_pod_names"]:
            return replace(made, endpoint_pod_names=True)
        case ["fallthrough", *zones]:
            return replace(made, fallthrough=tuple(_zone(zone) for zone in zones))
        case ["ignore", "empty_service"]:
            return replace(made, ignore_empty_service=True)
    raise ValueError(f"unknown property '{words[0]}'")


def _forward(server: ServerBlock, directive: Directive, resolv_conf: str) -> ServerBlock:
    if len(directive.arguments) < 2:
        raise ValueError("a zone and at least one address are needed: forward . 192.0.2.53")
    base, *places = directive.arguments
    servers: list[tuple[str, int]] = []
    for place in places:
        servers += _nameservers(resolv_conf) if place.startswith("/") else [_address(place)]
    if not servers:
        raise ValueError("no nameservers found")
    made = ForwardSettings(base=_zone(base), servers=tuple(servers))
    for words in directive.block:
        made = _forward_option(made, words)
    return replace(server, forwards=(*server.forwards, made))


def _forward_option(made: ForwardSettings, words: Sequence[str]) -> ForwardSettings:
    match list(words):
        case ["except", *zones] if zones:
            return replace(made, exceptions=tuple(_zone(zone) for zone in zones))
        case ["policy", name] if name in _POLICIES:
            return replace(made, policy=_POLICIES[name])
        case ["max_fails", text]:
            return replace(made, max_fails=_number(text, 0, 1000, "max_fails"))
        case ["max_concurrent", text]:
            return replace(made, max_concurrent=_number(text, 0, 1_000_000, "max_concurrent"))
        case ["health_check", text, *_]:
            return replace(made, health_check_s=duration_s(text))
        case ["force_tcp"]:
            return replace(made, force_tcp=True)
        case ["prefer_udp"]:
            return made
        case ["expire", text]:
            duration_s(text)  # A question has a socket of its own here: nothing expires.
            return made
    raise ValueError(f"unknown property '{words[0]}'")


def _nameservers(resolv_conf: str) -> list[tuple[str, int]]:
    lines = (line.split() for line in resolv_conf.splitlines())
    return [_address(words[1]) for words in lines if words[:1] == ["nameserver"] and words[1:]]


def _address(text: str) -> tuple[str, int]:
    plain = text.removeprefix("dns://")
    if plain.startswith("["):
        host, _, port = plain[1:].partition("]")
        port = port.removeprefix(":")
    elif plain.count(":") == 1:
        host, _, port = plain.partition(":")
    else:
        host, port = plain, ""
    try:
        address = ipaddress.ip_address(host)
        return str(address), int(port) if port else PORT
    except ValueError:
        raise ValueError(f"not an IP address or file: {text!r}") from None


def _hosts(server: ServerBlock, directive: Directive, _: str) -> ServerBlock:
    made = Hosts(zones=server.zones)
    for words in directive.block:
        match list(words):
            case ["ttl", text]:
                made = replace(made, ttl_s=_number(text, 1, 65_535, "ttl"))
            case ["fallthrough", *zones]:
                made = replace(made, fallthrough=tuple(_zone(zone) for zone in zones))
            case ["no_reverse"]:
                made = replace(made, reverse=False)
            case ["reload", _]:
                pass  # Only what stands in the Corefile is read, and that is reloaded as a whole.
            case [address, *names] if names:
                made = made.with_entry(address, names)
            case _:
                raise ValueError(f"unknown property '{words[0]}'")
    if directive.arguments:
        raise ValueError("entries are written into the block; a file is not read")
    return replace(server, hosts=made)


def _rewrite(server: ServerBlock, directive: Directive, _: str) -> ServerBlock:
    words = list(directive.arguments)
    if words[:1] in (["stop"], ["continue"]):
        words = words[1:]
    if words[:1] == ["name"]:
        words = words[1:]
    match words:
        case [("exact" | "prefix" | "suffix" | "substring" | "regex") as how, old, new, *more]:
            pass
        case [old, new, *more]:
            how = "exact"
        case _:
            raise ValueError("write: rewrite name exact|prefix|suffix|substring|regex FROM TO")
    if more and more != ["answer", "auto"]:
        raise ValueError("of an answer's rules there is: answer auto")
    made = Rewrite(how, fqdn(old) if how == "exact" else old.lower(), new.lower())
    return replace(server, rewrites=(*server.rewrites, made))


def _cache(server: ServerBlock, directive: Directive, _: str) -> ServerBlock:
    made = CacheSettings()
    for text in directive.arguments[:1]:
        if text.isdigit():
            ttl = _number(text, 1, 1 << 31, "cache TTL")
            made = CacheSettings(ttl, min(ttl, _DENIAL_TTL_S))
    for words in directive.block:
        match list(words):
            case ["success", capacity, *ttls]:
                made = replace(made, capacity=_number(capacity, 1, 1_000_000, "capacity"))
                made = replace(made, ttl_s=int(ttls[0])) if ttls else made
            case ["denial", capacity, *ttls]:
                made = replace(made, denial_capacity=_number(capacity, 1, 1_000_000, "capacity"))
                made = replace(made, denial_ttl_s=int(ttls[0])) if ttls else made
            case _:
                raise ValueError(f"unknown property '{words[0]}'")
    return replace(server, cache=made)


def _health(server: ServerBlock, directive: Directive, _: str) -> ServerBlock:
    made = replace(server, health_port=_listen_port(directive, 8080))
    for words in directive.block:
        if words[0] != "lameduck":
            raise ValueError(f"unknown property '{words[0]}'")
        made = replace(made, lameduck_s=duration_s(_only(words, 2)))
    return made


def _listen_port(directive: Directive, default: int) -> int:
    text = directive.arguments[0].rpartition(":")[2] if directive.arguments else ""
    return _number(text, 1, 65_535, "port") if text else default


def _ready(server: ServerBlock, directive: Directive, _: str) -> ServerBlock:
    return replace(server, ready_port=_listen_port(directive, 8181))


def _prometheus(server: ServerBlock, directive: Directive, _: str) -> ServerBlock:
    return replace(server, prometheus_port=_listen_port(directive, 9153))


def _reload(server: ServerBlock, directive: Directive, _: str) -> ServerBlock:
    every = duration_s(directive.arguments[0]) if directive.arguments else 30.0
    if every < RELOAD_MIN_S:
        raise ValueError(f"interval value must be greater or equal to {RELOAD_MIN_S:g}s")
    return replace(server, reload_s=every)


def _loadbalance(server: ServerBlock, directive: Directive, _: str) -> ServerBlock:
    if directive.arguments not in ((), ("round_robin",)):
        raise ValueError(f"unknown policy: {directive.arguments[0]}")
    return replace(server, loadbalance=True)


def _errors(server: ServerBlock, _directive: Directive, _: str) -> ServerBlock:
    return replace(server, errors=True)


def _log(server: ServerBlock, _directive: Directive, _: str) -> ServerBlock:
    return replace(server, log=True)


def _loop(server: ServerBlock, _directive: Directive, _: str) -> ServerBlock:
    return replace(server, loop=True)


def _ignore(server: ServerBlock, _directive: Directive, _: str) -> ServerBlock:
    """Accept what is always so here: the greatest answer by UDP, where to listen."""
    return server


_DIRECTIVES: Final[Mapping[str, Callable[[ServerBlock, Directive, str], ServerBlock]]] = {
    "reload": _reload,
    "bufsize": _ignore,
    "ready": _ready,
    "health": _health,
    "prometheus": _prometheus,
    "errors": _errors,
    "log": _log,
    "loadbalance": _loadbalance,
    "cache": _cache,
    "rewrite": _rewrite,
    "hosts": _hosts,
    "kubernetes": _kubernetes,
    "loop": _loop,
    "forward": _forward,
}
