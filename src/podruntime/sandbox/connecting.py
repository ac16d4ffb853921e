"""Connecting to whichever address of a name answers: asyncio's create_connection, RFC 8305.

With `happy_eyeballs_delay` the addresses are tried one a delay, families interleaved, and the first
that answers wins; without it one after the other. Errors are worded and joined as asyncio does.
"""

from __future__ import annotations

import asyncio
import itertools
import os
from asyncio.staggered import staggered_race
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from podruntime.sandbox.endpoints import SockAddr, local, remote
from podruntime.sandbox.interface import NetworkInterface
from podruntime.sandbox.resolver import AddrInfo, Port
from podruntime.sandbox.stack_socket import StackSocket

#: Resolves one address of an endpoint: host, port, family, proto, flags.
Resolve = Callable[[str | None, Port, int, int, int], Awaitable[list[AddrInfo]]]

_EMPTY: Final = "getaddrinfo() returned empty list"


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How to connect: what create_connection may be told besides host and port."""

    family: int = 0
    proto: int = 0
    flags: int = 0
    local_addr: tuple[str, int] | None = None
    happy_eyeballs_delay: float | None = None
    interleave: int | None = None
    all_errors: bool = False


async def connect(
    interface: NetworkInterface, resolve: Resolve, host: str | None, port: Port, manner: Manner
) -> StackSocket:
    """Return a connected socket; raises what asyncio raises when no address answers."""
    infos = await _resolved(resolve, (host, port), manner)
    near = None
    if manner.local_addr is not None:
        near = await _resolved(resolve, manner.local_addr, manner)
    interleave = manner.interleave
    if manner.happy_eyeballs_delay is not None and interleave is None:
        interleave = 1
    if interleave:
        infos = interleaved(infos, interleave)
    errors: list[OSError] = []
    attempts = [partial(_attempt, interface, info, near, errors) for info in infos]
    if manner.happy_eyeballs_delay is None:
        connected = await _in_turn(attempts)
    else:
        connected = await _race(attempts, manner.happy_eyeballs_delay)
    if connected is None:
        raise _joined(errors, manner)
    return connected


async def _resolved(
    resolve: Resolve, address: tuple[str | None, Port], manner: Manner
) -> list[AddrInfo]:
    infos = await resolve(*address, manner.family, manner.proto, manner.flags)
    if not infos:
        raise OSError(_EMPTY)
    return infos


def interleaved(infos: Sequence[AddrInfo], first: int) -> list[AddrInfo]:
    """Return *infos* with families in turn, after *first* of the first one (RFC 8305 §4)."""
    families: dict[int, list[AddrInfo]] = {}
    for info in infos:
        families.setdefault(info[0], []).append(info)
    groups = list(families.values())
    head = groups[0][: first - 1]
    groups[0] = groups[0][first - 1 :]
    mixed = itertools.chain.from_iterable(itertools.zip_longest(*groups))
    return [*head, *(info for info in mixed if info is not None)]


async def _in_turn(
    attempts: Sequence[Callable[[], Awaitable[StackSocket]]],
) -> StackSocket | None:
    for attempt in attempts:
        try:
            return await attempt()
        except OSError:
            continue  # It is among the errors.
    return None


async def _race(
    attempts: Sequence[Callable[[], Awaitable[StackSocket]]], delay_s: float
) -> StackSocket | None:
    connected: list[StackSocket] = []

    async def run(attempt: Callable[[], Awaitable[StackSocket]]) -> StackSocket:
        connected.append(await attempt())
        return connected[-1]

    winner: StackSocket | None = None
    try:
        winner, _, _ = await staggered_race([partial(run, each) for each in attempts], delay_s)
    finally:
        for each in connected:
            if each is not winner:
                each.close()  # It answered in the moment in which the winner did.
    return winner


async def _attempt(
    interface: NetworkInterface,
    info: AddrInfo,
    near: Sequence[AddrInfo] | None,
    errors: list[OSError],
) -> StackSocket:
    """Bind to the first local address that can be had, and connect."""
    family, kind, proto, _, address = info
    attempt = StackSocket(interface, family, kind, proto)
    done = False
    try:
        if near is not None:
            _bind(attempt, near, errors)
        await handshake(attempt, address)
        done = True
    except OSError as error:
        errors.append(error)
        raise
    finally:
        if not done:
            attempt.close()
    return attempt


def _bind(attempt: StackSocket, near: Sequence[AddrInfo], errors: list[OSError]) -> None:
    failures: list[OSError] = []
    for family, *_, address in near:
        if family != attempt.family:
            continue
        try:
            attempt.bind(local(address))
        except OSError as error:
            failures.append(bind_failed(error, address))
        else:
            errors.extend(failures)
            return
    errors.extend(failures[:-1])
    if failures:
        raise failures[-1]
    raise OSError(f"no matching local address with family={attempt.family} found")


def bind_failed(error: OSError, address: SockAddr) -> OSError:
    """Word a failure to bind as asyncio does; errno picks the class."""
    reason = os.strerror(error.errno or 0).lower()
    return OSError(error.errno, f"error while attempting to bind on address {address!r}: {reason}")


async def handshake(stack: StackSocket, address: SockAddr) -> None:
    """Connect *stack* to a numeric *address*; raises OSError, and aborts when cancelled."""
    stack.begin_connect(remote(address))
    connection = stack.connection
    if connection is None:
        return  # UDP has no handshake.
    try:
        await stack.wait(lambda: connection.established or connection.error is not None)
    except asyncio.CancelledError:
        stack.give_up_connecting()
        raise
    if connection.error is not None:
        raise OSError(connection.error.errno, f"Connect call failed {address!r}")


def _joined(errors: list[OSError], manner: Manner) -> Exception:
    """Make one error of all, as asyncio does."""
    if manner.all_errors:
        return ExceptionGroup("create_connection failed", errors)
    if len({str(error) for error in errors}) == 1:
        return errors[0]
    return OSError(f"Multiple exceptions: {', '.join(map(str, errors))}")
