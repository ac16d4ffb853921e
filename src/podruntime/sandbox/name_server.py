"""Asking the servers of a resolv.conf, as glibc's res_send: in rounds, by UDP, then by TCP."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from podruntime.sandbox import dns
from podruntime.sandbox.resolv_conf import ResolvConf

log = logging.getLogger(__name__)

_PORT: Final = 53


class _Queries(asyncio.DatagramProtocol):
    """Waits for the answers to some questions that leave together."""

    def __init__(self, questions: Sequence[dns.Question]) -> None:
        loop = asyncio.get_running_loop()
        self.waiting: dict[dns.Question, asyncio.Future[dns.Answer]] = {
            question: loop.create_future() for question in questions
        }

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        for question, waiting in self.waiting.items():
            if waiting.done() or data[:2] != question.identifier.to_bytes(2, "big"):
                continue
            try:
                waiting.set_result(dns.parse_answer(data, question))
            except dns.MalformedMessage as error:
                log.debug("%s answered: %s", addr, error)

    def error_received(self, exc: Exception) -> None:
        for waiting in self.waiting.values():
            if not waiting.done():
                waiting.set_exception(exc)

    async def answers(self) -> list[dns.Answer]:
        return await asyncio.gather(*self.waiting.values())


async def ask(
    conf: ResolvConf, name: str, kinds: Sequence[int], rng: random.Random
) -> list[dns.Answer] | None:
    """Return the first server's answers of each kind that are some; None: no server answers."""
    first = rng.randrange(len(conf.servers)) if conf.options.rotate else 0
    servers = conf.servers[first:] + conf.servers[:first]
    failed: list[dns.Answer] | None = None
    for _ in range(conf.options.attempts):
        for turn, server in enumerate(servers):
            edns, by_tcp = conf.options.edns0, conf.options.use_tcp
            questions = [dns.Question(rng.getrandbits(16), name, kind, edns) for kind in kinds]
            try:
                async with asyncio.timeout(conf.timeout_s(turn)):
                    answers = await _ask_one(server, questions, by_tcp=by_tcp)
                    if edns and any(each.rcode == dns.FORMERR for each in answers):
                        plain = [replace(each, edns=False) for each in questions]
                        answers = await _ask_one(server, plain, by_tcp=by_tcp)
            except (OSError, EOFError, dns.MalformedMessage) as error:  # Time-outs included.
                log.debug("name server %s: %s", server, error)
                continue
            if all(each.rcode in (dns.NOERROR, dns.NXDOMAIN) for each in answers):
                return answers
            failed = answers  # SERVFAIL, REFUSED, …: the next server may know better.
    return failed


async def _ask_one(
    server: str, questions: Sequence[dns.Question], *, by_tcp: bool
) -> list[dns.Answer]:
    if not by_tcp:
        answers = await _by_udp(server, questions)
        if not any(each.truncated for each in answers):
            return answers
    return await _by_tcp(server, questions)


async def _by_udp(server: str, questions: Sequence[dns.Question]) -> list[dns.Answer]:
    loop = asyncio.get_running_loop()
    transport, queries = await loop.create_datagram_endpoint(
        lambda: _Queries(questions), remote_addr=(server, _PORT)
    )
    try:
        for question in questions:
            transport.sendto(question.encode())
        return await queries.answers()
    finally:
        transport.close()


async def _by_tcp(server: str, questions: Sequence[dns.Question]) -> list[dns.Answer]:
    """Ask one after the other in one connection (RFC 7766 §6.2.1)."""
    reader, writer = await asyncio.open_connection(server, _PORT)
    try:
        answers: list[dns.Answer] = []
        for question in questions:
            message = question.encode()
            writer.write(len(message).to_bytes(2, "big") + message)
            length = int.from_bytes(await reader.readexactly(2), "big")
            answers.append(dns.parse_answer(await reader.readexactly(length), question))
        return answers
    finally:
        writer.close()
