"""exec, attach and port-forward of pods: who is meant, before a stream begins.

Upstream: registry/core/pod/rest/subresources.go, strategy.go (ExecLocation and its kin).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl, quote

from controlplane.apiserver.admission import connecting
from controlplane.apiserver.exchange import Request
from controlplane.apiserver.kinds.kind import Kind
from controlplane.apiserver.kubelet_proxy import KubeletProxy, Target
from controlplane.apiserver.registry.registry import Registry
from controlplane.apiserver.request_info import is_true
from controlplane.apiserver.routes.pods import kubelet_address, log_container
from controlplane.apiserver.streams.upgrade import Upgrade
from kubeapi.objects import Object, uid_of
from kubeapi.status import StatusError, bad_request, method_not_allowed

if TYPE_CHECKING:
    from aiohttp import ClientWebSocketResponse, web

    from controlplane.apiserver.streams.remote_command import Options

_PROTOCOL: Final = "v5.channel.k8s.io"
_INTERNAL: Final = "Internal error occurred: "
#: A command may have many words; the URL's length bounds it.
_WORDS_MAX: Final = 4096


class StreamRoutes:
    """Opens streams to pods. What carries them is imported when there is one."""

    def __init__(self, registry: Registry, kubelets: KubeletProxy, node_kind: Kind) -> None:
        self._registry, self._kubelets, self._node_kind = registry, kubelets, node_kind

    async def program(self, kind: Kind, request: Request) -> Upgrade:
        """Answer pods/exec and pods/attach."""
        info = request.info
        if info.verb not in ("get", "create"):
            raise method_not_allowed(kind.resource, info.verb)
        pod = await self._pod(kind, request)
        container = log_container(pod, request.query.get("container", ""))
        path = f"/{info.subresource}/{_quoted(info.namespace, info.name, container)}"
        target = self.kubelet(pod, path)
        options = _options(request)

        async def carry(http: web.BaseRequest) -> web.StreamResponse:
            from controlplane.apiserver.streams import remote_command

            words = _every(http, "command")
            await connecting.admit(self._registry.chain, kind, request, {"command": words})
            query = [*options.query().items()]
            query += [("command", word) for word in words]

            async def dial() -> ClientWebSocketResponse:
                return await self._kubelets.stream(target, query, (_PROTOCOL,))

            return await remote_command.serve(http, options, dial)

        return Upgrade(carry)

    async def port_forward(self, kind: Kind, request: Request) -> Upgrade:
        """Answer pods/portforward."""
        info = request.info
        if info.verb not in ("get", "create"):
            raise method_not_allowed(kind.resource, info.verb)
        pod = await self._pod(kind, request)
        target = self.kubelet(pod, f"/portForward/{_quoted(info.namespace, info.name)}")

        async def carry(http: web.BaseRequest) -> web.StreamResponse:
            from controlplane.apiserver.streams import port_forward

            async def dial(port: int) -> ClientWebSocketResponse:
                try:
                    return await self._kubelets.stream(target, [("port", str(port))])
                except StatusError as error:
                    why = error.message.removeprefix(_INTERNAL)
                    what = f"error forwarding port {port} to pod {info.name}, uid {uid_of(pod)}"
                    raise StatusError(error.code, error.reason, f"{what}: {why}") from None

            named = _every(http, "ports")
            ports = port_forward.ports_of(named)
            await connecting.admit(self._registry.chain, kind, request, {"ports": named})
            return await port_forward.serve(http, ports, dial)

        return Upgrade(carry)

    async def _pod(self, kind: Kind, request: Request) -> Object:
        await self._registry.cacher.wait_until_fresh()
        return self._registry.get(kind, request.info.namespace, request.info.name).object

    def kubelet(self, pod: Object, path: str) -> Target:
        """Return the kubelet of *pod*; raises StatusError while the pod has none."""
        node_name = (pod.get("spec") or {}).get("nodeName")
        if not node_name:
            raise bad_request(f"pod {pod['metadata']['name']} does not have a host assigned")
        return self.kubelet_of(node_name, path)

    def kubelet_of(self, node_name: str, path: str) -> Target:
        """Return the kubelet of a node; raises StatusError."""
        node = self._registry.get(self._node_kind, "", node_name).object
        address, port = kubelet_address(node)
        return Target(address=address, port=port, path=path)


def _quoted(*parts: str) -> str:
    return "/".join(quote(part, safe="") for part in parts)


def _every(http: web.BaseRequest, name: str) -> list[str]:
    """Return all values of one parameter, in order; raises StatusError."""
    text = http.raw_path.partition("?")[2]
    try:
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=_WORDS_MAX)
    except ValueError as error:
        raise bad_request(f"the URL is malformed: {error}") from None
    return [value for each, value in pairs if each == name]


def _options(request: Request) -> Options:
    """Read which streams are wanted; what is not said of outputs is yes, as upstream has it."""
    from controlplane.apiserver.streams.remote_command import Options

    query = request.query
    tty = is_true(query.get("tty"))
    options = Options(
        stdin=is_true(query.get("stdin")),
        stdout=is_true(query.get("stdout", "true")),
        stderr=is_true(query.get("stderr", "true")) and not tty,
        tty=tty,
    )
    if not (options.stdin or options.stdout or options.stderr):
        raise bad_request("you must specify at least 1 of stdin, stdout, stderr")
    if request.info.subresource == "exec" and not query.get("command"):
        raise bad_request("you must specify at least one command for the container")
    return options
