"""The ingress controller as an add-on: of ingress-nginx' own manifest what counts here.

Its Service is of type LoadBalancer with `externalTrafficPolicy: Local`, as upstream's for clouds,
so that ranges of sources mean the clients'. Left out: the admission webhook.
"""

from __future__ import annotations

from typing import Any, Final

from podwire.cluster import rbac
from podwire.cluster.placement import not_hollow

Object = dict[str, Any]

NAMESPACE: Final = "ingress-nginx"
_NAME: Final = "ingress-nginx-controller"
_ACCOUNT: Final = "ingress-nginx"
_IMAGE: Final = "registry.k8s.io/ingress-nginx/controller:v1.12.1"
_SELECTED: Final = {
    "app.kubernetes.io/name": "ingress-nginx",
    "app.kubernetes.io/instance": "ingress-nginx",
    "app.kubernetes.io/component": "controller",
}
_LABELS: Final = {**_SELECTED, "app.kubernetes.io/part-of": "ingress-nginx"}
_STATUS_PORT: Final = 10254


def objects() -> list[Object]:
    """Return the objects, in the order in which they are made."""
    labels = {"app.kubernetes.io/name": "ingress-nginx"}
    return [
        {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": NAMESPACE, "labels": labels},
        },
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": _metadata(_ACCOUNT)},
        *_roles(),
        _class(),
        _service(),
        _deployment(),
    ]


def _roles() -> list[Object]:
    """Return what the controller may do, everywhere and in its namespace, and that it may."""
    labels = {key: _LABELS[key] for key in _LABELS if not key.endswith("component")}
    everywhere: Object = {"name": _ACCOUNT, "labels": labels}
    here = _metadata(_ACCOUNT)
    account = (NAMESPACE, _ACCOUNT)
    return [
        rbac.role("Role", here, _NAMESPACE_RULES),
        rbac.binding("Role", here, account),
        rbac.role("ClusterRole", everywhere, _RULES),
        rbac.binding("ClusterRole", everywhere, account),
    ]


def _rule(groups: str, resources: str, verbs: str, names: str = "") -> Object:
    rule = {"apiGroups": groups.split(",")} | {"resources": resources.split()}
    return rule | {"verbs": verbs.split()} | ({"resourceNames": names.split()} if names else {})


_NETWORKING: Final = "networking.k8s.io"
_LEADER: Final = "ingress-nginx-leader"
_RULES: Final[list[Object]] = [
    _rule("", "configmaps endpoints nodes pods secrets namespaces", "list watch"),
    _rule("coordination.k8s.io", "leases", "list watch"),
    _rule("", "nodes", "get"),
    _rule("", "services", "get list watch"),
    _rule(_NETWORKING, "ingresses", "get list watch"),
    _rule("", "events", "create patch"),
    _rule(_NETWORKING, "ingresses/status", "patch update"),
    _rule(_NETWORKING, "ingressclasses", "get list watch"),
    _rule("discovery.k8s.io", "endpointslices", "list watch get"),
]
_NAMESPACE_RULES: Final[list[Object]] = [
    _rule("", "namespaces", "get"),
    _rule("", "configmaps pods secrets endpoints", "get list watch"),
    _rule("", "services", "get list watch"),
    _rule(_NETWORKING, "ingresses", "get list watch"),
    _rule(_NETWORKING, "ingresses/status", "update"),
    _rule(_NETWORKING, "ingressclasses", "get list watch"),
    _rule("coordination.k8s.io", "leases", "get update", _LEADER),
    _rule("coordination.k8s.io", "leases", "create"),
    _rule("", "events", "create patch"),
    _rule("discovery.k8s.io", "endpointslices", "list watch get"),
]


def _metadata(name: str) -> Object:
    return {"name": name, "namespace": NAMESPACE, "labels": dict(_LABELS)}


def _class() -> Object:
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "IngressClass",
        "metadata": {"name": "nginx", "labels": dict(_LABELS)},
        "spec": {"controller": "k8s.io/ingress-nginx"},
    }


def _service() -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": _metadata(_NAME),
        "spec": {
            "type": "LoadBalancer",
            "externalTrafficPolicy": "Local",
            "selector": dict(_SELECTED),
            "ports": [
                {"name": "http", "port": 80, "targetPort": "http", "appProtocol": "http"},
                {"name": "https", "port": 443, "targetPort": "https", "appProtocol": "https"},
            ],
        },
    }


def _deployment() -> Object:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": _metadata(_NAME),
        "spec": {
            "replicas": 1,
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1}},
            "minReadySeconds": 0,
            "selector": {"matchLabels": dict(_SELECTED)},
            "template": {"metadata": {"labels": dict(_LABELS)}, "spec": _pod_spec()},
        },
    }


def _pod_spec() -> Object:
    return {
        "serviceAccountName": _ACCOUNT,
        "nodeSelector": {"kubernetes.io/os": "linux"},
        "affinity": not_hollow(),
        "dnsPolicy": "ClusterFirst",
        "terminationGracePeriodSeconds": 300,
        "containers": [_container()],
    }


def _container() -> Object:
    return {
        "name": "controller",
        "image": _IMAGE,
        "imagePullPolicy": "IfNotPresent",
        "args": [
            "/nginx-ingress-controller",
            f"--publish-service={NAMESPACE}/{_NAME}",
            "--controller-class=k8s.io/ingress-nginx",
            "--ingress-class=nginx",
        ],
        "resources": {"requests": {"cpu": "100m", "memory": "90Mi"}},
        "ports": [
            {"name": "http", "containerPort": 80, "protocol": "TCP"},
            {"name": "https", "containerPort": 443, "protocol": "TCP"},
        ],
        "livenessProbe": {**_probe(), "initialDelaySeconds": 10, "failureThreshold": 5},
        # Upstream's come after 10 s and every 10 s: one that comes too early costs a whole period.
        "readinessProbe": {**_probe(), "initialDelaySeconds": 1, "periodSeconds": 1},
    }


def _probe() -> Object:
    return {
        "httpGet": {"path": "/healthz", "port": _STATUS_PORT, "scheme": "HTTP"},
        "periodSeconds": 10,
        "timeoutSeconds": 1,
        "successThreshold": 1,
    }
