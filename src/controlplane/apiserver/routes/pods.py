"""Subresources of pods: binding and log; evictions have a room of their own beside."""

from __future__ import annotations

from componentbase.clock import Clock, rfc3339
from controlplane.apiserver.admission.attributes import Attributes, Operation
from controlplane.apiserver.decoding import read_body
from controlplane.apiserver.exchange import Answer, Request, Stream, answer_object, success
from controlplane.apiserver.kinds.kind import Kind
from controlplane.apiserver.kubelet_proxy import KubeletProxy, Target, log_query
from controlplane.apiserver.registry.options import write_options
from controlplane.apiserver.registry.registry import Registry
from controlplane.apiserver.routes.evictions import Evictions
from kubeapi.objects import Object, is_being_deleted, name_of, set_condition
from kubeapi.pod_containers import every_container
from kubeapi.resources import BINDINGS, NODES
from kubeapi.status import bad_request, conflict, method_not_allowed

_KUBELET_PORT = 10250


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


def log_container(pod: Object, wanted: str) -> str:
    """Return the container whose log is meant; raises StatusError 400."""
    spec, name = pod.get("spec") or {}, name_of(pod)
    containers: list[str] = [item["name"] for item in spec.get("containers") or ()]
    every: list[str] = [item["name"] for item in every_container(spec)]
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
        self,
        registry: Registry,
        kubelets: KubeletProxy,
        node_kind: Kind,
        evictions: Evictions,
        *,
        wall: Clock,
    ) -> None:
        self._registry, self._kubelets, self._node_kind = registry, kubelets, node_kind
        self.evictions, self._wall = evictions, wall

    async def binding(self, kind: Kind, request: Request) -> Answer:
        if request.info.verb != "create":
            raise method_not_allowed(kind.resource, request.info.verb)
        return await self._bind(kind, request, request.info.name)

    async def bindings(self, kind: Kind, request: Request) -> Answer:
        """Answer the Binding as a resource of its own, which names the pod itself."""
        info = request.info
        if info.verb != "create" or info.subresource:
            raise method_not_allowed(BINDINGS, info.verb)
        return await self._bind(kind, request, "")

    async def _bind(self, kind: Kind, request: Request, name: str) -> Answer:
        """Bind the pod *name*, or the one that the Binding names itself."""
        options = write_options(request)
        admitted = read_body(request.body, request.content_type, BINDINGS, options.strictness)
        binding = admitted.obj
        name = name or name_of(binding)
        if not name:
            raise bad_request("Binding: metadata.name is required: the name of a pod")
        await self._registry.chain.run(
            Attributes(
                operation=Operation.CREATE,
                kind=kind,
                namespace=request.info.namespace,
                name=name,
                subresource="binding",
                obj=binding,
                object_kind=("", "v1", "Binding"),
                options=options,
            )
        )
        await self._registry.update(
            kind,
            request.info.namespace,
            name,
            lambda pod: bind(pod, binding, kind, self._wall()),
            options,
            subresource="binding",
        )
        warnings = [*admitted.warnings, *options.warnings]
        return answer_object(success({}, 201), request.accepted, status=201, warnings=warnings)

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
        target = Target(
            address=address,
            port=port,
            path=f"/containerLogs/{info.namespace}/{info.name}/{container}",
        )
        return await self._kubelets.log(
            target, log_query(request.query, info.name), NODES, node_name
        )
