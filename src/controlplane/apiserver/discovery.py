"""What the server has, as clients ask before anything else (upstream: endpoints/discovery).

Two shapes of the same: aggregated (one document for all groups; kubectl since 1.26) and the
older one document per group and version. Both are made once, from the table of kinds.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from controlplane.apiserver import priorities
from controlplane.apiserver.kinds.kind import Kind
from controlplane.apiserver.subresources import Subresource, subresources_of
from kubeapi.objects import Object
from kubeapi.resources import APISERVICES, NAMESPACES, Resource

#: Groups whose resources are named after metrics, and their versions; no kind stands for them.
METRICS: Final[Mapping[str, Sequence[str]]] = {
    "custom.metrics.k8s.io": ("v1beta2", "v1beta1"),
    "external.metrics.k8s.io": ("v1beta1",),
}
_VERBS: Final = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")


def verbs_of(kind: Kind) -> list[str]:
    """Return the verbs of *kind*; namespaces go one by one."""
    if kind.resource == NAMESPACES:
        return [verb for verb in _VERBS if verb != "deletecollection"]
    return list(kind.verbs if kind.virtual else _VERBS)


def by_group(kinds: Iterable[Kind]) -> dict[str, dict[str, list[Kind]]]:
    """Return group → version → kinds, the core group ("") among them."""
    groups: dict[str, dict[str, list[Kind]]] = {}
    for kind in kinds:
        versions = groups.setdefault(kind.resource.group, {})
        versions.setdefault(kind.resource.version, []).append(kind)
    for group, versions in groups.items():
        if any(kind.is_custom for kinds in versions.values() for kind in kinds):
            groups[group] = {name: versions[name] for name in sorted(versions, key=_priority)}
    return {group: groups[group] for group in sorted(groups, key=_group_order)}


def with_metrics(groups: Mapping[str, dict[str, list[Kind]]]) -> dict[str, dict[str, list[Kind]]]:
    """Return *groups* and those of metrics, which have no kinds."""
    shown = dict(groups)
    for group, versions in METRICS.items():
        shown[group] = {version: [] for version in versions}
    return {group: shown[group] for group in sorted(shown, key=_group_order)}


def metric_resource_list(group: str, version: str, names: Iterable[str]) -> Object:
    """Return the unaggregated document of a group of metrics: what is known now."""
    of_pods = not group.startswith("external.")
    kind = "MetricValueList" if of_pods else "ExternalMetricValueList"
    shown = {"singularName": "", "namespaced": True, "kind": kind, "verbs": ["get"]}
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": f"{group}/{version}",
        "resources": [{"name": f"pods/{name}" if of_pods else name, **shown} for name in names],
    }


def _group_order(group: str) -> tuple[bool, int, str]:
    """Order groups as upstream's aggregator lists them: its own, then by priority."""
    return group != APISERVICES.group, -priorities.of_group(group), group


_VERSION: Final = re.compile(r"v([1-9][0-9]*)(?:(alpha|beta)([1-9][0-9]*))?")
_STAGES: Final = {None: 0, "beta": 1, "alpha": 2}


def _priority(version: str) -> tuple[int, int, int, str]:
    """Order versions as clients prefer them: v2, v1, v1beta2, v1alpha1, then anything else."""
    found = _VERSION.fullmatch(version)
    if found is None:
        return len(_STAGES), 0, 0, version
    return _STAGES[found[2]], -int(found[1]), -int(found[3] or 0), version


def aggregated(groups: Mapping[str, Mapping[str, Sequence[Kind]]], version: str) -> Object:
    """Return apidiscovery.k8s.io's APIGroupDiscoveryList in *version*."""
    return {
        "kind": "APIGroupDiscoveryList",
        "apiVersion": f"apidiscovery.k8s.io/{version}",
        "metadata": {},
        "items": [
            {
                "metadata": {"name": group, "creationTimestamp": None} if group else {},
                "versions": [
                    {
                        "version": served,
                        "resources": [_aggregated_resource(kind) for kind in _sorted(kinds)],
                        "freshness": "Current",
                    }
                    for served, kinds in versions.items()
                ],
            }
            for group, versions in groups.items()
        ],
    }


