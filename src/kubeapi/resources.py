"""Names of the API's resources: group, version, plural and kind (upstream: GroupVersionResource).

A `Resource` knows its URL paths and nothing else. What the API server does with each stands in
`controlplane.apiserver.kinds`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final


@dataclass(frozen=True, slots=True)
class Resource:
    """One resource of the API."""

    group: str  # "" is the core group
    version: str
    plural: str
    kind: str
    namespaced: bool
    #: Of a CustomResourceDefinition: it lies elsewhere in the store, and is the same resource.
    custom: bool = field(default=False, compare=False)
    #: What lists are called where that is not KINDList.
    list_name: str = field(default="", compare=False)

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def qualified(self) -> str:
        """Return `deployments.apps`, or `pods` for the core group, as messages name it."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def list_kind(self) -> str:
        return self.list_name or f"{self.kind}List"

    def path(self, namespace: str | None = None, name: str = "", subresource: str = "") -> str:
        """Return the URL path; without *name* the collection's, without *namespace* all of it."""
        parts = ["/apis", self.group, self.version] if self.group else ["/api", self.version]
        if namespace:
            assert self.namespaced, f"{self.plural} are in no namespace"
            parts += ["namespaces", namespace]
        parts += [part for part in (self.plural, name, subresource) if part]
        return "/".join(parts)


