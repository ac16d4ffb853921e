"""Ingresses and what belongs to them, as the API tells of them."""

from __future__ import annotations

from typing import Any

Object = dict[str, Any]

CLASSES = {"nginx": "k8s.io/ingress-nginx", "other": "example.com/other"}


def backend(service: str, port: int | str = 80) -> Object:
    kind = "number" if isinstance(port, int) else "name"
    return {"service": {"name": service, "port": {kind: port}}}


def path(path: str, service: str, kind: str = "Prefix", port: int | str = 80) -> Object:
    return {"path": path, "pathType": kind, "backend": backend(service, port)}


def rule(host: str, *paths: Object) -> Object:
    return {**({"host": host} if host else {}), "http": {"paths": list(paths)}}


def ingress(
    name: str,
    *rules: Object,
    annotations: dict[str, str] | None = None,
    created: str = "2026-01-01T00:00:00Z",
    cls: str | None = "nginx",
    **spec: Any,
) -> Object:
    prefix = "nginx.ingress.kubernetes.io/"
    metadata = {
        "name": name,
        "namespace": "default",
        "creationTimestamp": created,
        "annotations": {
            key if "/" in key else prefix + key: value for key, value in (annotations or {}).items()
        },
    }
    if cls is not None:
        spec["ingressClassName"] = cls
    return {"metadata": metadata, "spec": {"rules": list(rules), **spec}}


def service(name: str, port: int = 80, **spec: Any) -> Object:
    ports = [{"name": "http", "port": port, "protocol": "TCP"}]
    return {
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"ports": ports, "clusterIP": "10.96.1.1", **spec},
    }


def endpoint_slice(owner: str, port: int, *addresses: str, **conditions: bool) -> Object:
    labels = {"kubernetes.io/service-name": owner}
    return {
        "metadata": {"name": f"{owner}-{port}", "namespace": "default", "labels": labels},
        "addressType": "IPv4",
        "ports": [{"name": "http", "port": port, "protocol": "TCP"}],
        "endpoints": [{"addresses": [each], "conditions": conditions} for each in addresses],
    }
