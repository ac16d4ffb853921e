"""Connections as admission sees them: exec, attach, port-forward and proxy (operation CONNECT).

Upstream: endpoints/handlers, ConnectResource. The object is the options of the connection.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from controlplane.apiserver.admission.attributes import Attributes, Operation
from controlplane.apiserver.admission.chain import Chain
from controlplane.apiserver.exchange import Request
from controlplane.apiserver.kinds.kind import Kind
from controlplane.apiserver.registry.options import WriteOptions
from controlplane.apiserver.request_info import is_true
from kubeapi.objects import Object

_SWITCHES: Final = ("stdin", "stdout", "stderr", "tty")
#: Subresource → the kind of its options; a proxy's begins with its resource's.
_KINDS: Final = {
    "exec": "PodExecOptions",
    "attach": "PodAttachOptions",
    "portforward": "PodPortForwardOptions",
}


async def admit(
    chain: Chain, kind: Kind, request: Request, several: Mapping[str, Sequence[str]] | None = None
) -> None:
    """Ask every plugin about a connection; raises StatusError.

    *several* are the parameters that may be given more than once.
    """
    info = request.info
    name = _KINDS.get(info.subresource) or f"{kind.resource.kind}ProxyOptions"
    attributes = Attributes(
        operation=Operation.CONNECT,
        kind=kind,
        namespace=info.namespace,
        name=info.name,
        subresource=info.subresource,
        obj=_options(name, request, several or {}),
        object_kind=("", "v1", name),
        options=WriteOptions(user=request.user, manager="", annotations=request.annotations),
    )
    await chain.run(attributes)


def _options(name: str, request: Request, several: Mapping[str, Sequence[str]]) -> Object:
    query = request.query
    options: Object = {"kind": name, "apiVersion": "v1"}
    if name.endswith("ProxyOptions"):
        return {**options, "path": "/".join(("", *request.info.rest))}
    options |= {switch: True for switch in _SWITCHES if is_true(query.get(switch))}
    if query.get("container"):
        options["container"] = query["container"]
    if several.get("command"):
        options["command"] = list(several["command"])
    ports = [int(port) for port in several.get("ports") or () if port.isdecimal()]
    return {**options, "ports": ports} if ports else options
