"""Kubernetes' names: which records a question about a cluster's zone has.

After the DNS specification 1.1.0 (kubernetes/dns, docs/specification.md), and where that leaves
things open after CoreDNS' `kubernetes` plugin: NXDOMAIN for what is not there, NODATA for what is
there with other records, a headless Service without ready endpoints is not there, SRV also below
names without a port. Absent: transfers (AXFR), wildcards (CoreDNS gave them up in 1.9) and zonal
names.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final, Literal

from clusterdns import record as records
from clusterdns.index import Endpoint, Index, Key, Port, Service
from clusterdns.name import is_below
from clusterdns.query import (
    AAAA,
    AXFR,
    CNAME,
    IXFR,
    NOERROR,
    NS,
    NXDOMAIN,
    PTR,
    REFUSED,
    SERVFAIL,
    SOA,
    SRV,
    TXT,
    A,
)
from clusterdns.record import Record
from clusterdns.response import Reply

SCHEMA_VERSION: Final = "1.1.0"
_SCHEMA_TTL_S: Final = 28_800
_SOA_TTL_MAX_S: Final = 300
TTL_DEFAULT_S: Final = 5
TTL_MAX_S: Final = 3600
#: ExternalNames that lead to one another; more are a loop (CoreDNS: 7).
_ALIASES_MAX: Final = 7
_WEIGHTS: Final = 100
_REVERSE: Final = {"in-addr.arpa": 4, "ip6.arpa": 32}

PodMode = Literal["disabled", "insecure", "verified"]


@dataclass(frozen=True, slots=True, kw_only=True)
class KubernetesSettings:
    """The `kubernetes` block of a Corefile."""

    zones: tuple[str, ...]
    ttl_s: int = TTL_DEFAULT_S
    pods: PodMode = "disabled"
    endpoint_pod_names: bool = False
    namespaces: tuple[str, ...] = ()  # Empty: all.
    fallthrough: tuple[str, ...] | None = None  # (): for every zone; None: for none.
    ignore_empty_service: bool = False

    def zone_of(self, name: str) -> str | None:
        """Return the longest of the zones that *name* is in."""
        fitting = [zone for zone in self.zones if is_below(name, zone)]
        return max(fitting, key=len, default=None)

    def falls_through(self, name: str) -> bool:
        """Tell whether the next plugin is asked for what is not there."""
        if self.fallthrough is None:
            return False
        return not self.fallthrough or any(is_below(name, zone) for zone in self.fallthrough)

    @property
    def primary(self) -> str:
        """Return the zone that reverse names lead to."""
        forward = [zone for zone in self.zones if _family_of(zone) is None]
        return forward[0] if forward else ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the zone says; `alias` is a name outside that the last answer leads to."""

    reply: Reply
    alias: str = ""


@dataclass(frozen=True, slots=True)
class _Target:
    """One place that a name stands for: an address with a port, at a name of its own."""

    address: str
    port: int
    owner: str


class _NotThereError(Exception):
    """There is no such name."""