NAMESPACES: Final = Resource("", "v1", "namespaces", "Namespace", False)
NODES: Final = Resource("", "v1", "nodes", "Node", False)
PODS: Final = Resource("", "v1", "pods", "Pod", True)
SERVICES: Final = Resource("", "v1", "services", "Service", True)
CONFIGMAPS: Final = Resource("", "v1", "configmaps", "ConfigMap", True)
SECRETS: Final = Resource("", "v1", "secrets", "Secret", True)
SERVICEACCOUNTS: Final = Resource("", "v1", "serviceaccounts", "ServiceAccount", True)
EVENTS: Final = Resource("", "v1", "events", "Event", True)
#: Another version of EVENTS: the same objects.
EVENTS_V1: Final = Resource("events.k8s.io", "v1", "events", "Event", True)
ENDPOINTS: Final = Resource("", "v1", "endpoints", "Endpoints", True)
ENDPOINTSLICES: Final = Resource("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice", True)
NETWORKPOLICIES: Final = Resource(
    "networking.k8s.io", "v1", "networkpolicies", "NetworkPolicy", True
)
INGRESSES: Final = Resource("networking.k8s.io", "v1", "ingresses", "Ingress", True)
INGRESSCLASSES: Final = Resource("networking.k8s.io", "v1", "ingressclasses", "IngressClass", False)
_POLICY: Final = "policy.networking.k8s.io"
ADMINNETWORKPOLICIES: Final = Resource(
    _POLICY, "v1alpha1", "adminnetworkpolicies", "AdminNetworkPolicy", False
)
BASELINEADMINNETWORKPOLICIES: Final = Resource(
    _POLICY, "v1alpha1", "baselineadminnetworkpolicies", "BaselineAdminNetworkPolicy", False
)
CLUSTERNETWORKPOLICIES: Final = Resource(
    _POLICY, "v1alpha2", "clusternetworkpolicies", "ClusterNetworkPolicy", False
)
PODDISRUPTIONBUDGETS: Final = Resource(
    "policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget", True
)
LEASES: Final = Resource("coordination.k8s.io", "v1", "leases", "Lease", True)
DEPLOYMENTS: Final = Resource("apps", "v1", "deployments", "Deployment", True)
REPLICASETS: Final = Resource("apps", "v1", "replicasets", "ReplicaSet", True)
RESOURCEQUOTAS: Final = Resource("", "v1", "resourcequotas", "ResourceQuota", True)
LIMITRANGES: Final = Resource("", "v1", "limitranges", "LimitRange", True)
FLOWSCHEMAS: Final = Resource(
    "flowcontrol.apiserver.k8s.io", "v1", "flowschemas", "FlowSchema", False
)
PRIORITYLEVELCONFIGURATIONS: Final = Resource(
    "flowcontrol.apiserver.k8s.io",
    "v1",
    "prioritylevelconfigurations",
    "PriorityLevelConfiguration",
    False,
)
PRIORITYCLASSES: Final = Resource(
    "scheduling.k8s.io", "v1", "priorityclasses", "PriorityClass", False
)
CERTIFICATESIGNINGREQUESTS: Final = Resource(
    "certificates.k8s.io", "v1", "certificatesigningrequests", "CertificateSigningRequest", False
)
_RBAC: Final = "rbac.authorization.k8s.io"
ROLES: Final = Resource(_RBAC, "v1", "roles", "Role", True)
ROLEBINDINGS: Final = Resource(_RBAC, "v1", "rolebindings", "RoleBinding", True)
CLUSTERROLES: Final = Resource(_RBAC, "v1", "clusterroles", "ClusterRole", False)
CLUSTERROLEBINDINGS: Final = Resource(
    _RBAC, "v1", "clusterrolebindings", "ClusterRoleBinding", False
)
#: Created and never stored: it binds a pod.
BINDINGS: Final = Resource("", "v1", "bindings", "Binding", True)
#: What is posted or put to subresources; there are no collections of these.
EVICTIONS: Final = Resource("policy", "v1", "evictions", "Eviction", True)
SCALES: Final = Resource("autoscaling", "v1", "scales", "Scale", True)
TOKENREQUESTS: Final = Resource(
    "authentication.k8s.io", "v1", "tokenrequests", "TokenRequest", True
)
#: Read, and never stored.
COMPONENTSTATUSES: Final = Resource("", "v1", "componentstatuses", "ComponentStatus", False)
_AUTHENTICATION: Final = "authentication.k8s.io"
TOKENREVIEWS: Final = Resource(_AUTHENTICATION, "v1", "tokenreviews", "TokenReview", False)
SELFSUBJECTREVIEWS: Final = Resource(
    _AUTHENTICATION, "v1", "selfsubjectreviews", "SelfSubjectReview", False
)
_AUTHORIZATION: Final = "authorization.k8s.io"
SUBJECTACCESSREVIEWS: Final = Resource(
    _AUTHORIZATION, "v1", "subjectaccessreviews", "SubjectAccessReview", False
)
LOCALSUBJECTACCESSREVIEWS: Final = Resource(
    _AUTHORIZATION, "v1", "localsubjectaccessreviews", "LocalSubjectAccessReview", True
)
SELFSUBJECTACCESSREVIEWS: Final = Resource(
    _AUTHORIZATION, "v1", "selfsubjectaccessreviews", "SelfSubjectAccessReview", False
)
SELFSUBJECTRULESREVIEWS: Final = Resource(
    _AUTHORIZATION, "v1", "selfsubjectrulesreviews", "SelfSubjectRulesReview", False
)
DAEMONSETS: Final = Resource("apps", "v1", "daemonsets", "DaemonSet", True)
STATEFULSETS: Final = Resource("apps", "v1", "statefulsets", "StatefulSet", True)
CONTROLLERREVISIONS: Final = Resource(
    "apps", "v1", "controllerrevisions", "ControllerRevision", True
)
REPLICATIONCONTROLLERS: Final = Resource(
    "", "v1", "replicationcontrollers", "ReplicationController", True
)
PODTEMPLATES: Final = Resource("", "v1", "podtemplates", "PodTemplate", True)
JOBS: Final = Resource("batch", "v1", "jobs", "Job", True)
CRONJOBS: Final = Resource("batch", "v1", "cronjobs", "CronJob", True)
HORIZONTALPODAUTOSCALERS: Final = Resource(
    "autoscaling", "v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler", True
)
#: An older version of HORIZONTALPODAUTOSCALERS: the same objects.
HORIZONTALPODAUTOSCALERS_V1: Final = Resource(
    "autoscaling", "v1", "horizontalpodautoscalers", "HorizontalPodAutoscaler", True
)
PERSISTENTVOLUMES: Final = Resource("", "v1", "persistentvolumes", "PersistentVolume", False)
PERSISTENTVOLUMECLAIMS: Final = Resource(
    "", "v1", "persistentvolumeclaims", "PersistentVolumeClaim", True
)
_STORAGE: Final = "storage.k8s.io"
STORAGECLASSES: Final = Resource(_STORAGE, "v1", "storageclasses", "StorageClass", False)
VOLUMEATTACHMENTS: Final = Resource(_STORAGE, "v1", "volumeattachments", "VolumeAttachment", False)
CSIDRIVERS: Final = Resource(_STORAGE, "v1", "csidrivers", "CSIDriver", False)
CSINODES: Final = Resource(_STORAGE, "v1", "csinodes", "CSINode", False)
CSISTORAGECAPACITIES: Final = Resource(
    _STORAGE, "v1", "csistoragecapacities", "CSIStorageCapacity", True
)
RUNTIMECLASSES: Final = Resource("node.k8s.io", "v1", "runtimeclasses", "RuntimeClass", False)
SERVICECIDRS: Final = Resource("networking.k8s.io", "v1", "servicecidrs", "ServiceCIDR", False)
IPADDRESSES: Final = Resource("networking.k8s.io", "v1", "ipaddresses", "IPAddress", False)
#: Older versions of the two: the same objects.
SERVICECIDRS_V1BETA1: Final = Resource(
    "networking.k8s.io", "v1beta1", "servicecidrs", "ServiceCIDR", False
)
IPADDRESSES_V1BETA1: Final = Resource(
    "networking.k8s.io", "v1beta1", "ipaddresses", "IPAddress", False
)
NODEMETRICS: Final = Resource("metrics.k8s.io", "v1beta1", "nodes", "NodeMetrics", False)
PODMETRICS: Final = Resource("metrics.k8s.io", "v1beta1", "pods", "PodMetrics", True)
APISERVICES: Final = Resource("apiregistration.k8s.io", "v1", "apiservices", "APIService", False)
_ADMISSION: Final = "admissionregistration.k8s.io"
MUTATINGWEBHOOKCONFIGURATIONS: Final = Resource(
    _ADMISSION, "v1", "mutatingwebhookconfigurations", "MutatingWebhookConfiguration", False
)
VALIDATINGWEBHOOKCONFIGURATIONS: Final = Resource(
    _ADMISSION, "v1", "validatingwebhookconfigurations", "ValidatingWebhookConfiguration", False
)
VALIDATINGADMISSIONPOLICIES: Final = Resource(
    _ADMISSION, "v1", "validatingadmissionpolicies", "ValidatingAdmissionPolicy", False
)
VALIDATINGADMISSIONPOLICYBINDINGS: Final = Resource(
    *(_ADMISSION, "v1", "validatingadmissionpolicybindings", "ValidatingAdmissionPolicyBinding"),
    False,
)

