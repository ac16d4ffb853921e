"""nslookup: names and addresses as the pod's resolver has them, or as a name server says.

Without a type and a server it asks as any program does, by the pod's resolver; with them it sends
questions of its own, to resolv.conf's search list as `ndots` has it. busybox's own leaves the
search list out for names with a dot, which its older versions in tutorials did not.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from podruntime.images.addresses import join_host_port
from podruntime.images.busybox.applet import applet
from podruntime.images.busybox.arguments import BadUsage
from podruntime.images.busybox.dig import Asked, NoAnswer, UnknownServer, ask, servers
from podruntime.images.process import Process, Program

if TYPE_CHECKING:
    from dns.message import Message
    from dns.rdata import Rdata

_USAGE: Final = "usage: nslookup [-type=QUERY_TYPE] [-debug] HOST [DNS_SERVER]"
_OPTIONS: Final = ("type", "querytype", "port", "retry", "timeout", "debug", "stats")
#: What a record says, by its type.
_SAYS: Final = {
    "CNAME": "{name}\tcanonical name = {data}",
    "NS": "{name}\tnameserver = {data}",
    "PTR": "{name}\tname = {data}",
    "MX": "{name}\tmail exchanger = {data}",
    "SRV": "{name}\tservice = {data}",
    "TXT": "{name}\ttext = {data}",
}


def _parse(words: list[str]) -> tuple[Asked, bool]:
    """Read a command line: what is asked, and whether its type is said; raises BadUsage."""
    asked, typed, operands = Asked(), False, list[str]()
    for word in words:
        name, _, value = word.removeprefix("-").partition("=")
        if not word.startswith("-"):
            operands.append(word)
        elif not name or not any(option.startswith(name) for option in _OPTIONS):
            raise BadUsage(f"invalid option '{word}'")
        elif "type".startswith(name) or "querytype".startswith(name):
            asked.kind, typed = value.upper(), True
        elif "port".startswith(name):
            asked.set_port(value)
    if not 1 <= len(operands) <= 2:
        raise BadUsage(_USAGE)
    asked.name, asked.server = operands[0], (operands[1:] or [""])[0]
    return asked, typed


def _candidates(process: Process, name: str) -> Iterator[str]:
    """Yield the names that *name* may mean, as resolv.conf(5) has it."""
    search, ndots = list[str](), 1
    for words in map(str.split, process.files.text("/etc/resolv.conf").splitlines()):
        if words[:1] == ["search"]:
            search = words[1:]
        elif words[:1] == ["options"]:
            counts = [word.removeprefix("ndots:") for word in words if word.startswith("ndots:")]
            ndots = int(counts[0]) if counts and counts[0].isdecimal() else ndots
    longer = [] if name.endswith(".") else [f"{name}.{domain}" for domain in search]
    yield from [name, *longer] if name.count(".") >= ndots else [*longer, name]


@applet
async def nslookup(process: Process) -> int:
    """Ask for what a name or an address has."""
    asked, typed = _parse(process.arguments)
    own = next(iter(servers(process)), "")
    if not typed and not asked.server and not _is_address(asked.name):
        if own:
            _show_server(process, own, 53)
        return await _resolve(process, asked.name)
    asked.server = asked.server or own or "127.0.0.1"
    names, kinds = list(_candidates(process, asked.name)), [asked.kind] if typed else ["A", "AAAA"]
    if _is_address(asked.name):
        names, kinds = [ipaddress.ip_address(asked.name).reverse_pointer], ["PTR"]
    elif kinds == ["PTR"]:
        names = [asked.name]
    try:
        return await _ask(process, asked, names, kinds)
    except UnknownServer:
        raise BadUsage(f"bad address '{asked.server}'") from None
    except NoAnswer as error:
        process.print(f";; connection timed out; no servers could be reached ({error})")
        return 1


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _show_server(process: Process, server: str, port: int) -> None:
    process.print(f"Server:\t\t{server}\nAddress:\t{join_host_port(server, port)}\n")


async def _resolve(process: Process, name: str) -> int:
    try:
        infos = await asyncio.get_running_loop().getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        known = error.errno == socket.EAI_NONAME
        process.print(f"** server can't find {name}: {'NXDOMAIN' if known else error.strerror}\n")
        return 1
    for info in infos:
        process.print(f"Name:\t{name}\nAddress: {info[4][0]}")
    process.print("")
    return 0


async def _ask(process: Process, asked: Asked, names: list[str], kinds: list[str]) -> int:
    """Ask for each name until one has an answer."""
    from dns import rcode

    shown, status = False, ""
    for name in names:
        asked.name = name
        answers = []
        for asked.kind in kinds:
            answers.append(await ask(asked))
            if not shown:
                _show_server(process, asked.server, asked.port)
                shown = True
        if any(answer.answer for answer in answers):
            for answer in answers:
                _show(process, answer)
            process.print("")
            return 0
        status = rcode.to_text(answers[0].rcode())
    if status == "NOERROR":
        process.print(f"*** Can't find {names[-1]}: No answer\n")
    else:
        process.print(f"** server can't find {names[-1]}: {status}\n")
    return 1


def _show(process: Process, answer: Message) -> None:
    from dns import rdatatype

    for group in answer.answer:
        name, kind = group.name.to_text(omit_final_dot=True), rdatatype.to_text(group.rdtype)
        for each in group:
            if kind in ("A", "AAAA"):
                process.print(f"Name:\t{name}\nAddress: {each}")
            else:
                form = _SAYS.get(kind, f"{{name}}\t{kind} = {{data}}")
                process.print(form.format(name=name, data=_data(each)))


def _data(each: Rdata) -> str:
    text = each.to_text()
    return text[:-1] if text.endswith(".") else text


APPLETS: Final[dict[str, Program]] = {"nslookup": nslookup}