class Kubernetes:
    """Answers questions about the zones of one server block."""

    def __init__(self, settings: KubernetesSettings, index: Index, own_address: str = "") -> None:
        self.settings, self._index, self._own_address = settings, index, own_address

    def answer(self, name: str, kind: int) -> Outcome | None:
        """Answer a question of class IN; None when the name is in no zone of ours."""
        zone = self.settings.zone_of(name)
        if zone is None:
            return None
        if kind in (AXFR, IXFR):
            return Outcome(Reply(rcode=REFUSED))
        try:
            return self._found(name, kind, zone)
        except _NotThereError:
            rcode = NXDOMAIN if self._index.synced else SERVFAIL
            return self._nothing(zone, rcode)

    def _nothing(self, zone: str, rcode: int = NOERROR) -> Outcome:
        reply = Reply(rcode=rcode, authority=[self._soa(zone)], authoritative=True)
        return Outcome(reply)

    def _soa(self, zone: str) -> Record:
        ttl = min(self.settings.ttl_s, _SOA_TTL_MAX_S)
        return records.soa(zone, ttl, self._index.version)

    def _found(self, name: str, kind: int, zone: str) -> Outcome:
        answers: list[Record] = []
        additional: list[Record] = []
        alias = ""
        if _family_of(zone) is not None or _family_of(name) is not None:
            answers = self._pointers(name, zone, kind)
        elif name == zone and kind in (SOA, NS):
            answers, additional = self._apex(zone, kind)
        elif kind == TXT and name == f"dns-version.{zone}":
            answers = [records.txt(name, _SCHEMA_TTL_S, SCHEMA_VERSION)]
        elif name == f"ns.dns.{zone}" and kind in (A, AAAA):
            answers = self._addresses(name, kind, self._server_addresses())
        else:
            answers, additional, alias = self._forward(name, kind, zone)
        if not answers:
            return self._nothing(zone)
        return Outcome(Reply(answers=answers, additional=additional, authoritative=True), alias)

    # --- the zone's own names ----------------------------------------------------------------

    def _server_addresses(self) -> list[str]:
        """Return where this server is reached: at its Services, else at its own address."""
        found = [
            address
            for key in self._index.services_behind(self._own_address)
            if (service := self._index.services.get(key)) is not None
            for address in service.cluster_ips
        ]
        return found or [self._own_address] if self._own_address else []

    def _apex(self, zone: str, kind: int) -> tuple[list[Record], list[Record]]:
        if kind == SOA:
            return [self._soa(zone)], []
        ttl, found = self.settings.ttl_s, []
        additional: list[Record] = []
        for namespace, name in self._index.services_behind(self._own_address):
            service = self._index.services.get((namespace, name))
            if service is not None and service.cluster_ips:
                host = f"{name}.{namespace}.svc.{zone}"
                found.append(records.ns(zone, ttl, host))
                additional += [records.address(host, ttl, ip) for ip in service.cluster_ips]
        if not found:
            host = f"ns.dns.{zone}"
            found = [records.ns(zone, ttl, host)]
            additional = [records.address(host, ttl, ip) for ip in self._server_addresses()]
        return found, additional

    # --- names to addresses ------------------------------------------------------------------

    def _forward(self, name: str, kind: int, zone: str) -> tuple[list[Record], list[Record], str]:
        """Return answers, additional records, and what an alias leads to outside."""
        chain: list[Record] = []
        for _ in range(_ALIASES_MAX):
            external = self._external_name(name, zone)
            if not external:
                break
            link = records.cname(name, self.settings.ttl_s, external)
            if kind == CNAME:
                return [link], [], ""
            if kind == SRV or external == name or any(link.name == each.target for each in chain):
                return [], [], ""  # CoreDNS answers neither SRV of aliases nor loops.
            chain.append(link)
            if not is_below(external, zone):
                return chain, [], external
            name = external
        else:
            return [], [], ""
        try:
            targets = self._targets(name, zone)
        except _NotThereError:
            if not chain:
                raise
            targets = []  # The alias is there, whatever it leads to.
        if kind == SRV:
            return *self._services(name, targets), ""
        found = self._addresses(name, kind, [each.address for each in targets])
        return [*chain, *found] if found else [], [], ""

    def _addresses(self, name: str, kind: int, found: Sequence[str]) -> list[Record]:
        if kind not in (A, AAAA):
            return []
        ttl = self.settings.ttl_s
        each = (records.address(name, ttl, address) for address in dict.fromkeys(found))
        return [record for record in each if record.kind == kind]

    def _services(self, name: str, targets: Sequence[_Target]) -> tuple[list[Record], list[Record]]:
        ttl, usable = self.settings.ttl_s, [each for each in targets if each.port > 0]
        weight = max(1, _WEIGHTS // len(usable)) if usable else 0
        answers = [records.srv(name, ttl, (0, weight, each.port), each.owner) for each in usable]
        extra = [records.address(each.owner, ttl, each.address) for each in usable]
        return list(dict.fromkeys(answers)), list(dict.fromkeys(extra))

    def _external_name(self, name: str, zone: str) -> str:
        labels = _labels(name, zone)
        if len(labels) != 3 or labels[-1] != "svc" or not self._exposed(labels[1]):
            return ""
        service = self._index.services.get((labels[1], labels[0]))
        return service.external_name.lower().removesuffix(".") if service is not None else ""

    def _exposed(self, namespace: str) -> bool:
        chosen = self.settings.namespaces
        return namespace in self._index.namespaces and (not chosen or namespace in chosen)

    def _targets(self, name: str, zone: str) -> list[_Target]:
        """Return what *name* stands for; [] is NODATA; raises _NotThereError."""
        labels = _labels(name, zone)
        if not labels:
            return []
        what = labels[-1]
        if what not in ("svc", "pod") or len(labels) > 5:
            raise _NotThereError
        if len(labels) == 1:
            return []
        namespace = labels[-2]
        if not self._exposed(namespace) or (what == "pod" and self.settings.pods == "disabled"):
            raise _NotThereError
        if len(labels) == 2:
            return []
        if what == "pod":
            return self._pod(labels, name)
        service = self._index.services.get((namespace, labels[-3]))
        if service is None or service.external_name:
            raise _NotThereError
        found = list(self._of_service(service, labels[:-3], zone))
        if not found:
            raise _NotThereError
        return found

    def _pod(self, labels: Sequence[str], name: str) -> list[_Target]:
        if len(labels) != 3:
            raise _NotThereError
        address, namespace = _dashed(labels[0]), labels[1]
        verified = self.settings.pods == "verified"
        if address is None or (verified and not self._index.is_pod(namespace, str(address))):
            raise _NotThereError
        return [_Target(str(address), 0, name)]

    def _of_service(self, service: Service, before: Sequence[str], zone: str) -> Iterator[_Target]:
        """Yield the targets of *service*; *before* is an endpoint, a port and protocol, or []."""
        owner = f"{service.name}.{service.namespace}.svc.{zone}"
        key = service.namespace, service.name
        port, protocol = (_bare(before[0]), _bare(before[1])) if len(before) == 2 else ("", "")
        endpoint = before[0] if len(before) == 1 else ""
        if service.headless or endpoint:
            for each, at in self._endpoints(key, port, protocol):
                label = each.label(by_pod=self.settings.endpoint_pod_names)
                if endpoint in ("", label):
                    yield _Target(each.address, at, f"{label}.{owner}")
            return
        if self.settings.ignore_empty_service and not any(
            each.endpoints for each in self._index.slices(key)
        ):
            return
        for number in _fitting(service.ports, port, protocol):
            for address in service.cluster_ips:
                yield _Target(address, number, owner)

    def _endpoints(self, key: Key, port: str, protocol: str) -> Iterator[tuple[Endpoint, int]]:
        for each in self._index.slices(key):
            # Without ports there are addresses, and no SRV (0 is no port).
            numbers = _fitting(each.ports, port, protocol) if each.ports else [0]
            if not each.ports and port:
                continue
            for endpoint in each.endpoints:
                for number in numbers:
                    yield endpoint, number

    # --- addresses to names ------------------------------------------------------------------

    def _pointers(self, name: str, zone: str, kind: int) -> list[Record]:
        if name == zone:
            return [self._soa(zone)] if kind == SOA else []
        address = _reversed(name)
        found = [] if address is None else self._names_of(str(address))
        if not found:
            raise _NotThereError
        ttl = self.settings.ttl_s
        return [records.ptr(name, ttl, each) for each in found] if kind == PTR else []

    def _names_of(self, address: str) -> list[str]:
        primary = self.settings.primary
        service = self._index.service_at(address)
        if service is not None and self._exposed(service.namespace):
            return [f"{service.name}.{service.namespace}.svc.{primary}"]
        return [
            f"{endpoint.hostname}.{name}.{namespace}.svc.{primary}"
            for namespace, name in self._index.services_behind(address)
            if self._exposed(namespace)
            for each in self._index.slices((namespace, name))
            for endpoint in each.endpoints
            if endpoint.address == address and endpoint.hostname
        ]


def _labels(name: str, zone: str) -> list[str]:
    """Return the labels of *name* that stand before *zone*."""
    before = name.removesuffix(zone).removesuffix(".")
    return before.split(".") if before else []


def _bare(label: str) -> str:
    return label.removeprefix("_")


def _fitting(ports: Sequence[Port], name: str, protocol: str) -> list[int]:
    """Return the numbers of the ports that a name and a protocol mean; "" means any."""
    return [
        port.number
        for port in ports
        if name in ("", port.name.lower()) and protocol in ("", port.protocol)
    ]


def _dashed(label: str) -> IPv4Address | IPv6Address | None:
    """Return the address that a pod's label says: 10-0-0-1, fd00--1."""
    four = label.count("-") == 3 and "--" not in label
    try:
        return ip_address(label.replace("-", "." if four else ":"))
    except ValueError:
        return None


def _family_of(name: str) -> str | None:
    """Return which reverse tree *name* is in."""
    return next((tree for tree in _REVERSE if is_below(name, tree)), None)


def _reversed(name: str) -> IPv4Address | IPv6Address | None:
    """Return the address that a reverse name is about."""
    tree = _family_of(name)
    labels = _labels(name, tree)[::-1] if tree is not None else []
    if tree is None or len(labels) != _REVERSE[tree]:
        return None
    digits = "".join(labels)
    four = tree == "in-addr.arpa"
    text = ".".join(labels) if four else ":".join(digits[at : at + 4] for at in range(0, 32, 4))
    try:
        return ip_address(text)
    except ValueError:
        return None