CUSTOMRESOURCEDEFINITIONS: Final = Resource(
    "apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition", False
)

#: Every resource that this cluster serves, in the version that it stores.
ALL: Final = (
    NAMESPACES,
    NODES,
    PODS,
    SERVICES,
    CONFIGMAPS,
    SECRETS,
    SERVICEACCOUNTS,
    EVENTS,
    ENDPOINTS,
    ENDPOINTSLICES,
    NETWORKPOLICIES,
    INGRESSES,
    INGRESSCLASSES,
    ADMINNETWORKPOLICIES,
    BASELINEADMINNETWORKPOLICIES,
    CLUSTERNETWORKPOLICIES,
    PODDISRUPTIONBUDGETS,
    LEASES,
    DEPLOYMENTS,
    REPLICASETS,
    DAEMONSETS,
    STATEFULSETS,
    CONTROLLERREVISIONS,
    REPLICATIONCONTROLLERS,
    PODTEMPLATES,
    JOBS,
    CRONJOBS,
    HORIZONTALPODAUTOSCALERS,
    PERSISTENTVOLUMES,
    PERSISTENTVOLUMECLAIMS,
    STORAGECLASSES,
    VOLUMEATTACHMENTS,
    CSIDRIVERS,
    CSINODES,
    CSISTORAGECAPACITIES,
    RUNTIMECLASSES,
    SERVICECIDRS,
    IPADDRESSES,
    APISERVICES,
    RESOURCEQUOTAS,
    LIMITRANGES,
    PRIORITYCLASSES,
    FLOWSCHEMAS,
    PRIORITYLEVELCONFIGURATIONS,
    CERTIFICATESIGNINGREQUESTS,
    ROLES,
    ROLEBINDINGS,
    CLUSTERROLES,
    CLUSTERROLEBINDINGS,
    MUTATINGWEBHOOKCONFIGURATIONS,
    VALIDATINGWEBHOOKCONFIGURATIONS,
    VALIDATINGADMISSIONPOLICIES,
    VALIDATINGADMISSIONPOLICYBINDINGS,
    CUSTOMRESOURCEDEFINITIONS,
)
