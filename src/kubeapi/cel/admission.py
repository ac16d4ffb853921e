"""The types of what admission's expressions may look at (apiserver: admission/plugin/cel).

`object`, `oldObject` and `params` are of any type there, but where a policy's expressions are
checked against the kinds that it matches.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from kubeapi.cel.functions.authorizer import Authorizer, ResourceCheck
from kubeapi.cel.types import BOOL, DYN, INT, STRING, TIMESTAMP, Type, list_of, map_of


def _structure(type_name: str, /, **fields: Type) -> Type:
    return Type(type_name, fields=fields)


_TEXTS: Final = map_of(STRING, STRING)
_KIND: Final = _structure("kubernetes.GroupVersionKind", group=STRING, version=STRING, kind=STRING)
_RESOURCE: Final = _structure(
    "kubernetes.GroupVersionResource", group=STRING, version=STRING, resource=STRING
)
_USER: Final = _structure(
    "kubernetes.UserInfo",
    username=STRING,
    uid=STRING,
    groups=list_of(STRING),
    extra=map_of(STRING, list_of(STRING)),
)
_REQUEST: Final = _structure(
    "kubernetes.AdmissionRequest",
    kind=_KIND,
    resource=_RESOURCE,
    subResource=STRING,
    requestKind=_KIND,
    requestResource=_RESOURCE,
    requestSubResource=STRING,
    name=STRING,
    namespace=STRING,
    operation=STRING,
    userInfo=_USER,
    dryRun=BOOL,
    options=DYN,
)
_NAMESPACE: Final = _structure(
    "kubernetes.Namespace",
    metadata=_structure(
        "kubernetes.NamespaceMetadata",
        name=STRING,
        generateName=STRING,
        namespace=STRING,
        labels=_TEXTS,
        annotations=_TEXTS,
        UID=STRING,
        creationTimestamp=TIMESTAMP,
        deletionGracePeriodSeconds=INT,
        deletionTimestamp=TIMESTAMP,
        generation=INT,
        resourceVersion=STRING,
        finalizers=list_of(STRING),
    ),
    spec=_structure("kubernetes.NamespaceSpec", finalizers=list_of(STRING)),
    status=_structure("kubernetes.NamespaceStatus", phase=STRING),
)
AUTHORIZER: Final = _structure(Authorizer.TYPE, requestResource=Type(ResourceCheck.TYPE))
#: What every expression may look at, besides the objects.
SURROUNDINGS: Final[Mapping[str, Type]] = {"request": _REQUEST, "namespaceObject": _NAMESPACE}
