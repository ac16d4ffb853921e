"""Subresources of pods: binding, log, eviction."""

from __future__ import annotations

from componentbase.clock import Clock, rfc3339
from controlplane.apiserver.decoding import decode_object
from controlplane.apiserver.exchange import Answer, Request, Stream, answer_object, success
from controlplane.apiserver.kinds.kind import Kind
from controlplane.apiserver.kubelet_proxy import KubeletProxy, LogTarget, log_query
from controlplane.apiserver.registry.options import (
    WriteOptions,
    delete_options,
    write_options,
)
from controlplane.apiserver.registry.registry import Registry
from kubeapi.objects import Object, is_being_deleted, name_of, set_condition, uid_of
from kubeapi.resources import NODES
from kubeapi.status import bad_request, conflict, method_not_allowed

_KUBELET_PORT = 10250
_ENDED = ("Succeeded", "Failed")


def bind(pod: Object, binding: Object, kind: Kind, now: float) -> Object:
    """Return *pod* assigned to the binding's node; raises StatusError 400, 409."""
    target = binding.get("target")
    node = target.get("name") if isinstance(target, dict) else None
    if not isinstance(node, str) or not node:
        raise bad_request("Binding: target.name is required: the name of a node")
    name = name_of(pod)
    if is_being_deleted(pod):
        why = f"pod {name} is being deleted, cannot be assigned to a host"
        raise conflict(kind.resource, name, why)
    bound = (pod.get("spec") or {}).get("nodeName")
    if bound:
        why = f'pod {name} is already assigned to node "{bound}"'
        raise conflict(kind.resource, name, why)
    metadata = binding.get("metadata")
    wanted = metadata.get("uid") if isinstance(metadata, dict) else None
    if wanted and wanted != pod["metadata"]["uid"]:
        raise conflict(kind.resource, name, f"Precondition failed: UID in precondition: {wanted}")
    pod["spec"] = {**(pod.get("spec") or {}), "nodeName": node}
    status = pod.setdefault("status", {})
    conditions = status.setdefault("conditions", [])
    set_condition(conditions, {"type": "PodScheduled", "status": "True"}, rfc3339(now))
    return pod


def eviction_options(eviction: Object, name: str) -> Object:
    """Return the DeleteOptions of an Eviction of the pod *name*; raises StatusError 400."""
    metadata, options = eviction.get("metadata") or {}, eviction.get("deleteOptions") or {}
    if not isinstance(metadata, dict) or not isinstance(options, dict):
        raise bad_request("Eviction: metadata and deleteOptions must be maps")
    if metadata.get("name", name) != name:
        raise bad_request("name in URL does not match name in Eviction object")
    return options


def mark_evicted(pod: Object, uid: str, now: float) -> Object:
    """Return *pod* with the reason of its end, unless that has begun or another is meant."""
    status = pod.setdefault("status", {})
    if uid not in ("", uid_of(pod)) or is_being_deleted(pod):
        return pod
    if status.get("phase") in _ENDED:
        return pod
    mark = {
        "type": "DisruptionTarget",
        "status": "True",
        "reason": "EvictionByEvictionAPI",
        "message": "Eviction API: evicting",
    }
    set_condition(status.setdefault("conditions", []), mark, rfc3339(now))
    return pod


def log_container(pod: Object, wanted: str) -> str:
    """Return the container whose log is meant; raises StatusError 400."""
    spec, name = pod.get("spec") or {}, name_of(pod)
    containers: list[str] = [item["name"] for item in spec.get("containers") or ()]
    every: list[str] = [*(item["name"] for item in spec.get("initContainers") or ()), *containers]
    if wanted:
        if wanted not in every:
            raise bad_request(f"container {wanted} is not valid for pod {name}")
        return wanted
    if len(every) != 1:
        offered = " ".join(containers)
        raise bad_request(
            f"a container name must be specified for pod {name}, choose one of: [{offered}]"
        )
    return every[0]


def kubelet_address(node: Object) -> tuple[str, int]:
    """Return the (emulated) address and port of a node's kubelet; raises StatusError."""
    status = node.get("status") or {}
    endpoints = (status.get("daemonEndpoints") or {}).get("kubeletEndpoint") or {}
    for address in status.get("addresses") or ():
        if address.get("type") == "InternalIP":
            return address["address"], endpoints.get("Port") or _KUBELET_PORT
    raise bad_request(f"node {name_of(node)} has no InternalIP")


class PodRoutes:
    """Answers what only pods have."""

    def __init__(
        self, registry: Registry, kubelets: KubeletProxy, node_kind: Kind, *, wall: Clock
    ) -> None:
        self._registry, self._kubelets, self._node_kind = registry, kubelets, node_kind
        self._wall = wall

    async def binding(self, kind: Kind, request: Request) -> Answer:
        if request.info.verb != "create":
            raise method_not_allowed(kind.resource, request.info.verb)
        binding = decode_object(request.body, request.content_type)
        info, options = request.info, write_options(request.query)
        await self._registry.update(
            kind,
            info.namespace,
            info.name,
            lambda pod: bind(pod, binding, kind, self._wall()),
            options,
            subresource="binding",
        )
        return answer_object(success({}, 201), request.accepted, status=201)

    async def eviction(self, kind: Kind, request: Request) -> Answer:
        """Delete the pod as asked. Upstream also asks PodDisruptionBudgets: there are none."""
        if request.info.verb != "create":
            raise method_not_allowed(kind.resource, request.info.verb)
        info = request.info
        body = decode_object(request.body, request.content_type)
        options = delete_options(request.query, eviction_options(body, info.name))
        # A deletion that names the revision means the pod as it is.
        if not options.dry_run and not options.resource_version:
            await self._registry.update(
                kind,
                info.namespace,
                info.name,
                lambda pod: mark_evicted(pod, options.uid, self._wall()),
                WriteOptions(),
                subresource="status",
            )
        await self._registry.delete(kind, info.namespace, info.name, options)
        return answer_object(success({}, 201), request.accepted, status=201)

    async def log(self, kind: Kind, request: Request) -> Answer | Stream:
        info = request.info
        if info.verb != "get":
            raise method_not_allowed(kind.resource, info.verb)
        await self._registry.cacher.wait_until_fresh()
        pod = self._registry.get(kind, info.namespace, info.name).object
        container = log_container(pod, request.query.get("container", ""))
        node_name = (pod.get("spec") or {}).get("nodeName")
        if not node_name:
            raise bad_request(f"pod {info.name} does not have a host assigned")
        node = self._registry.get(self._node_kind, "", node_name).object
        address, port = kubelet_address(node)
        target = LogTarget(
            address=address,
            port=port,
            path=f"/containerLogs/{info.namespace}/{info.name}/{container}",
        )
        return await self._kubelets.log(target, log_query(request.query), NODES, node_name)
