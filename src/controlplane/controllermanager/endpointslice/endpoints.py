"""Pods as endpoints of a Service (upstream: endpointslice `podToEndpoint`, `getEndpointPorts`).

A pod that is not ready, or that terminates, stays an endpoint and says so in its conditions: who
sends packets decides what that means. Only a pod without address, or one that has finished, is
none.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import ip_address

from controlplane.controllermanager import pod_facts
from controlplane.controllermanager.endpointslice.hints import ZONE
from kubeapi.objects import Object, labels_of, name_of, namespace_of, uid_of


@dataclass(frozen=True, slots=True)
class Port:
    """One port of an EndpointSlice."""

    name: str
    protocol: str
    port: int
    app_protocol: str | None = None

    def to_object(self) -> Object:
        obj: Object = {"name": self.name, "protocol": self.protocol, "port": self.port}
        return obj if self.app_protocol is None else {**obj, "appProtocol": self.app_protocol}

    @classmethod
    def from_object(cls, obj: Object) -> Port:
        return cls(
            obj.get("name") or "",
            obj.get("protocol") or "TCP",
            obj.get("port") or 0,
            obj.get("appProtocol"),
        )


#: An EndpointSlice holds endpoints of one address family that all have the same ports.
@dataclass(frozen=True, slots=True)
class Group:
    address_type: str
    ports: tuple[Port, ...]


def selects(service: Object, pod: Object) -> bool:
    """Return whether *service*'s selector names *pod*; one without selector names none."""
    selector: Mapping[str, str] = service["spec"].get("selector") or {}
    return bool(selector) and selector.items() <= labels_of(pod).items()


def wanted_endpoints(
    service: Object, pods: Iterable[Object], nodes: Mapping[str, Object]
) -> dict[Group, list[Object]]:
    """Return every endpoint that *service* should have, by what may share a slice."""
    groups: dict[Group, list[Object]] = {}
    for pod in pods:
        if not selects(service, pod) or pod_facts.is_finished(pod):
            continue
        ports = resolved_ports(service, pod)  # None: all are names that this pod has not.
        for family in service["spec"].get("ipFamilies") or ("IPv4",):
            address = _address(pod, family)
            if address:
                endpoint = _endpoint(service, pod, address, nodes)
                groups.setdefault(Group(family, ports), []).append(endpoint)
    return groups


def by_family(groups: Mapping[Group, list[Object]]) -> dict[str, list[Object]]:
    """Return the endpoints of each family, in the order of their addresses."""
    found: dict[str, list[Object]] = {}
    for group, endpoints in groups.items():
        found.setdefault(group.address_type, []).extend(endpoints)
    for endpoints in found.values():
        endpoints.sort(key=lambda endpoint: str(endpoint["addresses"][0]))
    return found


def resolved_ports(service: Object, pod: Object) -> tuple[Port, ...]:
    """Return *service*'s ports as *pod* has them; a name that the pod lacks is left out."""
    found: list[Port] = []
    for item in service["spec"].get("ports") or ():
        protocol = item.get("protocol") or "TCP"
        target = item.get("targetPort") or item["port"]
        number = target if isinstance(target, int) else _named_port(pod, target, protocol)
        if number is not None:
            found.append(Port(item.get("name") or "", protocol, number, item.get("appProtocol")))
    return tuple(found)


def _named_port(pod: Object, name: str, protocol: str) -> int | None:
    for container in pod["spec"].get("containers") or ():
        for port in container.get("ports") or ():
            if port.get("name") == name and (port.get("protocol") or "TCP") == protocol:
                return int(port["containerPort"])
    return None


def _address(pod: Object, family: str) -> str | None:
    status = pod.get("status") or {}
    addresses = [item["ip"] for item in status.get("podIPs") or ()] or [status.get("podIP")]
    version = 6 if family == "IPv6" else 4
    return next((text for text in addresses if text and ip_address(text).version == version), None)


def _endpoint(service: Object, pod: Object, address: str, nodes: Mapping[str, Object]) -> Object:
    serving = pod_facts.is_ready(pod)
    terminating = pod_facts.is_terminating(pod)
    regardless = bool(service["spec"].get("publishNotReadyAddresses"))
    node_name = pod_facts.node_name(pod)
    endpoint: Object = {
        "addresses": [address],
        "conditions": {
            "ready": regardless or (serving and not terminating),
            "serving": serving,
            "terminating": terminating,
        },
        "targetRef": {
            "kind": "Pod",
            "namespace": namespace_of(pod),
            "name": name_of(pod),
            "uid": uid_of(pod),
        },
    }
    if node_name:
        endpoint["nodeName"] = node_name
        zone = labels_of(nodes[node_name]).get(ZONE) if node_name in nodes else None
        if zone:
            endpoint["zone"] = zone
    spec = pod["spec"]
    if spec.get("hostname") and spec.get("subdomain") == name_of(service):
        endpoint["hostname"] = spec["hostname"]
    return endpoint


def ready_pods(one: Object) -> list[str]:
    """Return the pods, as NAMESPACE/NAME, that the slice *one* lists as ready."""
    return [
        f"{target['namespace']}/{target['name']}"
        for endpoint in one.get("endpoints") or ()
        if (target := endpoint.get("targetRef"))
        and endpoint["conditions"].get("ready") is not False
    ]


def pod_facts_that_matter(pod: Object) -> Object:
    """Return what of *pod* any endpoint depends on: a pod that differs elsewhere is no news."""
    spec, status = pod.get("spec") or {}, pod.get("status") or {}
    return {
        "labels": labels_of(pod),
        "finished": pod_facts.is_finished(pod),
        "ready": pod_facts.is_ready(pod),
        "terminating": pod_facts.is_terminating(pod),
        "addresses": [status.get("podIP"), status.get("podIPs")],
        "place": [spec.get("nodeName"), spec.get("hostname"), spec.get("subdomain")],
    }
