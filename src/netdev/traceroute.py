"""traceroute(8): one more hop with each round of probes, until the target itself answers.

Prints as Linux's traceroute, or with `Style.BUSYBOX` as busybox's, which differ in blanks only. The
probes of one hop leave together, and the next hop's when all are answered or the time is over;
Linux's has 16 under way at any time. There is no reverse look-up: names are those given.
"""

from __future__ import annotations

import asyncio
import enum
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Final

from netstack.addresses import IpAddress
from netstack.probe import Kind, Method
from netstack.wire import icmp, icmpv6

Row = dict[str, object]
#: Answers the call `probe` (contracts.md §3).
Ask = Callable[[Mapping[str, object]], Awaitable[Row]]

HOPS_MAX: Final = 255
QUERIES_MAX: Final = 10
#: Where datagrams go that nobody should listen for, and SYNs.
PORTS: Final = {Method.ICMP: 0, Method.UDP: 33_434, Method.TCP: 80}
_HEADERS_OCTETS: Final = {4: 28, 6: 48}
_NOTES: Final[Mapping[int, Mapping[int, str]]] = {
    4: {
        icmp.Unreachable.NETWORK: "!N",
        icmp.Unreachable.HOST: "!H",
        icmp.Unreachable.PROTOCOL: "!P",
        icmp.Unreachable.NETWORK_PROHIBITED: "!X",
        icmp.Unreachable.HOST_PROHIBITED: "!X",
        icmp.Unreachable.ADMINISTRATIVELY_PROHIBITED: "!X",
    },
    6: {
        icmpv6.Unreachable.NO_ROUTE: "!N",
        icmpv6.Unreachable.PROHIBITED: "!X",
        icmpv6.Unreachable.BEYOND_SCOPE: "!S",
        icmpv6.Unreachable.ADDRESS: "!H",
    },
}


class Style(enum.Enum):
    """How a hop's line is set: after its number, and before an address or a star."""

    LINUX = ("{:2d} ", " ")
    BUSYBOX = ("{:2d}", "  ")


@dataclass(frozen=True, slots=True, kw_only=True)
class Traceroute:
    """What is asked, by traceroute's options."""

    address: IpAddress
    name: str
    method: Method = Method.UDP
    port: int = 0
    first_hop: int = 1
    hops: int = 30
    queries: int = 3
    wait_s: float = 5.0
    octets: int = 60
    source: str = ""
    numeric: bool = False
    names: Mapping[str, str] = field(default_factory=dict)
    style: Style = Style.LINUX

    def title(self) -> str:
        """Return the first line."""
        return (
            f"traceroute to {self.name} ({self.address}), {self.hops} hops max, "
            f"{self.octets} byte packets"
        )

    async def run(self, ask: Ask, say: Callable[[str], None]) -> list[Row]:
        """Ask hop by hop and *say* each line when it is known; return all answers."""
        rows: list[Row] = []
        for hop in range(self.first_hop, self.hops + 1):
            answers = await self._hop(hop, ask)
            rows.append({"hop": hop, "answers": answers})
            say(self.line(hop, answers))
            if is_last(answers, self.address):
                break
        return rows

    async def _hop(self, hop: int, ask: Ask) -> Sequence[Row | None]:
        asked: Row = {
            "address": str(self.address),
            "method": str(self.method),
            "hop_limit": hop,
            "source": self.source,
            "payload": bytes(max(0, self.octets - _HEADERS_OCTETS[self.address.version])),
            "timeout_s": self.wait_s,
        }
        before = (hop - self.first_hop) * self.queries
        port = self.port or PORTS[self.method]
        if self.method is Method.TCP:  # One SYN a flow, or they would be one that is sent again.
            one = {**asked, "port": port, "payload": b""}
            done = await asyncio.gather(*(ask(one) for _ in range(self.queries)))
            return [_answers(each)[0] for each in done]
        asked |= {"count": self.queries, "sequence": before + 1}
        asked["port"] = port + before & 0xFFFF if self.method is Method.UDP else 0
        return _answers(await ask(asked))

    def line(self, hop: int, answers: Sequence[Row | None]) -> str:
        """Return the line of one hop."""
        head, gap = self.style.value
        text, last = head.format(hop), None
        for answer in answers:
            if answer is None:
                text += f"{gap}*"
                continue
            if answer["address"] != last:
                last = answer["address"]
                text += f"{gap}{self._shown(str(last))}"
            text += f"  {1000 * float(str(answer['rtt_s'])):.3f} ms{_note(answer)}"
        return text

    def _shown(self, address: str) -> str:
        return address if self.numeric else f"{self.names.get(address, address)} ({address})"


def is_last(answers: Sequence[Row | None], target: IpAddress) -> bool:
    """Tell whether the way has ended: the target answered, or somebody said that it is none."""
    heard = [answer for answer in answers if answer is not None]
    arrived = any(
        each["kind"] in (Kind.REPLY, Kind.REFUSED)
        # A router's word about a translated packet has the address that the sender knows.
        or (each["address"] == str(target) and each["kind"] != Kind.TIME_EXCEEDED)
        for each in heard
    )
    lost = sum(each["kind"] in (Kind.UNREACHABLE, Kind.TOO_BIG) for each in heard)
    return arrived or (lost > 0 and lost >= len(answers) - 1)


def _note(answer: Row) -> str:
    """Return what traceroute says of an answer that is neither an end nor a hop."""
    if answer["kind"] == Kind.TOO_BIG:
        return f" !F-{answer['mtu']}"
    if answer["kind"] != Kind.UNREACHABLE:
        return ""
    code = int(str(answer["code"]))
    version = ip_address(str(answer["address"])).version
    return f" {_NOTES[version].get(code, f'!<{code}>')}"


def _answers(done: Row) -> Sequence[Row | None]:
    answers = done["answers"]
    assert isinstance(answers, list)
    return answers
