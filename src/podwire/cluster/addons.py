"""What a cluster has besides itself: who may read metrics (metrics-server's manifest), its DNS, as
kubeadm's addon phase makes it, and on request an ingress controller (`ingress`).

The API server makes these objects where they are missing and then leaves them alone (upstream's
addon manager calls that EnsureExists), so that a person may change them.
"""

from __future__ import annotations

from typing import Any, Final

from podwire.cluster import ingress, outside, rbac
from podwire.cluster.layout import Cluster
from podwire.cluster.placement import not_hollow

Object = dict[str, Any]

_NAMESPACE: Final = "kube-system"
_NAME: Final = "coredns"
_LABELS: Final = {"k8s-app": "kube-dns"}
_IMAGE: Final = "registry.k8s.io/coredns/coredns:v1.11.3"
_METRICS_PORT: Final = 9153
_COREFILE: Final = """\
.:53 {{
    errors
    health {{
       lameduck 5s
    }}
    ready
    kubernetes {domain} in-addr.arpa ip6.arpa {{
       pods insecure
       fallthrough in-addr.arpa ip6.arpa
    }}
    prometheus :9153
{forward}    cache 30
    loop
    reload
    loadbalance
}}
"""
_FORWARD: Final = """\
    forward . /etc/resolv.conf {
       max_concurrent 1000
    }
"""


def objects(cluster: Cluster) -> list[Object]:
    """Return the objects of metrics, DNS, ingress controller and storage, as it has them."""
    made: list[Object] = [_metrics_reader()]
    if cluster.dns_replicas:
        made += [_account(), *_role(), _config_map(cluster), _deployment(cluster)]
        made.append(_service(cluster))
    if cluster.ingress:
        made += ingress.objects()
    return [*made, _storage_class()]


def _storage_class() -> Object:
    """Return the default class: directories of the node where a claim's first pod runs."""
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {
            "name": "standard",
            "annotations": {"storageclass.kubernetes.io/is-default-class": "true"},
        },
        "provisioner": "podwire.io/local-path",
        "reclaimPolicy": "Delete",
        "volumeBindingMode": "WaitForFirstConsumer",
    }


def _metadata(name: str, **more: Any) -> Object:
    return {"name": name, "namespace": _NAMESPACE, **more}


def _metrics_reader() -> Object:
    """Return who may look at what is used: everybody who may view (metrics-server's manifest)."""
    group = "rbac.authorization.k8s.io"
    labels = {f"{group}/aggregate-to-{role}": "true" for role in ("admin", "edit", "view")}
    rule = {"resources": ["pods", "nodes"], "verbs": ["get", "list", "watch"]}
    metadata = {"name": "system:aggregated-metrics-reader", "labels": labels}
    return rbac.role("ClusterRole", metadata, [{"apiGroups": ["metrics.k8s.io"], **rule}])


def _account() -> Object:
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": _metadata(_NAME)}


def _role() -> list[Object]:
    """Return what CoreDNS may do, and that it may (CoreDNS' own deployment for kubeadm)."""
    rules: list[Object] = [
        {
            "apiGroups": [""],
            "resources": ["endpoints", "services", "pods", "namespaces"],
            "verbs": ["list", "watch"],
        },
        {"apiGroups": [""], "resources": ["nodes"], "verbs": ["get"]},
        {
            "apiGroups": ["discovery.k8s.io"],
            "resources": ["endpointslices"],
            "verbs": ["list", "watch"],
        },
    ]
    name = f"system:{_NAME}"
    return [
        rbac.role("ClusterRole", {"name": name}, rules),
        rbac.binding("ClusterRole", {"name": name}, (_NAMESPACE, _NAME)),
    ]


def corefile(cluster: Cluster) -> str:
    """Return kubeadm's Corefile; it forwards only where the user has named a resolver."""
    forward = _FORWARD if cluster.dns_upstream else ""
    text = _COREFILE.format(domain=cluster.cluster_domain, forward=forward)
    return outside.rewritten(text, cluster.outside, cluster.families)


def _config_map(cluster: Cluster) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": _metadata(_NAME),
        "data": {"Corefile": corefile(cluster)},
    }


def _service(cluster: Cluster) -> Object:
    labels = {
        **_LABELS,
        "kubernetes.io/cluster-service": "true",
        "kubernetes.io/name": "CoreDNS",
    }
    scraped = {"prometheus.io/port": str(_METRICS_PORT), "prometheus.io/scrape": "true"}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": _metadata("kube-dns", labels=labels, annotations=scraped),
        "spec": {
            "selector": dict(_LABELS),
            "clusterIP": cluster.cluster_dns,
            "ports": [
                {"name": "dns", "port": 53, "protocol": "UDP", "targetPort": 53},
                {"name": "dns-tcp", "port": 53, "protocol": "TCP", "targetPort": 53},
                {"name": "metrics", "port": _METRICS_PORT, "protocol": "TCP", "targetPort": 9153},
            ],
        },
    }


def _deployment(cluster: Cluster) -> Object:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": _metadata(_NAME, labels=dict(_LABELS)),
        "spec": {
            "replicas": cluster.dns_replicas,
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1}},
            "selector": {"matchLabels": dict(_LABELS)},
            "template": {"metadata": {"labels": dict(_LABELS)}, "spec": _pod_spec()},
        },
    }


def _pod_spec() -> Object:
    return {
        "priorityClassName": "system-cluster-critical",
        "serviceAccountName": _NAME,
        "nodeSelector": {"kubernetes.io/os": "linux"},
        "affinity": not_hollow(),
        "tolerations": [
            {"key": "CriticalAddonsOnly", "operator": "Exists"},
            {"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"},
        ],
        "dnsPolicy": "Default",
        "containers": [_container()],
        "volumes": [
            {
                "name": "config-volume",
                "configMap": {"name": _NAME, "items": [{"key": "Corefile", "path": "Corefile"}]},
            }
        ],
    }


def _container() -> Object:
    return {
        "name": _NAME,
        "image": _IMAGE,
        "imagePullPolicy": "IfNotPresent",
        "args": ["-conf", "/etc/coredns/Corefile"],
        "resources": {
            "limits": {"memory": "170Mi"},
            "requests": {"cpu": "100m", "memory": "70Mi"},
        },
        "volumeMounts": [{"name": "config-volume", "mountPath": "/etc/coredns", "readOnly": True}],
        "ports": [
            {"containerPort": 53, "name": "dns", "protocol": "UDP"},
            {"containerPort": 53, "name": "dns-tcp", "protocol": "TCP"},
            {"containerPort": _METRICS_PORT, "name": "metrics", "protocol": "TCP"},
        ],
        "livenessProbe": {
            "httpGet": {"path": "/health", "port": 8080, "scheme": "HTTP"},
            "initialDelaySeconds": 60,
            "timeoutSeconds": 5,
            "successThreshold": 1,
            "failureThreshold": 5,
        },
        # kubeadm's has no delay, and so is late by a whole period: the first one comes too early.
        "readinessProbe": {
            "httpGet": {"path": "/ready", "port": 8181, "scheme": "HTTP"},
            "initialDelaySeconds": 1,
        },
    }
