"""A gRPC probe: Health.Check of one service (upstream: pkg/probe/grpc).

As there, a connection that cannot be made is tried again until the probe's time is up.
"""

from __future__ import annotations

import asyncio
from typing import Final

from componentbase.grpc import health
from componentbase.grpc.client import Outcome, UnaryCall
from componentbase.grpc.status import OK, UNIMPLEMENTED
from nodeagent.hostnet import HostNet, join_host_port
from nodeagent.kubelet.durations import duration

#: gRPC's first back-off after a connection that failed.
_RECONNECT_S: Final = 1.0
_READ_OCTETS: Final = 16 * 1024


async def check(hostnet: HostNet, address: tuple[str, int], service: str, timeout_s: float) -> str:
    """Return why the service is not healthy, "" when it is."""
    call = _new_call(address, service)
    try:
        async with asyncio.timeout(timeout_s):
            while (outcome := await _try(hostnet, address, call, timeout_s)) is None:
                await asyncio.sleep(_RECONNECT_S)
                call = _new_call(address, service)
    except TimeoutError:
        within = duration(timeout_s)
        if call.connected:
            return f"timeout: health rpc did not complete within {within}"
        at = join_host_port(*address)
        why = "context deadline exceeded"
        return f'timeout: failed to connect service "{at}" within {within}: {why}'
    return _verdict(outcome)


def _new_call(address: tuple[str, int], service: str) -> UnaryCall:
    return UnaryCall(
        health.CHECK,
        health.emit_request(service),
        authority=join_host_port(*address),
        user_agent="kube-probe/1.32",
    )


async def _try(
    hostnet: HostNet, address: tuple[str, int], call: UnaryCall, timeout_s: float
) -> Outcome | None:
    """Connect and ask; None when nobody there speaks HTTP/2."""
    try:
        async with hostnet.connect(*address, timeout_s) as (reader, writer):
            while call.outcome is None:
                writer.write(call.octets_to_send())
                octets = await reader.read(_READ_OCTETS)
                call.receive(octets) if octets else call.eof()
    except OSError:
        if call.connected:
            call.eof()
    return call.outcome if call.connected else None


def _verdict(outcome: Outcome) -> str:
    status = outcome.status
    if status.code == UNIMPLEMENTED:
        protocol = "the grpc health protocol (grpc.health.v1.Health)"
        return f"error: this server does not implement {protocol}: {status.message}"
    if status.code != OK:
        return f"error: health rpc probe failed: {status}"
    try:
        serving = health.parse_response(outcome.message)
    except ValueError as error:
        return f"error: health rpc probe failed: rpc error: code = Internal desc = {error}"
    if serving != health.ServingStatus.SERVING.name:
        return f'service unhealthy (responded with "{serving}")'
    return ""
