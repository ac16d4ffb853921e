"""The fabric's process: a control socket for the launcher, health checks, and the fabric itself."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import msgspec

from componentbase.journal import Journal
from componentbase.rpc import Connection, Handler, Params, RpcError, Server
from podwire.fabric.config import Config, Rule, Topology
from podwire.fabric.fabric import Fabric
from podwire.fabric.health import HealthChecks

log = logging.getLogger(__name__)
T = TypeVar("T")


class FabricProcess:
    """What a fabric process owns."""

    def __init__(self, config: Config) -> None:
        self._config = config

    async def run(self) -> None:
        """Serve until cancelled; raises OSError when an address or a file cannot be used."""
        config = self._config
        journal = Journal(config.journal, "fabric")
        fabric = self._fabric = Fabric(journal)
        context = _tls(config) if config.ca else None
        self._checks = None if context is None else HealthChecks(context, fabric.heard)
        server = Server(Path(config.control_socket), self._handlers())
        try:
            self._configure(config.topology)
            await server.start()
            log.info("%s doors, %s balancers", len(config.doors), len(config.balancers))
            await (asyncio.Event().wait() if self._checks is None else self._checks.wait())
        finally:
            fabric.close()
            if self._checks is not None:
                await self._checks.close()
            await server.close()
            journal.close()

    def _configure(self, topology: Topology) -> None:
        self._fabric.configure(topology)
        if self._checks is not None:
            targets = [each for entry in topology.balancers for each in entry.targets]
            self._checks.watch(each.address for each in targets)

    def _handlers(self) -> dict[str, Handler]:
        fabric = self._fabric
        return {
            "configure": _asked(lambda params: self._configure(_read(params, Topology))),
            "impairments_replace": _asked(
                lambda params: fabric.impair(_read(params.get("entries"), list[Rule]))
            ),
            "impairments_list": _asked(lambda _params: fabric.rules.rows()),
            "status": _asked(lambda _params: fabric.status()),
        }


def _read(value: object, kind: type[T]) -> T:
    return msgspec.convert(value, kind)


def _asked(answer: Callable[[Params], object]) -> Handler:
    """Return a handler; what makes no sense is the asker's fault, what is taken the system's."""

    async def handler(_connection: Connection, params: Params) -> object:
        try:
            return answer(params)
        except ValueError as error:  # msgspec's errors are ValueErrors too.
            raise RpcError("InvalidArgument", str(error)) from error
        except OSError as error:
            raise RpcError("Unavailable", error.strerror or str(error)) from error

    return handler


def _tls(config: Config) -> ssl.SSLContext:
    """Return the fabric's identity towards API servers; raises OSError naming what is wrong."""
    try:
        context = ssl.create_default_context(cafile=config.ca)
        context.load_cert_chain(config.certificate, config.private_key)
    except OSError as error:  # SSLError is one.
        files = ", ".join((config.ca, config.certificate, config.private_key))
        raise OSError(f"cannot load the certificates {files}: {error}") from None
    return context
