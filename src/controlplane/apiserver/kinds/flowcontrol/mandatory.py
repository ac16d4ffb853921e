"""The objects that every cluster has (upstream: apis/flowcontrol/bootstrap/default.go, 1.32).

Mandatory ones have a spec that nobody may change; suggested ones are made where they are missing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from kubeapi.objects import Object

_ALL: Final = ["*"]
_BY_USER, _BY_NAMESPACE = "ByUser", "ByNamespace"
_LEASING: Final = ["get", "create", "update"]
_MANAGERS: Final = ("system:kube-controller-manager", "system:kube-scheduler")
#: Suggested objects follow new releases unless somebody says otherwise.
_AUTOUPDATE: Final = "apf.kubernetes.io/autoupdate-spec"


def _limited(shares: int, lendable: int, queues: int, hand: int = 6) -> Object:
    queuing = {"queues": queues, "handSize": hand, "queueLengthLimit": 50}
    response = {"type": "Queue", "queuing": queuing} if queues else {"type": "Reject"}
    limited = {
        "nominalConcurrencyShares": shares,
        "lendablePercent": lendable,
        "limitResponse": response,
    }
    return {"type": "Limited", "limited": limited}


_LEVELS: Final[Mapping[str, Object]] = {
    "exempt": {
        "type": "Exempt",
        "exempt": {"nominalConcurrencyShares": 0, "lendablePercent": 0},
    },
    "catch-all": _limited(5, 0, 0),
    "system": _limited(30, 33, 64),
    "node-high": _limited(40, 25, 64),
    "leader-election": _limited(10, 0, 16, 4),
    "workload-high": _limited(40, 50, 128),
    "workload-low": _limited(100, 90, 128),
    "global-default": _limited(20, 50, 128),
}


def _users(*names: str) -> list[Object]:
    return [{"kind": "User", "user": {"name": name}} for name in names]


def _groups(*names: str) -> list[Object]:
    return [{"kind": "Group", "group": {"name": name}} for name in names]


def _accounts(*names: str) -> list[Object]:
    return [
        {"kind": "ServiceAccount", "serviceAccount": {"namespace": "kube-system", "name": name}}
        for name in names
    ]


def _resources(
    verbs: Sequence[str], group: str, resources: Sequence[str], *, cluster: bool = False
) -> Object:
    rule = {"verbs": [*verbs], "apiGroups": [group], "resources": [*resources]}
    return rule | {"namespaces": _ALL} | ({"clusterScope": True} if cluster else {})


_ANY_RESOURCE: Final = _resources(_ALL, "*", _ALL, cluster=True)
_ANY_URL: Final = {"verbs": _ALL, "nonResourceURLs": _ALL}
_LEASES: Final = _resources(_LEASING, "coordination.k8s.io", ["leases"])


def _schema(
    level: str, precedence: int, method: str, subjects: list[Object], *rules: Object
) -> Object:
    """Return a spec; without *rules* all requests of *subjects* are meant."""
    rule: Object = {"subjects": subjects, "resourceRules": [*rules]}
    if not rules:
        rule |= {"resourceRules": [_ANY_RESOURCE], "nonResourceRules": [_ANY_URL]}
    spec: Object = {
        "priorityLevelConfiguration": {"name": level},
        "matchingPrecedence": precedence,
        "rules": [rule],
    }
    return spec | ({"distinguisherMethod": {"type": method}} if method else {})


_EVERYBODY: Final = _groups("system:unauthenticated", "system:authenticated")
_PROBES: Final[Object] = {
    "priorityLevelConfiguration": {"name": "exempt"},
    "matchingPrecedence": 2,
    "rules": [
        {
            "subjects": _EVERYBODY,
            "nonResourceRules": [
                {"verbs": ["get"], "nonResourceURLs": ["/healthz", "/readyz", "/livez"]}
            ],
        }
    ],
}
_SCHEMAS: Final[Mapping[str, Object]] = {
    "exempt": _schema("exempt", 1, "", _groups("system:masters")),
    "catch-all": _schema("catch-all", 10_000, _BY_USER, _EVERYBODY),
    "probes": _PROBES,
    "system-leader-election": _schema(
        "leader-election", 100, _BY_USER, [*_users(*_MANAGERS), *_accounts("*")], _LEASES
    ),
    "endpoint-controller": _schema(
        "workload-high",
        150,
        _BY_USER,
        [
            *_users(_MANAGERS[0]),
            *_accounts("endpoint-controller", "endpointslicemirroring-controller"),
        ],
        _resources(_LEASING, "", ["endpoints"]),
    ),
    "workload-leader-election": _schema("leader-election", 200, _BY_USER, _accounts("*"), _LEASES),
    "system-node-high": _schema(
        "node-high",
        400,
        _BY_USER,
        _groups("system:nodes"),
        _resources(_ALL, "", ["nodes", "nodes/status"], cluster=True),
        _resources(_ALL, "coordination.k8s.io", ["leases"]),
    ),
    "system-nodes": _schema("system", 500, _BY_USER, _groups("system:nodes")),
    "kube-controller-manager": _schema("workload-high", 800, _BY_NAMESPACE, _users(_MANAGERS[0])),
    "kube-scheduler": _schema("workload-high", 800, _BY_NAMESPACE, _users(_MANAGERS[1])),
    "kube-system-service-accounts": _schema("workload-high", 900, _BY_NAMESPACE, _accounts("*")),
    "service-accounts": _schema("workload-low", 9000, _BY_USER, _groups("system:serviceaccounts")),
    "global-default": _schema("global-default", 9900, _BY_USER, _EVERYBODY),
}
_MANDATORY: Final = ("exempt", "catch-all")
_SPECS: Final = {"PriorityLevelConfiguration": _LEVELS, "FlowSchema": _SCHEMAS}


def fixed_spec(kind: str, name: str) -> Object | None:
    """Return the spec that a mandatory object has for good; None for any other."""
    return _SPECS[kind][name] if name in _MANDATORY else None


def objects(kind: str) -> Iterator[Object]:
    """Yield every object of *kind* that a cluster has from its start."""
    for name, spec in _SPECS[kind].items():
        yield {"metadata": {"name": name, "annotations": {_AUTOUPDATE: "true"}}, "spec": spec}


def with_level(schema: Object) -> Object:
    """Return a FlowSchema whose status says that its level is there."""
    status = schema.get("status") or {}
    if status.get("conditions"):
        return schema
    level = schema["spec"]["priorityLevelConfiguration"]["name"]
    said = f'This FlowSchema references the PriorityLevelConfiguration object named "{level}"'
    condition = {
        "type": "Dangling",
        "status": "False",
        "lastTransitionTime": schema["metadata"]["creationTimestamp"],
        "reason": "Found",
        "message": f"{said} and it exists",
    }
    return {**schema, "status": {"conditions": [condition]}}