def _sorted(kinds: Sequence[Kind]) -> list[Kind]:
    return sorted(kinds, key=lambda kind: kind.resource.plural)


def _gvk(group: str, version: str, kind: str) -> Object:
    return {"group": group, "version": version, "kind": kind}


def _aggregated_resource(kind: Kind) -> Object:
    resource = kind.resource
    shown: Object = {
        "resource": resource.plural,
        "responseKind": _gvk(resource.group, resource.version, resource.kind),
        "scope": "Namespaced" if resource.namespaced else "Cluster",
        "singularResource": kind.singular,
        "verbs": verbs_of(kind),
    }
    if kind.short_names:
        shown["shortNames"] = list(kind.short_names)
    if kind.categories:
        shown["categories"] = list(kind.categories)
    below = [
        {
            "subresource": item.name,
            "responseKind": _gvk(item.group, item.version, item.kind),
            "verbs": list(item.verbs),
        }
        for item in subresources_of(kind)
    ]
    return {**shown, "subresources": below} if below else shown


def api_versions(address: str, port: int) -> Object:
    """Return the unaggregated /api."""
    shown = f"[{address}]" if ":" in address else address
    return {
        "kind": "APIVersions",
        "versions": ["v1"],
        "serverAddressByClientCIDRs": [
            {"clientCIDR": "0.0.0.0/0", "serverAddress": f"{shown}:{port}"}
        ],
    }


def api_group(group: str, versions: Iterable[str]) -> Object:
    """Return the unaggregated /apis/GROUP."""
    served = [{"groupVersion": f"{group}/{version}", "version": version} for version in versions]
    return {
        "kind": "APIGroup",
        "apiVersion": "v1",
        "name": group,
        "versions": served,
        "preferredVersion": served[0],
    }


def api_group_list(groups: Mapping[str, Iterable[str]]) -> Object:
    """Return the unaggregated /apis."""
    shown = [api_group(group, versions) for group, versions in groups.items() if group]
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": shown}


def api_resource_list(group: str, version: str, kinds: Sequence[Kind]) -> Object:
    """Return the unaggregated /api/v1 or /apis/GROUP/VERSION."""
    resources: list[Object] = []
    for kind in _sorted(kinds):
        resources.append(_resource(kind))
        resources += [_subresource(kind, item) for item in subresources_of(kind)]
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": f"{group}/{version}" if group else version,
        "resources": resources,
    }


def _resource(kind: Kind) -> Object:
    resource = kind.resource
    shown: Object = {
        "name": resource.plural,
        "singularName": kind.singular,
        "namespaced": resource.namespaced,
        "kind": resource.kind,
        "verbs": verbs_of(kind),
    }
    if kind.short_names:
        shown["shortNames"] = list(kind.short_names)
    if kind.categories:
        shown["categories"] = list(kind.categories)
    if not kind.virtual:
        shown["storageVersionHash"] = _storage_version_hash(kind.stored.resource)
    return shown


def _storage_version_hash(stored: Resource) -> str:
    """Return upstream's name for the version that objects are stored in."""
    named = f"{stored.group}/{stored.version}/{stored.kind}"
    return base64.b64encode(hashlib.sha256(named.encode()).digest()[:8]).decode()


def _subresource(kind: Kind, item: Subresource) -> Object:
    shown: Object = {
        "name": f"{kind.resource.plural}/{item.name}",
        "singularName": "",
        "namespaced": kind.resource.namespaced,
        "kind": item.kind,
        "verbs": list(item.verbs),
    }
    if (item.group, item.version) != (kind.resource.group, kind.resource.version):
        shown |= {"group": item.group, "version": item.version}
    return shown
