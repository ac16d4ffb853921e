"""PodSecurity: pods are held to their namespace's level, those who make them are warned.

Upstream: pod-security-admission/admission. There are no exemptions; namespaces without labels
are privileged.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from controlplane.apiserver import keys
from controlplane.apiserver.admission.attributes import Attributes, Operation, Validating
from controlplane.apiserver.admission.pod_security.evaluator import Result, evaluate
from controlplane.apiserver.admission.pod_security.levels import (
    PREFIX,
    Level,
    LevelVersion,
    Policy,
    policy_of,
)
from controlplane.apiserver.cacher import Cacher
from controlplane.apiserver.kinds.kind import Kind
from kubeapi.objects import Object, annotations_of, labels_of, metadata_of, name_of
from kubeapi.pod_containers import every_container
from kubeapi.resources import (
    CRONJOBS,
    DAEMONSETS,
    DEPLOYMENTS,
    JOBS,
    NAMESPACES,
    PODS,
    PODTEMPLATES,
    REPLICASETS,
    REPLICATIONCONTROLLERS,
    STATEFULSETS,
)
from kubeapi.status import forbidden, invalid

#: Where the template of a pod stands in what makes pods.
_TEMPLATES: Final = {
    PODTEMPLATES: ("template",),
    **dict.fromkeys(
        (REPLICATIONCONTROLLERS, REPLICASETS, DEPLOYMENTS, STATEFULSETS, DAEMONSETS, JOBS),
        ("spec", "template"),
    ),
    CRONJOBS: ("spec", "jobTemplate", "spec", "template"),
}
_SUBRESOURCES: Final = ("", "ephemeralcontainers", "resize")
#: How many pods of a namespace are looked at when its level changes.
_PODS_MAX: Final = 3000
_SECCOMP: Final = "seccomp.security.alpha.kubernetes.io/pod"


class PodSecurity(Validating):
    """Judges pods, what makes them, and the labels of namespaces."""

    name = "PodSecurity"

    def __init__(self, cacher: Cacher) -> None:
        self._cacher = cacher

    def handles(self, operation: Operation, kind: Kind, subresource: str) -> bool:
        if operation not in (Operation.CREATE, Operation.UPDATE):
            return False
        if kind.resource == PODS:
            return subresource in _SUBRESOURCES
        return not subresource and (kind.resource == NAMESPACES or kind.resource in _TEMPLATES)

    async def validate(self, attributes: Attributes) -> None:
        if attributes.kind.resource == NAMESPACES:
            self._judge_namespace(attributes)
            return
        key = keys.key(NAMESPACES, "", attributes.namespace)
        namespace = self._cacher.cache(NAMESPACES).get(key)
        if namespace is None:
            return
        labels = labels_of(namespace.object)
        if any(label.startswith(PREFIX) for label in labels):
            policy, _ = policy_of(labels)
            _judge(policy, attributes)

    def _judge_namespace(self, attributes: Attributes) -> None:
        assert attributes.obj is not None
        policy, causes = policy_of(labels_of(attributes.obj))
        if attributes.old is None:
            if causes:
                raise invalid("Namespace", name_of(attributes.obj), causes)
            return
        before, wrong_before = policy_of(labels_of(attributes.old))
        if causes and causes != wrong_before:
            raise invalid("Namespace", name_of(attributes.obj), causes)
        new, old = policy.enforce, before.enforce
        relaxed = new.minor == old.minor and new.level <= old.level
        if new == old or new.level is Level.PRIVILEGED or relaxed:
            return
        prefix = keys.prefix(PODS, attributes.name)
        pods = (stored.object for stored in self._cacher.cache(PODS).below(prefix))
        for text in warnings_of(attributes.name, list(pods), new):
            attributes.warn(text)


def _judge(policy: Policy, attributes: Attributes) -> None:
    found = _pod_of(attributes)
    if found is None:
        return
    metadata, spec, is_pod = found
    results: dict[LevelVersion, Result] = {}

    def result_of(wanted: LevelVersion) -> Result:
        if wanted not in results:
            results[wanted] = evaluate(wanted, metadata, spec)
        return results[wanted]

    audited = result_of(policy.audit)
    if not audited.allowed:
        text = f'would violate PodSecurity "{policy.audit}": {audited.detail}'
        attributes.annotate(f"{PREFIX}audit-violations", text)
    if is_pod:
        attributes.annotate(f"{PREFIX}enforce-policy", str(policy.enforce))
        enforced = result_of(policy.enforce)
        if not enforced.allowed:
            why = f'violates PodSecurity "{policy.enforce}": {enforced.detail}'
            raise forbidden(attributes.kind.resource, attributes.name, why)
    warned = result_of(policy.warn)
    if not warned.allowed:
        attributes.warn(f'would violate PodSecurity "{policy.warn}": {warned.detail}')


def _pod_of(attributes: Attributes) -> tuple[Object, Object, bool] | None:
    """Return metadata and spec of the pod that is meant, and whether it is one."""
    obj = attributes.obj
    assert obj is not None
    if attributes.kind.resource == PODS:
        if attributes.old is not None and not _is_significant(obj, attributes.old):
            return None
        return metadata_of(obj), obj["spec"], True
    template = obj
    for step in _TEMPLATES[attributes.kind.resource]:
        template = template.get(step) or {}
    spec = template.get("spec")
    return (metadata_of(template), spec, False) if spec else None


def _is_significant(new: Object, old: Object) -> bool:
    """Tell whether an update changes what is judged (isSignificantPodUpdate)."""
    if annotations_of(new).get(_SECCOMP) != annotations_of(old).get(_SECCOMP):
        return True
    before = {each["name"]: each.get("image") for each in every_container(old["spec"])}
    after = {each["name"]: each.get("image") for each in every_container(new["spec"])}
    return before != after


def warnings_of(namespace: str, pods: list[Object], wanted: LevelVersion) -> Iterable[str]:
    """Yield what is wrong with pods that are there when a namespace's level rises."""
    names: dict[str, list[str]] = {}
    for pod in pods[:_PODS_MAX]:
        result = evaluate(wanted, metadata_of(pod), pod["spec"])
        if not result.allowed:
            names.setdefault(result.reason, []).append(name_of(pod))
    if len(pods) > _PODS_MAX:
        yield (
            f"new PodSecurity enforce level only checked against the first {_PODS_MAX} of "
            f"{len(pods)} existing pods"
        )
    if names:
        yield (
            f'existing pods in namespace "{namespace}" violate the new PodSecurity enforce level '
            f'"{wanted}"'
        )
    yield from sorted(f"{_few(found)}: {reason}" for reason, found in names.items())


def _few(names: list[str]) -> str:
    """Return the first name, and how many others there are."""
    others = len(names) - 1
    if not others:
        return names[0]
    return f"{min(names)} (and {others} other pod{'' if others == 1 else 's'})"
