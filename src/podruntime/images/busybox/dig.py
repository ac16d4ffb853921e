"""dig: one question to a name server, and its answer as BIND's dig prints it.

The server is resolv.conf's first, or that of `@SERVER`; the search list is not used, as dig has it.
Over UDP, then over TCP when the answer was cut. dnspython is imported when somebody digs.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import struct
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from podruntime.images.busybox.applet import applet
from podruntime.images.busybox.arguments import BadUsage
from podruntime.images.process import Process, Program

if TYPE_CHECKING:
    from dns.message import Message

_TRIES: Final = 3
_TIMEOUT_S: Final = 5.0
_NO_ANSWER: Final = 9
_LENGTH: Final = struct.Struct("!H")


@dataclass(slots=True)
class Asked:
    """What is asked of whom."""

    server: str = ""
    port: int = 53
    name: str = "."
    kind: str = "A"
    short: bool = False
    tcp: bool = False

    def set_port(self, text: str) -> None:
        """Ask at another port; raises BadUsage."""
        if not text.isdecimal() or not 0 < int(text) < 65536:
            raise BadUsage(f"Couldn't parse port number '{text}'")
        self.port = int(text)


class NoAnswer(Exception):
    """Nobody answered what could be read."""


class UnknownServer(NoAnswer):
    """The server's name has no address."""


def _parse(words: list[str]) -> Asked:
    """Read a command line; raises BadUsage."""
    asked = Asked()
    names: list[str] = []
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if word.startswith("@"):
            asked.server = word[1:]
        elif word.startswith("+"):
            asked.short = asked.short or word == "+short"
            asked.tcp = asked.tcp or word == "+tcp"
        elif word in ("-x", "-t", "-p") and rest:
            _option(asked, word, rest.pop(0), names)
        elif word.startswith("-"):
            if word not in ("-4", "-6"):
                raise BadUsage(f"Invalid option: {word}")
        elif word.upper() in ("IN", "CH"):
            continue
        else:
            names.append(word)
    if names:
        asked.name = names[0]
    if len(names) > 1:
        asked.kind = names[1]
    return asked


def _option(asked: Asked, option: str, value: str, names: list[str]) -> None:
    if option == "-t":
        asked.kind = value
    elif option == "-x":
        try:
            names.insert(0, ipaddress.ip_address(value).reverse_pointer)
        except ValueError:
            raise BadUsage(f"Invalid IP address {value}") from None
        asked.kind = "PTR"
    else:
        asked.set_port(value)


class _Client(asyncio.DatagramProtocol):
    """Hears one answer."""

    def __init__(self) -> None:
        self.answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if not self.answer.done():
            self.answer.set_result(data)

    def error_received(self, exc: Exception) -> None:
        if not self.answer.done():
            self.answer.set_exception(exc)


async def _by_udp(asked: Asked, octets: bytes) -> bytes:
    loop = asyncio.get_running_loop()
    transport, client = await loop.create_datagram_endpoint(
        _Client, remote_addr=(asked.server, asked.port)
    )
    try:
        for attempt in range(_TRIES):
            transport.sendto(octets)
            try:
                async with asyncio.timeout(_TIMEOUT_S):
                    return await asyncio.shield(client.answer)
            except TimeoutError:
                if attempt + 1 == _TRIES:
                    raise
        raise AssertionError("the last time-out is raised")
    finally:
        client.answer.cancel()
        transport.close()


async def _by_tcp(asked: Asked, octets: bytes) -> bytes:
    async with asyncio.timeout(_TIMEOUT_S):
        reader, writer = await asyncio.open_connection(asked.server, asked.port)
        try:
            writer.write(_LENGTH.pack(len(octets)) + octets)
            (length,) = _LENGTH.unpack(await reader.readexactly(_LENGTH.size))
            return await reader.readexactly(length)
        finally:
            writer.close()


async def ask(asked: Asked) -> Message:
    """Return a server's answer; raises BadUsage for what cannot be asked, and NoAnswer."""
    from dns import exception, flags, message, rdatatype

    try:
        question = message.make_query(asked.name, rdatatype.from_text(asked.kind), use_edns=True)
    except exception.DNSException as error:
        raise BadUsage(f"'{asked.name} {asked.kind}': {error}") from None
    try:
        octets = question.to_wire()
        answer = message.from_wire(await (_by_tcp if asked.tcp else _by_udp)(asked, octets))
        if answer.flags & flags.TC:
            answer = message.from_wire(await _by_tcp(asked, octets))
    except socket.gaierror:
        raise UnknownServer(f"couldn't get address for '{asked.server}': not found") from None
    except TimeoutError:
        raise NoAnswer("timed out") from None
    except (OSError, asyncio.IncompleteReadError, exception.DNSException) as error:
        raise NoAnswer(str(error)) from None
    return answer


def servers(process: Process) -> list[str]:
    """Return the name servers of resolv.conf."""
    lines = process.files.text("/etc/resolv.conf").splitlines()
    return [words[1] for words in map(str.split, lines) if words[:1] == ["nameserver"]]


@applet
async def dig(process: Process) -> int:
    """Ask a name server."""
    asked = _parse(process.arguments)
    asked.server = asked.server or next(iter(servers(process)), "127.0.0.1")
    began = time.monotonic()
    try:
        answer = await ask(asked)
    except UnknownServer as error:
        process.complain(f"dig: {error}")
        return _NO_ANSWER
    except NoAnswer as error:
        process.print(f";; communications error to {asked.server}#{asked.port}: {error}")
        process.print(";; no servers could be reached")
        return _NO_ANSWER
    _show(process, asked, answer, time.monotonic() - began)
    return 0


def _show(process: Process, asked: Asked, answer: Message, took_s: float) -> None:
    from dns import flags, opcode, rcode

    if asked.short:
        for group in answer.answer:
            for each in group:
                process.print(each.to_text())
        return
    status, kind = rcode.to_text(answer.rcode()), opcode.to_text(answer.opcode())
    said = flags.to_text(answer.flags).lower()
    sections = (("QUESTION", answer.question), ("ANSWER", answer.answer))
    more = (("AUTHORITY", answer.authority), ("ADDITIONAL", answer.additional))
    counts = ", ".join(f"{name}: {sum(map(len, s)) or len(s)}" for name, s in (*sections, *more))
    process.print(f"; <<>> DiG <<>> {' '.join(process.arguments)}\n;; Got answer:")
    process.print(f";; ->>HEADER<<- opcode: {kind}, status: {status}, id: {answer.id}")
    process.print(f";; flags: {said}; {counts}\n")
    for name, groups in (*sections, *more):
        if groups:
            mark = ";" if name == "QUESTION" else ""
            lines = [f"{mark}{line}" for g in groups for line in g.to_text().splitlines()]
            process.print(f";; {name} SECTION:\n" + "\n".join(lines) + "\n")
    process.print(f";; Query time: {took_s * 1000:.0f} msec")
    process.print(f";; SERVER: {asked.server}#{asked.port}({asked.server})")


APPLETS: Final[dict[str, Program]] = {"dig": dig}
