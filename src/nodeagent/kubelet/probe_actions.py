"""One probe or hook, carried out: httpGet, tcpSocket, exec, grpc, sleep.

Upstream: pkg/probe for probes, pkg/kubelet/lifecycle for hooks. A probe succeeds, perhaps with a
warning, fails, or tells nothing because it could not be made at all. Of a hook's httpGet any answer
will do.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final

from componentbase.rpc import RpcError
from kubeapi.objects import Object
from nodeagent.hostnet import HostNet, join_host_port
from nodeagent.kubelet import grpc_action
from nodeagent.kubelet.durations import duration
from nodeagent.kubelet.http_action import (
    HttpAnswer,
    HttpError,
    HttpGet,
    PlainHttpError,
    fetch,
)
from nodeagent.kubelet.runtime import Runtime

#: How much of what a command prints is shown: what upstream keeps for its events.
_OUTPUT_MAX: Final = 10 * 1024
_TIMEOUT_TEXT: Final = "context deadline exceeded (Client.Timeout exceeded while awaiting headers)"
_PORT_MAX: Final = 0xFFFF


class ProbeError(Exception):
    """The action failed; the text is what its event shows."""


class ProbeUnknown(Exception):
    """Nobody can tell: the action could not be made, which says nothing about the container."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The container that is probed."""

    container_id: str
    container: Object
    pod_ip: str

    def port(self, wanted: int | str) -> int:
        """Return a port's number; a name is looked up among the container's ports."""
        number = wanted
        if isinstance(wanted, str):
            named = [p for p in self.container.get("ports") or () if p.get("name") == wanted]
            number = int(named[0]["containerPort"]) if named else _atoi(wanted)
        assert isinstance(number, int)
        if not 0 < number <= _PORT_MAX:
            raise ProbeUnknown(f"invalid port number: {number}")
        return number


def _atoi(text: str) -> int:
    if not (text.isascii() and text.removeprefix("-").isdigit()):
        raise ProbeUnknown(f'strconv.Atoi: parsing "{text}": invalid syntax')
    return int(text)


class ProbeActions:
    """Performs handlers (v1.ProbeHandler, v1.LifecycleHandler)."""

    def __init__(self, runtime: Runtime, hostnet: HostNet) -> None:
        self._runtime, self._hostnet = runtime, hostnet

    async def probe(self, handler: Object, target: Target, timeout_s: float) -> str:
        """Perform a probe's *handler*; return a warning, "" for none.

        Raises ProbeError when it fails, ProbeUnknown when nothing was learned.
        """
        if handler.get("exec"):
            code, output = await self._exec(handler["exec"].get("command") or [], target, timeout_s)
            if code != 0:
                raise ProbeError(output[:_OUTPUT_MAX])
        elif handler.get("httpGet"):
            return _judge(await self._http_get(handler["httpGet"], target, timeout_s))
        elif handler.get("tcpSocket"):
            await self._tcp_socket(handler["tcpSocket"], target, timeout_s)
        elif handler.get("grpc"):
            action = handler["grpc"]
            address = target.pod_ip, target.port(action["port"])
            service = action.get("service") or ""
            unhealthy = await grpc_action.check(self._hostnet, address, service, timeout_s)
            if unhealthy:
                raise ProbeError(unhealthy)
        else:
            raise ProbeUnknown("missing probe handler")
        return ""

    async def hook(self, handler: Object, target: Target, timeout_s: float) -> str:
        """Perform a hook's *handler*; return a warning, "" for none.

        Raises ProbeError, whose text begins after the hook's name, and ProbeUnknown.
        """
        if handler.get("exec"):
            command = handler["exec"].get("command") or []
            code, output = await self._exec(command, target, timeout_s)
            if code != 0:
                text = f"command '{' '.join(command)}' exited with {code}: {output}"
                raise ProbeError(f'{text}, message: "{output[:_OUTPUT_MAX]}"')
        elif handler.get("httpGet"):
            return await self._http_hook(handler["httpGet"], target, timeout_s)
        elif handler.get("tcpSocket"):
            raise ProbeUnknown("invalid handler")  # Upstream: accepted by the API, never run.
        elif handler.get("sleep"):
            await asyncio.sleep(handler["sleep"]["seconds"])
        return ""

    async def _http_hook(self, action: Object, target: Target, timeout_s: float) -> str:
        """Ask; a server that turns out to speak no TLS is asked without it."""
        get = _request(action, target, "kube-lifecycle")
        try:
            await self._fetch(get, timeout_s)
        except PlainHttpError:
            plain = _request({**action, "scheme": "HTTP"}, target, "kube-lifecycle")
            kept = [each for each in plain.headers if each[0].lower() != "authorization"]
            await self._fetch(HttpGet(url=plain.url, headers=tuple(kept)), timeout_s)
            return (
                f"request to HTTPS lifecycle hook {get.url.authority} got HTTP response, "
                "retry with HTTP succeeded"
            )
        except HttpError as error:
            raise ProbeError(str(error)) from None
        return ""

    async def _exec(self, command: list[str], target: Target, timeout_s: float) -> tuple[int, str]:
        try:
            return await self._runtime.exec_sync(target.container_id, command, timeout_s)
        except RpcError as error:
            if error.code == "DeadlineExceeded":
                text = f'"{" ".join(command)}" timed out after {duration(timeout_s)}'
                raise ProbeError(f"command timed out: {text}") from None
            text = f"rpc error: code = {error.code} desc = {error.message}"
            raise ProbeUnknown(text) from None

    async def _tcp_socket(self, action: Object, target: Target, timeout_s: float) -> None:
        host, port = action.get("host") or target.pod_ip, target.port(action["port"])
        try:
            async with (
                asyncio.timeout(timeout_s),
                self._hostnet.connect(host, port, timeout_s),
            ):
                pass
        except TimeoutError:
            raise ProbeError(f"dial tcp {join_host_port(host, port)}: i/o timeout") from None
        except OSError as error:
            raise ProbeError(error.strerror or str(error)) from None

    async def _http_get(self, action: Object, target: Target, timeout_s: float) -> HttpAnswer:
        try:
            return await self._fetch(_request(action, target, "kube-probe"), timeout_s)
        except HttpError as error:
            raise ProbeError(str(error)) from None

    async def _fetch(self, get: HttpGet, timeout_s: float) -> HttpAnswer:
        try:
            async with asyncio.timeout(timeout_s):
                return await fetch(self._hostnet, get, timeout_s)
        except TimeoutError:
            raise ProbeError(f'Get "{get.url}": {_TIMEOUT_TEXT}') from None


def _request(action: Object, target: Target, agent: str) -> HttpGet:
    return HttpGet.of(action, target.pod_ip, target.port(action["port"]), agent)


def _judge(answer: HttpAnswer) -> str:
    """Return a probe's warning; raises ProbeError."""
    if answer.is_redirect:
        return f"Probe terminated redirects, Response body: {answer.body}"
    if not 200 <= answer.code < 300:
        raise ProbeError(f"HTTP probe failed with statuscode: {answer.code}")
    return ""
