"""NetworkPolicies of the cluster, compiled for the pods of one node.

Told of every change, it says what the tables `address_set` and `policy` shall hold. An entry of
`policy` lists what all policies of its pod allow together, for they only ever add. Named ports of
ingress are the isolated pod's own, those of egress the receiver's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from kubeapi.objects import Object, key_of, labels_of, name_of
from nodeagent.policy.address_sets import AddressSets, set_name
from nodeagent.policy.spec import ALL_PODS, NamedPort, PodFacts, PolicySpec, Rule, Span


@dataclass(frozen=True, slots=True)
class Changes:
    """What became of tables' entries; None for one that shall go."""

    sets: Mapping[str, Sequence[str] | None]
    pods: Mapping[str, Object | None]


class Compiler:
    """The policies as the node *node_name* applies them."""

    def __init__(self, node_name: str) -> None:
        self._node_name = node_name
        self._pods: dict[str, PodFacts] = {}
        self._namespaces: dict[str, Mapping[str, str]] = {}
        self._policies: dict[str, PolicySpec] = {}
        self._sets = AddressSets()
        #: Addresses of pods that are about to start; the API does not know them yet.
        self._attached: dict[str, tuple[str, ...]] = {}
        self._dirty: dict[str, None] = {}

    # What happens.

    def pod_changed(self, pod: Object) -> None:
        """A pod was made, or is different now."""
        facts = PodFacts.of(pod)
        if facts is None:
            self._set_pod(key_of(pod), None)
            return
        if facts.addresses:
            self._attached.pop(facts.key, None)
        elif attached := self._attached.get(facts.key):
            facts = replace(facts, addresses=attached)
        self._set_pod(facts.key, facts)

    def pod_deleted(self, pod: Object) -> None:
        """A pod is gone."""
        self._attached.pop(key_of(pod), None)
        self._set_pod(key_of(pod), None)

    def pod_attached(self, pod: Object, addresses: Sequence[str]) -> None:
        """A pod of this node is about to use *addresses*."""
        self._attached[key_of(pod)] = tuple(addresses)
        facts = PodFacts.of(pod)
        if facts is not None:
            self._set_pod(facts.key, replace(facts, addresses=tuple(addresses)))

    def namespace_changed(self, namespace: Object) -> None:
        """A namespace was made, or has other labels."""
        name, labels = name_of(namespace), labels_of(namespace)
        if self._namespaces.get(name) != labels:
            self._namespaces[name] = labels
            self._place_pods_of(name)

    def namespace_deleted(self, namespace: Object) -> None:
        """A namespace is gone."""
        self._namespaces.pop(name_of(namespace), None)
        self._place_pods_of(name_of(namespace))

    def policy_changed(self, policy: Object) -> None:
        """A policy was made, or is different now."""
        spec = PolicySpec.of(policy)
        old = self._policies.get(spec.key)
        if old == spec:
            return
        self._policies[spec.key] = spec
        for which in spec.selections():
            self._sets.use(which, self._pods, self._namespaces)
        if old is not None:
            self._release(old)
        self._touch_pods_of(spec.namespace)

    def policy_deleted(self, policy: Object) -> None:
        """A policy is gone."""
        old = self._policies.pop(key_of(policy), None)
        if old is not None:
            self._release(old)
            self._touch_pods_of(old.namespace)

    def _release(self, spec: PolicySpec) -> None:
        for which in spec.selections():
            self._sets.release(which)

    def _set_pod(self, key: str, facts: PodFacts | None) -> None:
        old = self._pods.get(key)
        if facts == old:
            return
        if facts is None:
            del self._pods[key]
        else:
            self._pods[key] = facts
        self._place(key, facts)
        for each in (old, facts):
            if each is not None and each.node == self._node_name:
                self._dirty[key] = None

    def _place(self, key: str, facts: PodFacts | None) -> None:
        labels = self._namespaces.get(facts.namespace) if facts else None
        renumbered = self._sets.pod_changed(key, facts, labels)
        for spec in self._policies.values() if renumbered else ():
            if not set(renumbered).isdisjoint(spec.selections()):
                self._touch_pods_of(spec.namespace)

    def _place_pods_of(self, namespace: str) -> None:
        for pod in self._pods.values():
            if pod.namespace == namespace:
                self._place(pod.key, pod)

    def _touch_pods_of(self, namespace: str) -> None:
        for pod in self._pods.values():
            if pod.node == self._node_name and pod.namespace == namespace:
                self._dirty[pod.key] = None

    # What follows.

    def changes(self) -> Changes:
        """Return what changed since last asked."""
        dirty, self._dirty = self._dirty, {}
        return Changes(self._sets.changes(), {key: self._entry(key) for key in dirty})

    def _entry(self, key: str) -> Object | None:
        """Return the pod's row of the table `policy`, None for a pod that nobody isolates."""
        pod = self._pods.get(key)
        if pod is None or pod.node != self._node_name or not pod.addresses:
            return None
        specs = [spec for _, spec in sorted(self._policies.items()) if spec.isolates(pod)]
        ingress = [spec for spec in specs if spec.ingress is not None]
        egress = [spec for spec in specs if spec.egress is not None]
        if not specs:
            return None
        return {
            "pod": key,
            "addresses": list(pod.addresses),
            "ingress": _isolation(ingress, [
                rule
                for spec in ingress
                for each in spec.ingress or ()
                for rule in _ingress(spec.key, each, pod)
            ]),
            "egress": _isolation(egress, [
                rule
                for spec in egress
                for each in spec.egress or ()
                for rule in self._egress(spec.key, each)
            ]),
        }  # fmt: skip

    def _egress(self, policy: str, rule: Rule) -> Iterator[Object]:
        spans = [port for port in rule.ports or () if isinstance(port, Span)]
        if rule.ports is None or spans:
            yield _row(policy, rule, None if rule.ports is None else spans, _sets_of(rule))
        for port in rule.ports or ():
            if isinstance(port, NamedPort):
                yield from self._named_egress(policy, rule, port)

    def _named_egress(self, policy: str, rule: Rule, port: NamedPort) -> Iterator[Object]:
        """Allow each number of *port* towards those pods that give it that number."""
        chosen = (ALL_PODS,) if rule.selections is None else rule.selections
        pods_only = Rule(rule.ports, chosen, ())
        for which in ((each, port) for each in chosen):
            for number in self._sets.numbers(which):
                span = Span(port.protocol, number, number)
                yield _row(policy, pods_only, [span], [set_name(which, number)])


