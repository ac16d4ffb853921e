"""One probe or hook, carried out: httpGet, tcpSocket, exec (upstream: pkg/probe).

Simplified: a redirect counts as success without being followed, and `grpc` probes fail with a
text that says so.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from componentbase.rpc import RpcError
from kubeapi.objects import Object
from nodeagent.hostnet import HostNet, Streams, join_host_port
from nodeagent.kubelet.runtime import Runtime

#: How much of an answer is read: what upstream keeps for its events.
_BODY_MAX: Final = 10 * 1024
_TIMEOUT_TEXT: Final = "context deadline exceeded (Client.Timeout exceeded while awaiting headers)"


class ProbeError(Exception):
    """The action failed; the text is what its event shows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The container that is probed."""

    container_id: str
    container: Object
    pod_ip: str

    def port(self, wanted: int | str) -> int:
        """Return a port's number; a name is looked up among the container's ports."""
        if isinstance(wanted, int) or wanted.isdigit():
            return int(wanted)
        for port in self.container.get("ports") or ():
            if port.get("name") == wanted:
                return int(port["containerPort"])
        raise ProbeError(f"couldn't find port: {wanted}")


class ProbeActions:
    """Performs handlers (v1.ProbeHandler, v1.LifecycleHandler)."""

    def __init__(self, runtime: Runtime, hostnet: HostNet) -> None:
        self._runtime, self._hostnet = runtime, hostnet

    async def perform(self, handler: Object, target: Target, timeout_s: float) -> None:
        """Perform *handler*; raises ProbeError when it does not succeed."""
        try:
            if handler.get("exec"):
                await self._exec(handler["exec"].get("command") or [], target, timeout_s)
            elif handler.get("httpGet"):
                async with asyncio.timeout(timeout_s):
                    await self._http_get(handler["httpGet"], target, timeout_s)
            elif handler.get("tcpSocket"):
                async with asyncio.timeout(timeout_s):
                    await self._tcp_socket(handler["tcpSocket"], target, timeout_s)
            elif handler.get("sleep"):
                await asyncio.sleep(handler["sleep"]["seconds"])
            elif handler.get("grpc"):
                raise ProbeError("gRPC probes are not supported by this node")
        except TimeoutError:
            raise ProbeError(_timeout_text(handler, target)) from None
        except (OSError, asyncio.IncompleteReadError) as error:
            raise ProbeError(_error_text(handler, target, error)) from None

    async def _exec(self, command: list[str], target: Target, timeout_s: float) -> None:
        try:
            code, output = await self._runtime.exec_sync(target.container_id, command, timeout_s)
        except RpcError as error:
            if error.code == "DeadlineExceeded":
                raise ProbeError(
                    f"command timed out: {command} timed out after {timeout_s:g}s"
                ) from None
            raise ProbeError(error.message) from None
        if code != 0:
            raise ProbeError(output[:_BODY_MAX].strip() or f"command exited with {code}")

    async def _tcp_socket(self, action: Object, target: Target, timeout_s: float) -> None:
        host = action.get("host") or target.pod_ip
        async with self._hostnet.connect(host, target.port(action["port"]), timeout_s):
            pass

    async def _http_get(self, action: Object, target: Target, timeout_s: float) -> None:
        host, port = action.get("host") or target.pod_ip, target.port(action["port"])
        async with self._hostnet.connect(host, port, timeout_s) as streams:
            if (action.get("scheme") or "HTTP").upper() == "HTTPS":
                await streams[1].start_tls(_unverified())
            code = await _request(streams, action, join_host_port(host, port))
        if not 200 <= code < 400:
            raise ProbeError(f"HTTP probe failed with statuscode: {code}")


async def _request(streams: Streams, action: Object, host: str) -> int:
    """Ask for the action's path and return the status code."""
    reader, writer = streams
    headers = {"Host": host, "User-Agent": "kube-probe/1.32", "Accept": "*/*"}
    headers |= {item["name"]: item["value"] for item in action.get("httpHeaders") or ()}
    writer.write(_request_octets(action.get("path") or "/", headers))
    status = await reader.readline()
    words = status.split(None, 2)
    if len(words) < 2 or not words[0].startswith(b"HTTP/") or not words[1].isdigit():
        raise ConnectionResetError("EOF" if not status else "malformed HTTP response")
    await reader.read(_BODY_MAX)
    return int(words[1])


def _request_octets(path: str, headers: Mapping[str, str]) -> bytes:
    path = path if path.startswith("/") else f"/{path}"
    lines = [f"GET {path} HTTP/1.1", *(f"{name}: {text}" for name, text in headers.items())]
    return "\r\n".join([*lines, "Connection: close", "", ""]).encode()


def _unverified() -> ssl.SSLContext:
    """Probes do not verify certificates (upstream too)."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _url(handler: Object, target: Target) -> str:
    action = handler["httpGet"]
    scheme = (action.get("scheme") or "HTTP").lower()
    path = action.get("path") or "/"
    host = action.get("host") or target.pod_ip
    path = path if path.startswith("/") else f"/{path}"
    return f"{scheme}://{join_host_port(host, action['port'])}{path}"


def _timeout_text(handler: Object, target: Target) -> str:
    if handler.get("httpGet"):
        return f'Get "{_url(handler, target)}": {_TIMEOUT_TEXT}'
    port = (handler.get("tcpSocket") or {}).get("port")
    return f"dial tcp {join_host_port(target.pod_ip, port)}: i/o timeout"


def _error_text(handler: Object, target: Target, error: Exception) -> str:
    text = (error.strerror if isinstance(error, OSError) else None) or str(error)
    return f'Get "{_url(handler, target)}": {text}' if handler.get("httpGet") else text
