"""Which writes a webhook or a policy concerns (upstream: predicates/rules, namespace, object)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from controlplane.apiserver import keys
from controlplane.apiserver.admission.attributes import Attributes
from controlplane.apiserver.cacher import Cacher
from controlplane.apiserver.kinds.kind import Kind
from kubeapi.objects import Object, deep_copy, labels_of
from kubeapi.resources import (
    MUTATINGWEBHOOKCONFIGURATIONS,
    NAMESPACES,
    VALIDATINGADMISSIONPOLICIES,
    VALIDATINGADMISSIONPOLICYBINDINGS,
    VALIDATINGWEBHOOKCONFIGURATIONS,
)
from kubeapi.selectors import LabelSelector
from kubeapi.status import not_found

#: Nobody is asked about these: a wrong webhook could not be taken away any more.
EXEMPT: Final = (
    MUTATINGWEBHOOKCONFIGURATIONS,
    VALIDATINGWEBHOOKCONFIGURATIONS,
    VALIDATINGADMISSIONPOLICIES,
    VALIDATINGADMISSIONPOLICYBINDINGS,
)


@dataclass(frozen=True, slots=True)
class Rule:
    """Operations on resources."""

    operations: frozenset[str]
    groups: frozenset[str]
    versions: frozenset[str]
    resources: frozenset[str]
    scope: str
    names: frozenset[str]  # Empty: whatever the name.

    @classmethod
    def from_object(cls, rule: Object) -> Rule:
        return cls(
            frozenset(rule.get("operations") or ()),
            frozenset(rule.get("apiGroups") or ()),
            frozenset(rule.get("apiVersions") or ()),
            frozenset(rule.get("resources") or ()),
            rule.get("scope") or "*",
            frozenset(rule.get("resourceNames") or ()),
        )

    def matches(self, attributes: Attributes, kind: Kind) -> bool:
        """Tell whether the write is meant, in the version that *kind* is."""
        resource = kind.resource
        return (
            not self.operations.isdisjoint((attributes.operation, "*"))
            and not self.groups.isdisjoint((resource.group, "*"))
            and not self.versions.isdisjoint((resource.version, "*"))
            and self._names_resource(resource.plural, attributes.subresource)
            and self._has_scope(attributes, kind)
            and (not self.names or attributes.name in self.names)
        )

    def _names_resource(self, plural: str, subresource: str) -> bool:
        if not subresource:
            return not self.resources.isdisjoint((plural, "*", "*/*"))
        texts = (f"{plural}/{subresource}", f"*/{subresource}", f"{plural}/*", "*/*")
        return not self.resources.isdisjoint(texts)

    def _has_scope(self, attributes: Attributes, kind: Kind) -> bool:
        if self.scope == "*":
            return True
        inside = bool(attributes.namespace) and kind.resource != NAMESPACES
        return inside is (self.scope == "Namespaced")


@dataclass(frozen=True, slots=True)
class Matching:
    """Rules, and which namespaces and objects are meant."""

    rules: tuple[Rule, ...]
    excluded: tuple[Rule, ...]
    exact: bool
    namespaces: LabelSelector
    objects: LabelSelector

    @classmethod
    def from_object(cls, matching: Object, rules: str) -> Matching:
        """Read a webhook, or a policy's matchConstraints; *rules* is where its rules stand."""
        return cls(
            tuple(Rule.from_object(rule) for rule in matching.get(rules) or ()),
            tuple(Rule.from_object(rule) for rule in matching.get("excludeResourceRules") or ()),
            matching.get("matchPolicy") == "Exact",
            LabelSelector.from_object(matching.get("namespaceSelector") or {}),
            LabelSelector.from_object(matching.get("objectSelector") or {}),
        )

    def kind_of(
        self, attributes: Attributes, asked: Kind, versions: Sequence[Kind], cacher: Cacher
    ) -> Kind | None:
        """Return the version of the object that is meant, None where the write is not.

        Raises StatusError 404 when the namespace is not there.
        """
        if any(rule.matches(attributes, asked) for rule in self.excluded):
            return None
        found = self._ruled(attributes, asked, versions)
        return found if found is not None and self._means(attributes, cacher) else None

    def selects(self, attributes: Attributes, asked: Kind, cacher: Cacher) -> bool:
        """Tell whether the write is meant where no rules are given."""
        excluded = any(rule.matches(attributes, asked) for rule in self.excluded)
        return not excluded and self._means(attributes, cacher)

    def _means(self, attributes: Attributes, cacher: Cacher) -> bool:
        return self._selects_object(attributes) and self._selects_namespace(attributes, cacher)

    def _ruled(self, attributes: Attributes, asked: Kind, versions: Iterable[Kind]) -> Kind | None:
        if any(rule.matches(attributes, asked) for rule in self.rules):
            return asked
        if self.exact:
            return None
        others = [kind for kind in versions if kind.resource != asked.resource]
        for rule in self.rules:
            for kind in others:
                if rule.matches(attributes, kind):
                    return kind
        return None

    def _selects_object(self, attributes: Attributes) -> bool:
        if self.objects.matches_everything:
            return True
        states = (attributes.obj, attributes.old)
        return any(state is not None and self.objects.matches(labels_of(state)) for state in states)

    def _selects_namespace(self, attributes: Attributes, cacher: Cacher) -> bool:
        if self.namespaces.matches_everything:
            return True
        if attributes.kind.resource == NAMESPACES:
            namespace = attributes.obj if attributes.obj is not None else attributes.old
            return namespace is not None and self.namespaces.matches(labels_of(namespace))
        if not attributes.namespace:
            return True
        return self.namespaces.matches(labels_of(namespace_of(attributes, cacher)))


def namespace_of(attributes: Attributes, cacher: Cacher) -> Object:
    """Return the namespace that a write is in; raises StatusError 404."""
    key = keys.key(NAMESPACES, "", attributes.namespace)
    found = cacher.cache(NAMESPACES).get(key)
    if found is None:
        raise not_found(NAMESPACES, attributes.namespace)
    return found.object


def asked_kind(attributes: Attributes) -> Kind:
    """Return the version that the client speaks."""
    version = getattr(attributes.options, "version", None)
    return version if isinstance(version, Kind) else attributes.kind


def in_version(attributes: Attributes, kind: Kind, obj: Object | None) -> Object | None:
    """Return an object of a write in the version of *kind*; options and the like as they are."""
    if (
        obj is None
        or attributes.object_kind is not None
        or obj.get("apiVersion") == kind.resource.api_version
    ):
        return obj
    return kind.from_hub(deep_copy(obj))
