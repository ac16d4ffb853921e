"""Every kind that the API server knows, as rows of one table.

`kinds(timings, families)` makes the table: the pods' row depends on the timings (how long a pod
tolerates a lost node), the Services' on the cluster's address families.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from controlplane.apiserver.kinds.adminnetworkpolicy import (
    ADMINNETWORKPOLICY,
    BASELINEADMINNETWORKPOLICY,
)
from controlplane.apiserver.kinds.admissionregistration.policies import (
    VALIDATINGADMISSIONPOLICY,
)
from controlplane.apiserver.kinds.admissionregistration.policy_bindings import (
    VALIDATINGADMISSIONPOLICYBINDING,
)
from controlplane.apiserver.kinds.admissionregistration.webhooks import (
    MUTATINGWEBHOOKCONFIGURATION,
    VALIDATINGWEBHOOKCONFIGURATION,
)
from controlplane.apiserver.kinds.apiservice import APISERVICE
from controlplane.apiserver.kinds.autoscaling.horizontalpodautoscaler import (
    HORIZONTALPODAUTOSCALER,
)
from controlplane.apiserver.kinds.autoscaling.v1 import HORIZONTALPODAUTOSCALER_V1
from controlplane.apiserver.kinds.batch.cronjob import CRONJOB
from controlplane.apiserver.kinds.batch.job import JOB
from controlplane.apiserver.kinds.binding import BINDING
from controlplane.apiserver.kinds.certificates.request import CERTIFICATESIGNINGREQUEST
from controlplane.apiserver.kinds.clusternetworkpolicy import CLUSTERNETWORKPOLICY
from controlplane.apiserver.kinds.componentstatus import COMPONENTSTATUS
from controlplane.apiserver.kinds.configmap import CONFIGMAP
from controlplane.apiserver.kinds.controllerrevision import CONTROLLERREVISION
from controlplane.apiserver.kinds.customresourcedefinition.kind import CUSTOMRESOURCEDEFINITION
from controlplane.apiserver.kinds.daemonset import DAEMONSET
from controlplane.apiserver.kinds.deployment import DEPLOYMENT
from controlplane.apiserver.kinds.endpoints import ENDPOINTS
from controlplane.apiserver.kinds.endpointslice import ENDPOINTSLICE
from controlplane.apiserver.kinds.event import EVENT
from controlplane.apiserver.kinds.event_v1 import EVENT_V1
from controlplane.apiserver.kinds.flowcontrol.flowschema import FLOWSCHEMA
from controlplane.apiserver.kinds.flowcontrol.prioritylevel import PRIORITYLEVELCONFIGURATION
from controlplane.apiserver.kinds.ingress import INGRESS
from controlplane.apiserver.kinds.ingressclass import INGRESSCLASS
from controlplane.apiserver.kinds.ipaddress import IPADDRESS, IPADDRESS_V1BETA1
from controlplane.apiserver.kinds.kind import Kind
from controlplane.apiserver.kinds.lease import LEASE
from controlplane.apiserver.kinds.limitrange import LIMITRANGE
from controlplane.apiserver.kinds.namespace import NAMESPACE
from controlplane.apiserver.kinds.networkpolicy import NETWORKPOLICY
from controlplane.apiserver.kinds.node import NODE
from controlplane.apiserver.kinds.pod.kind import POD
from controlplane.apiserver.kinds.poddisruptionbudget import PODDISRUPTIONBUDGET
from controlplane.apiserver.kinds.podtemplate import PODTEMPLATE
from controlplane.apiserver.kinds.priorityclass import PRIORITYCLASS
from controlplane.apiserver.kinds.rbac.binding import CLUSTERROLEBINDING, ROLEBINDING
from controlplane.apiserver.kinds.rbac.role import CLUSTERROLE, ROLE
from controlplane.apiserver.kinds.replicaset import REPLICASET
from controlplane.apiserver.kinds.replicationcontroller import REPLICATIONCONTROLLER
from controlplane.apiserver.kinds.resource_metrics import NODE_METRICS, POD_METRICS
from controlplane.apiserver.kinds.resourcequota import RESOURCEQUOTA
from controlplane.apiserver.kinds.reviews import REVIEWS
from controlplane.apiserver.kinds.runtimeclass import RUNTIMECLASS
from controlplane.apiserver.kinds.secret import SECRET
from controlplane.apiserver.kinds.service.kind import service_kind
from controlplane.apiserver.kinds.serviceaccount import SERVICEACCOUNT
from controlplane.apiserver.kinds.servicecidr import SERVICECIDR, SERVICECIDR_V1BETA1
from controlplane.apiserver.kinds.statefulset import STATEFULSET
from controlplane.apiserver.kinds.storage.csi import CSIDRIVER, CSINODE, CSISTORAGECAPACITY
from controlplane.apiserver.kinds.storage.persistentvolume import PERSISTENTVOLUME
from controlplane.apiserver.kinds.storage.persistentvolumeclaim import PERSISTENTVOLUMECLAIM
from controlplane.apiserver.kinds.storage.storageclass import STORAGECLASS
from controlplane.apiserver.kinds.storage.volumeattachment import VOLUMEATTACHMENT


def kinds(families: Sequence[str] = ("IPv4",)) -> tuple[Kind, ...]:
    """Return the table for a cluster that has *families*, one foremost."""
    return (
        NAMESPACE,
        NODE,
        POD,
        service_kind(families),
        CONFIGMAP,
        SECRET,
        SERVICEACCOUNT,
        EVENT,
        EVENT_V1,
        ENDPOINTS,
        ENDPOINTSLICE,
        NETWORKPOLICY,
        INGRESS,
        INGRESSCLASS,
        ADMINNETWORKPOLICY,
        BASELINEADMINNETWORKPOLICY,
        CLUSTERNETWORKPOLICY,
        PODDISRUPTIONBUDGET,
        LEASE,
        DEPLOYMENT,
        REPLICASET,
        DAEMONSET,
        STATEFULSET,
        CONTROLLERREVISION,
        REPLICATIONCONTROLLER,
        PODTEMPLATE,
        JOB,
        CRONJOB,
        HORIZONTALPODAUTOSCALER,
        HORIZONTALPODAUTOSCALER_V1,
        PERSISTENTVOLUME,
        PERSISTENTVOLUMECLAIM,
        STORAGECLASS,
        VOLUMEATTACHMENT,
        CSIDRIVER,
        CSINODE,
        CSISTORAGECAPACITY,
        RUNTIMECLASS,
        SERVICECIDR,
        SERVICECIDR_V1BETA1,
        IPADDRESS,
        IPADDRESS_V1BETA1,
        APISERVICE,
        RESOURCEQUOTA,
        LIMITRANGE,
        PRIORITYCLASS,
        FLOWSCHEMA,
        PRIORITYLEVELCONFIGURATION,
        CERTIFICATESIGNINGREQUEST,
        ROLE,
        ROLEBINDING,
        CLUSTERROLE,
        CLUSTERROLEBINDING,
        MUTATINGWEBHOOKCONFIGURATION,
        VALIDATINGWEBHOOKCONFIGURATION,
        VALIDATINGADMISSIONPOLICY,
        VALIDATINGADMISSIONPOLICYBINDING,
        BINDING,
        COMPONENTSTATUS,
        NODE_METRICS,
        POD_METRICS,
        *REVIEWS,
        CUSTOMRESOURCEDEFINITION,
    )


KINDS: Final = kinds()
