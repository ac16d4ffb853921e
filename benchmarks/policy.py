"""Policies: how long a node needs to compile many, to follow one change, to judge one connection.

A thousand NetworkPolicies in ten namespaces, each with selectors of its own, over a thousand pods
of which a hundred are the node's. Nothing but the code that nodeagent and datapath run.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any, Final

import msgspec

from benchmarks.row import Row
from componentbase.clock import monotonic
from nodeagent.datapath import tables
from nodeagent.datapath.network_policy import NetworkPolicies
from nodeagent.policy import networkpolicy
from nodeagent.policy.compiler import Compiler

_PODS: Final = 1000
_POLICIES: Final = 1000
_NAMESPACES: Final = 10
_TIMES: Final = 20
_COMPILED_S: Final = 2.0
_CHANGED_S: Final = 0.05

Object = dict[str, Any]


def _pod(number: int, app: int) -> Object:
    return {
        "metadata": {
            "name": f"pod-{number}",
            "namespace": f"namespace-{number % _NAMESPACES}",
            "labels": {"app": f"app-{app}", "tier": f"tier-{number % 3}"},
        },
        "spec": {
            "nodeName": f"node-{number // 100}",
            "containers": [{"ports": [{"name": "http", "containerPort": 8080}]}],
        },
        "status": {"podIPs": [{"ip": f"10.244.{number // 100}.{number % 100 + 2}"}]},
    }


def _policy(number: int, port: int) -> Object:
    app = number // 10 % 100
    peers = [
        {"podSelector": {"matchLabels": {"app": f"app-{app}"}}},
        {"namespaceSelector": {"matchLabels": {"team": f"team-{number % 5}"}}},
    ]
    to = [{**peers[1], "podSelector": {"matchLabels": {"app": f"app-{(app + 1) % 100}"}}}]
    return {
        "metadata": {"name": f"policy-{number}", "namespace": f"namespace-{number % _NAMESPACES}"},
        "spec": {
            "podSelector": {"matchLabels": {"tier": f"tier-{number % 3}"}},
            "policyTypes": ["Ingress", "Egress"],
            "ingress": [{"from": peers, "ports": [{"port": port}, {"port": "http"}]}],
            "egress": [{"to": to, "ports": [{"port": 8080}]}],
        },
    }


@dataclass(slots=True)
class _Lab:
    """The cluster as node-1 sees it."""

    compiler: Compiler
    policies: NetworkPolicies

    def apply(self) -> None:
        """Let the datapath have what changed."""
        changes = self.compiler.changes()
        self.policies.replace_sets(
            tables.AddressSet(name=name, addresses=list(addresses))
            for name, addresses in changes.sets.items()
            if addresses is not None
        )
        entries = [entry for entry in changes.pods.values() if entry is not None]
        self.policies.replace(msgspec.convert(entries, list[tables.Policy]))


def _compile() -> tuple[_Lab, float]:
    pods = [_pod(number, number // 10) for number in range(_PODS)]
    policies = [_policy(number, 80) for number in range(_POLICIES)]
    began = monotonic()
    lab = _Lab(Compiler("node-1"), NetworkPolicies())
    for number in range(_NAMESPACES):
        meta = {"name": f"namespace-{number}", "labels": {"team": f"team-{number % 5}"}}
        lab.compiler.namespace_changed({"metadata": meta})
    for pod in pods:
        lab.compiler.pod_changed(pod)
    for policy in policies:
        lab.compiler.policy_changed(networkpolicy.read(policy))
    lab.apply()
    return lab, monotonic() - began


def run() -> Iterator[Row]:
    """Measure."""
    lab, took_s = _compile()
    yield Row(
        f"{_POLICIES:,} NetworkPolicies over {_PODS:,} pods, from objects to one node's tables",
        f"{took_s:.2f} s",
        f"≤ {_COMPILED_S:.0f} s",
        took_s <= _COMPILED_S,
    )
    began = monotonic()
    for number in range(_TIMES):
        lab.compiler.policy_changed(networkpolicy.read(_policy(number, 81)))
        lab.apply()
    changed_s = (monotonic() - began) / _TIMES
    yield Row(
        "one of them changes, until the tables follow",
        f"{changed_s * 1e3:.1f} ms",
        f"≤ {_CHANGED_S * 1e3:.0f} ms",
        changed_s <= _CHANGED_S,
    )
    began = monotonic()
    for number in range(_TIMES):
        lab.compiler.pod_changed(_pod(100 + number, 7))
        lab.apply()
    changed_s = (monotonic() - began) / _TIMES
    yield Row(
        "a pod has other labels, until the tables follow",
        f"{changed_s * 1e3:.1f} ms",
        f"≤ {_CHANGED_S * 1e3:.0f} ms",
        changed_s <= _CHANGED_S,
    )
    yield _judging(lab.policies)


def _judging(policies: NetworkPolicies) -> Row:
    pods = [
        int(ip_address(f"10.244.{number // 100}.{number % 100 + 2}")) for number in range(_PODS)
    ]
    (receiver,) = pods[100:101]
    took = []
    for _ in range(2):
        began = monotonic()
        for sender in pods:
            policies.judge(sender, receiver, 6, 80)
        took.append((monotonic() - began) / _PODS * 1e6)
    return Row(
        "a new connection is judged, for the first time and again",
        f"{took[0]:.1f} and {took[1]:.1f} µs",
    )
