"""Ask every API server behind a balancer once a second whether it is ready (GET /readyz).

One that is not is asked whether it lives at all (GET /livez).
"""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import Callable, Iterable
from typing import Final

import aiohttp

from componentbase.tasks import Tasks
from podwire.fabric.balancer import Finding, State
from podwire.fabric.config import Address

EVERY_S: Final = 1.0
TIMEOUT_S: Final = 1.0
#: A name that every API server's certificate has, whatever address it is asked at.
_SERVER_NAME: Final = "kubernetes"

#: Is told of an address and what the check found.
Heard = Callable[[Address, Finding], None]


class HealthChecks:
    """One loop per API server; *heard* is told of every result."""

    def __init__(self, context: ssl.SSLContext, heard: Heard) -> None:
        self._context, self._heard = context, heard
        self._tasks = Tasks()
        self._loops: dict[Address, asyncio.Task[None]] = {}
        self._session: aiohttp.ClientSession | None = None

    def watch(self, addresses: Iterable[Address]) -> None:
        """Ask exactly these from now on."""
        wanted = dict.fromkeys(addresses)
        for address in [each for each in self._loops if each not in wanted]:
            self._loops.pop(address).cancel()
        for address in wanted:
            if address not in self._loops:
                name = f"health of {address[0]}:{address[1]}"
                self._loops[address] = self._tasks.spawn(
                    self._check(address), name=name, essential=True
                )

    async def wait(self) -> None:
        """Wait for ever; raises what ended a loop, if anything does."""
        await self._tasks.wait()

    async def close(self) -> None:
        """Ask nobody any more."""
        await self._tasks.close()
        if self._session is not None:
            await self._session.close()

    async def _check(self, address: Address) -> None:
        loop = asyncio.get_running_loop()
        while True:
            began = loop.time()
            self._heard(address, await self._check_once(address))
            await asyncio.sleep(max(0.0, began + EVERY_S - loop.time()))

    async def _check_once(self, address: Address) -> Finding:
        path = "/readyz"
        try:
            unready = await self._get(address, path)
            if not unready:
                return Finding(State.READY)
            path = "/livez"
            dead = await self._get(address, path)
            return Finding(State.DOWN, dead) if dead else Finding(State.UNREADY, unready)
        except TimeoutError:
            return Finding(State.SILENT, f"{path}: no answer in {TIMEOUT_S:g} s")
        except (aiohttp.ClientError, OSError) as error:
            return Finding(State.DOWN, _text(path, error))

    async def _get(self, address: Address, path: str) -> str:
        """Return what is wrong with the answer; raises when there is none."""
        url = f"https://{address[0]}:{address[1]}{path}"
        async with self._opened().get(url, server_hostname=_SERVER_NAME) as response:
            return "" if response.status == 200 else f"{path}: {response.status} {response.reason}"

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            # Each check connects anew, as the next dialler would.
            connector = aiohttp.TCPConnector(ssl=self._context, force_close=True)
            timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
            self._session = aiohttp.ClientSession(
                connector=connector, timeout=timeout, trust_env=False
            )
        return self._session


def _text(path: str, error: Exception) -> str:
    """Return what a dial of our own would say where nobody listens, else aiohttp's words."""
    if isinstance(error, aiohttp.ClientConnectorError):
        number = error.os_error.errno
        if number and not isinstance(error, aiohttp.ClientSSLError):
            return os.strerror(number)
    return f"{path}: {error}"
