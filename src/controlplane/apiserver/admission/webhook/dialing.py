"""Connects to webhooks: to loopback by the kernel, to the cluster's addresses by a node.

No kernel socket is ever opened towards an emulated address (docs/internals/contracts.md, 1).
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket

from controlplane.apiserver.admission.webhook.client import Dial


async def no_way(address: str, port: int) -> socket.socket:
    """Refuse: without nodes nobody reaches what is in the cluster."""
    raise OSError(f"dial tcp {address}:{port}: no route to host")


def dialer(into_cluster: Dial) -> Dial:
    """Return who connects to an address, *into_cluster* to those that are no loopback's."""

    async def dial(address: str, port: int) -> socket.socket:
        parsed = ipaddress.ip_address(address)
        if not parsed.is_loopback:
            return await into_cluster(address, port)
        family = socket.AF_INET6 if parsed.version == 6 else socket.AF_INET
        connecting = socket.socket(family, socket.SOCK_STREAM)
        connecting.setblocking(False)
        try:
            await asyncio.get_running_loop().sock_connect(connecting, (address, port))
        except OSError as error:
            connecting.close()
            raise OSError(f"dial tcp {address}:{port}: {error.strerror or error}") from None
        except asyncio.CancelledError:
            connecting.close()
            raise
        return connecting

    return dial