def _isolation(specs: Sequence[PolicySpec], rules: Sequence[Object]) -> Object | None:
    if not specs:
        return None
    return {"policies": [spec.key for spec in specs], "rules": list(rules)}


def _ingress(policy: str, rule: Rule, pod: PodFacts) -> Iterator[Object]:
    if rule.ports is None:
        yield _row(policy, rule, None, _sets_of(rule))
        return
    spans = []
    for port in rule.ports:
        if isinstance(port, Span):
            spans.append(port)
        elif (number := pod.ports.get((port.protocol, port.name))) is not None:
            spans.append(Span(port.protocol, number, number))
    if spans:
        yield _row(policy, rule, spans, _sets_of(rule))


def _sets_of(rule: Rule) -> list[str]:
    return [set_name((each, None), 0) for each in rule.selections or ()]


def _row(policy: str, rule: Rule, spans: Sequence[Span] | None, sets: Sequence[str]) -> Object:
    return {
        "policy": policy,
        "ports": None
        if spans is None
        else [
            {"protocol": span.protocol, "first": span.first, "last": span.last} for span in spans
        ],
        "anyone": rule.selections is None,
        "sets": list(sets),
        "blocks": [{"cidr": cidr, "excluded": list(excluded)} for cidr, excluded in rule.blocks],
    }
