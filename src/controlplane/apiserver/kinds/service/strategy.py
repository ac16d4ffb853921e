"""Services: defaults, and what follows from a change of type (upstream: service strategy).

An update may leave out what the cluster chose (cluster IP, node ports): it keeps them. An update
that changes the type and carries the old type's choices along does not mean them: they go.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from controlplane.apiserver.kinds import strategy
from kubeapi.objects import Object

AFFINITY_TIMEOUT_S: Final = 10_800
HEADLESS: Final = "None"


def is_headless(service: Object) -> bool:
    return bool(service["spec"].get("clusterIP") == HEADLESS)


def needs_cluster_ip(service: Object) -> bool:
    return bool(service["spec"].get("type") in ("ClusterIP", "NodePort", "LoadBalancer"))


def may_have_node_ports(service: Object) -> bool:
    return bool(service["spec"].get("type") in ("NodePort", "LoadBalancer"))


def needs_node_ports(service: Object) -> bool:
    """Tell whether every port gets a node port unless it names one."""
    spec = service["spec"]
    if spec.get("type") == "LoadBalancer":
        return bool(spec.get("allocateLoadBalancerNodePorts", True))
    return may_have_node_ports(service)


def needs_health_check_port(service: Object) -> bool:
    spec = service["spec"]
    return bool(spec.get("type") == "LoadBalancer" and spec.get("externalTrafficPolicy") == "Local")


def takes_external_traffic(service: Object) -> bool:
    spec = service["spec"]
    return spec.get("type") in ("NodePort", "LoadBalancer") or bool(
        spec.get("type") == "ClusterIP" and spec.get("externalIPs")
    )


def default(service: Object) -> None:
    """Fill in upstream's defaults (SetDefaults_Service); the families come later."""
    spec = service["spec"] = service.get("spec") or {}
    spec["type"] = spec.get("type") or "ClusterIP"
    _default_affinity(spec)
    for port in spec.get("ports") or []:
        port["protocol"] = port.get("protocol") or "TCP"
        if not port.get("targetPort"):
            port["targetPort"] = port.get("port")
    if takes_external_traffic(service):
        spec["externalTrafficPolicy"] = spec.get("externalTrafficPolicy") or "Cluster"
    if needs_cluster_ip(service):
        spec["internalTrafficPolicy"] = spec.get("internalTrafficPolicy") or "Cluster"
    if spec["type"] == "LoadBalancer" and spec.get("allocateLoadBalancerNodePorts") is None:
        spec["allocateLoadBalancerNodePorts"] = True
    if spec.get("clusterIP") and not spec.get("clusterIPs"):
        spec["clusterIPs"] = [spec["clusterIP"]]
    for item in ((service.get("status") or {}).get("loadBalancer") or {}).get("ingress") or []:
        if spec["type"] == "LoadBalancer" and item.get("ip") and item.get("ipMode") is None:
            item["ipMode"] = "VIP"


def _default_affinity(spec: Object) -> None:
    spec["sessionAffinity"] = spec.get("sessionAffinity") or "None"
    if spec["sessionAffinity"] == "None":
        spec.pop("sessionAffinityConfig", None)
    elif spec["sessionAffinity"] == "ClientIP":
        config = spec["sessionAffinityConfig"] = spec.get("sessionAffinityConfig") or {}
        client_ip = config["clientIP"] = config.get("clientIP") or {}
        client_ip.setdefault("timeoutSeconds", AFFINITY_TIMEOUT_S)


def prepare_create(service: Object) -> None:
    service["status"] = {"loadBalancer": {}}


def prepare_update(new: Object, old: Object) -> None:
    strategy.keep_status(new, old)
    _agree_on_cluster_ips(new["spec"], old["spec"])
    _keep_what_was_allocated(new, old)
    _drop_what_the_type_lost(new, old)


def _agree_on_cluster_ips(new: Object, old: Object) -> None:
    """clusterIP and clusterIPs[0] are one: the one that changed is meant."""
    changed = new.get("clusterIP") != old.get("clusterIP")
    list_changed = new.get("clusterIPs") != old.get("clusterIPs")
    if changed and not list_changed:
        if new.get("clusterIP"):
            new["clusterIPs"] = [new["clusterIP"], *(new.get("clusterIPs") or [])[1:]]
        else:
            new.pop("clusterIPs", None)
    elif list_changed and not changed:
        if new.get("clusterIPs"):
            new["clusterIP"] = new["clusterIPs"][0]
        else:
            new.pop("clusterIP", None)


def _keep_what_was_allocated(new: Object, old: Object) -> None:
    after, before = new["spec"], old["spec"]
    if needs_cluster_ip(new) and needs_cluster_ip(old) and not after.get("clusterIP"):
        strategy.keep("clusterIP", after, before)
        strategy.keep("clusterIPs", after, before)
    if may_have_node_ports(new) and may_have_node_ports(old):
        known = {port.get("name"): port.get("nodePort") for port in before.get("ports") or []}
        taken = _node_ports(after)
        for port in after.get("ports") or []:
            number = known.get(port.get("name"))
            if not port.get("nodePort") and number and number not in taken:
                port["nodePort"] = number
    if needs_health_check_port(new) and needs_health_check_port(old):
        after.setdefault("healthCheckNodePort", before.get("healthCheckNodePort", 0))


def _node_ports(spec: Object) -> set[int]:
    return {port["nodePort"] for port in spec.get("ports") or [] if port.get("nodePort")}


def _drop_what_the_type_lost(new: Object, old: Object) -> None:
    after, before = new["spec"], old["spec"]
    if needs_cluster_ip(old) and not needs_cluster_ip(new):
        for key in ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"):
            _drop_if_same(key, after, before)
        _drop_if_same("internalTrafficPolicy", after, before)
    had_them = may_have_node_ports(old) and not may_have_node_ports(new)
    if had_them and _node_ports(after) == _node_ports(before):
        for port in after.get("ports") or []:
            port.pop("nodePort", None)
    if needs_health_check_port(old) and not needs_health_check_port(new):
        _drop_if_same("healthCheckNodePort", after, before)
    if before["type"] == "LoadBalancer" != after["type"]:
        _drop_if_same("allocateLoadBalancerNodePorts", after, before)
        _drop_if_same("loadBalancerClass", after, before)
        new["status"] = {"loadBalancer": {}}
    if takes_external_traffic(old) and not takes_external_traffic(new):
        _drop_if_same("externalTrafficPolicy", after, before)
    if before["type"] == "ExternalName" != after["type"]:
        _drop_if_same("externalName", after, before)


def _drop_if_same(key: str, after: Object, before: Object) -> None:
    if after.get(key) == before.get(key):
        after.pop(key, None)


def fields(service: Object) -> Mapping[str, str]:
    """Return what field selectors may ask for."""
    spec = service.get("spec") or {}
    return {"spec.clusterIP": spec.get("clusterIP") or "", "spec.type": spec.get("type") or ""}
