"""The policies of the cluster, of whatever kind, compiled for the pods of one node.

Told of every change, it says what the tables `address_set` and `policy` shall hold. What a change
cannot touch is not looked at: pods and NetworkPolicies are found by namespace, and a policy that
changes concerns those pods that it selects or did select.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from kubeapi.objects import Object, key_of, labels_of, name_of
from nodeagent.policy import entries
from nodeagent.policy.address_sets import AddressSets
from nodeagent.policy.facts import NodeFacts, PodFacts
from nodeagent.policy.spec import PolicySpec, Selection

#: Kind and key of a policy.
PolicyId = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Changes:
    """What became of tables' entries; None for one that shall go."""

    sets: Mapping[str, Sequence[str] | None]
    pods: Mapping[str, Object | None]


class Compiler:
    """The policies as the node *node_name* applies them; None: as if all pods were on it."""

    def __init__(self, node_name: str | None) -> None:
        self._node_name = node_name
        self._pods: dict[str, PodFacts] = {}
        self._pods_of: dict[str, dict[str, PodFacts]] = {}
        self._namespaces: dict[str, Mapping[str, str]] = {}
        self._nodes: dict[str, NodeFacts] = {}
        self._policies: dict[PolicyId, PolicySpec] = {}
        #: The same by the one namespace of their subjects; "" where labels select those.
        self._policies_of: dict[str, dict[PolicyId, PolicySpec]] = {}
        #: Rows of egress, the same for all subjects of a policy.
        self._egress: dict[PolicyId, Sequence[Object]] = {}
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

    def node_changed(self, node: Object) -> None:
        """A node was made, or is different now."""
        facts = NodeFacts.of(node)
        if self._nodes.get(facts.key) != facts:
            self._nodes[facts.key] = facts
            self._sets.node_changed(facts.key, facts)

    def node_deleted(self, node: Object) -> None:
        """A node is gone."""
        if self._nodes.pop(name_of(node), None) is not None:
            self._sets.node_changed(name_of(node), None)

    def policy_changed(self, spec: PolicySpec) -> None:
        """A policy was made, or is different now."""
        identity = spec.kind, spec.key
        old = self._policies.get(identity)
        if old == spec:
            return
        for which in spec.uses():
            if self._sets.use(which):
                pods = self._pods_in(which[0]) if isinstance(which[0], Selection) else ()
                self._sets.fill(which, pods, self._namespaces, self._nodes.values())
        if old is not None:
            self.policy_deleted(old.kind, old.key)
        self._policies[identity] = spec
        self._policies_of.setdefault(_namespace(spec.subject), {})[identity] = spec
        self._touch_subjects(spec)

    def policy_deleted(self, kind: str, key: str) -> None:
        """A policy is gone."""
        old = self._policies.pop((kind, key), None)
        if old is None:
            return
        self._policies_of[_namespace(old.subject)].pop((kind, key))
        self._egress.pop((kind, key), None)
        for which in old.uses():
            self._sets.release(which)
        self._touch_subjects(old)

    def _set_pod(self, key: str, facts: PodFacts | None) -> None:
        old = self._pods.get(key)
        if facts == old:
            return
        namespace = key.partition("/")[0]
        if facts is None:
            del self._pods[key], self._pods_of[namespace][key]
        else:
            self._pods[key] = self._pods_of.setdefault(namespace, {})[key] = facts
        self._place(key, facts)
        if any(each is not None and self._is_mine(each) for each in (old, facts)):
            self._dirty[key] = None

    def _place(self, key: str, facts: PodFacts | None) -> None:
        namespace = key.partition("/")[0]
        labels = self._namespaces.get(namespace)
        renumbered = set(self._sets.pod_changed(key, namespace, facts, labels))
        for identity, spec in self._policies.items() if renumbered else ():
            if not renumbered.isdisjoint(spec.uses()):
                self._egress.pop(identity, None)
                self._touch_subjects(spec)

    def _place_pods_of(self, namespace: str) -> None:
        for pod in self._pods_of.get(namespace, {}).values():
            self._place(pod.key, pod)
            if self._is_mine(pod):
                self._dirty[pod.key] = None

    def _touch_subjects(self, spec: PolicySpec) -> None:
        for pod in self._pods_in(spec.subject):
            if self._is_mine(pod) and self._selects(spec, pod):
                self._dirty[pod.key] = None

    # What is known.

    def pods(self) -> Iterable[PodFacts]:
        """Return every pod that policies may mean."""
        return self._pods.values()

    def policies_of(self, pod: PodFacts) -> list[PolicySpec]:
        """Return the policies whose subject *pod* is, in the order in which they are asked."""
        return sorted(
            (
                spec
                for where in (pod.namespace, "")
                for spec in self._policies_of.get(where, {}).values()
                if self._selects(spec, pod)
            ),
            key=lambda spec: spec.order,
        )

    def policy(self, text: str) -> PolicySpec:
        """Return the policy that the tables call *text*."""
        kind, _, key = text.partition(" ")
        return self._policies[kind, key]

    def _selects(self, spec: PolicySpec, pod: PodFacts) -> bool:
        return spec.subject.selects(pod, self._namespaces.get(pod.namespace))

    def _is_mine(self, pod: PodFacts) -> bool:
        return self._node_name is None or pod.node == self._node_name

    def _pods_in(self, selection: Selection) -> Iterator[PodFacts]:
        """Return the pods of those namespaces that *selection* means."""
        if isinstance(selection.namespaces, str):
            yield from self._pods_of.get(selection.namespaces, {}).values()
            return
        for name, pods in self._pods_of.items():
            labels = self._namespaces.get(name)
            if labels is not None and selection.namespaces.matches(labels):
                yield from pods.values()

    # What follows.

    def changes(self) -> Changes:
        """Return what changed since last asked."""
        dirty, self._dirty = self._dirty, {}
        return Changes(self._sets.changes(), {key: self._entry(key) for key in dirty})

    def _entry(self, key: str) -> Object | None:
        """Return the pod's row of the table `policy`, None for a pod that no policy is about."""
        pod = self._pods.get(key)
        if pod is None or not self._is_mine(pod) or not pod.addresses:
            return None
        specs = self.policies_of(pod)
        return entries.entry(pod, specs, self._egress_of) if specs else None

    def _egress_of(self, spec: PolicySpec) -> Sequence[Object]:
        identity = spec.kind, spec.key
        rows = self._egress.get(identity)
        if rows is None:
            rows = self._egress[identity] = entries.egress_rows(spec, self._sets.numbers)
        return rows


def _namespace(selection: Selection) -> str:
    """Return the one namespace that is selected from, "" where it may be several."""
    return selection.namespaces if isinstance(selection.namespaces, str) else ""
