"""What controllers of pods share: replicas, a selector and a pod template."""

from __future__ import annotations

from collections.abc import Iterator

from controlplane.apiserver.kinds.go_syntax import go_label_selector, go_map
from controlplane.apiserver.kinds.metadata import IMMUTABLE
from controlplane.apiserver.kinds.pod.defaults import default_spec
from controlplane.apiserver.kinds.pod.ephemeral_containers import KEY as EPHEMERAL_CONTAINERS
from controlplane.apiserver.kinds.pod.scheduling import validate_label_selector
from controlplane.apiserver.kinds.pod.validation import RESTART_POLICIES, validate_spec
from controlplane.apiserver.kinds.quantities import NOT_NEGATIVE
from kubeapi import field, validation
from kubeapi.objects import Object
from kubeapi.selectors import LabelSelector
from kubeapi.status import Cause


def default_template(spec: Object) -> None:
    """Fill in what the template's pods leave open."""
    template = spec["template"] = spec.get("template") or {}
    template["metadata"] = template.get("metadata") or {}
    pod_spec = template["spec"] = template.get("spec") or {}
    default_spec(pod_spec)


def validate_count(spec: Object, key: str, path: str = "spec") -> Iterator[Cause]:
    """Judge a number that may be zero or absent."""
    if (spec.get(key) or 0) < 0:
        yield field.invalid(f"{path}.{key}", spec[key], NOT_NEGATIVE)


def validate_selector_and_template(
    spec: Object, *, kind: str, pods_of: str = "ReplicaSet"
) -> Iterator[Cause]:
    """Judge selector and template, apart and together; *kind* as its messages write it."""
    yield from validate_selector(spec, kind=kind)
    template = spec["template"]
    yield from validate_template(template, "spec.template")
    yield from validate_endless(template, pods_of)


def validate_selector(spec: Object, *, kind: str) -> Iterator[Cause]:
    """Judge the selector: it is there, selects something, and that is what the template makes."""
    selector, template = spec.get("selector"), spec["template"]
    if selector is None:
        yield field.required("spec.selector")
    wrong = list(validate_label_selector(selector, "spec.selector"))
    yield from wrong
    if selector is not None and not (
        selector.get("matchLabels") or selector.get("matchExpressions")
    ):
        detail = f"empty selector is invalid for {kind}"
        yield field.invalid("spec.selector", go_label_selector(selector), detail)
    elif selector is not None and not wrong:
        yield from validate_match(LabelSelector.from_object(selector), template, "spec.template")


def validate_match(selector: LabelSelector, template: Object, path: str) -> Iterator[Cause]:
    """Find that *selector* would not select the pods of *template*."""
    labels = template["metadata"].get("labels") or {}
    if not selector.matches(labels):
        detail = "`selector` does not match template `labels`"
        yield field.invalid(f"{path}.metadata.labels", go_map(labels), detail)


def validate_template_metadata(template: Object, path: str) -> Iterator[Cause]:
    """Judge what a template's pods get besides their spec."""
    meta = template["metadata"]
    yield from validation.validate_labels(meta.get("labels") or {}, f"{path}.labels")
    annotations = meta.get("annotations") or {}
    yield from validation.validate_annotations(annotations, f"{path}.annotations")


def validate_template(template: Object, path: str) -> Iterator[Cause]:
    """Judge a pod template (upstream: ValidatePodTemplateSpec)."""
    spec = template["spec"]
    yield from validate_template_metadata(template, f"{path}.metadata")
    yield from validate_spec(spec, f"{path}.spec")
    if spec.get(EPHEMERAL_CONTAINERS):
        detail = "ephemeral containers not allowed in pod template"
        yield field.forbidden(f"{path}.spec.{EPHEMERAL_CONTAINERS}", detail)


def validate_endless(template: Object, kind: str) -> Iterator[Cause]:
    """Find that the pods of a controller that replaces them would end by themselves."""
    path, spec = "spec.template.spec", template["spec"]
    policy = spec["restartPolicy"]
    if policy in RESTART_POLICIES and policy != "Always":
        yield field.not_supported(f"{path}.restartPolicy", policy, ("Always",))
    if spec.get("activeDeadlineSeconds") is not None:
        detail = f"activeDeadlineSeconds in {kind} is not Supported"
        yield field.forbidden(f"{path}.activeDeadlineSeconds", detail)


def selector_changes(new: Object, old: Object) -> Iterator[Cause]:
    """Find a change of the selector, which is for good."""
    after = new["spec"].get("selector")
    if after != old["spec"].get("selector"):
        yield field.invalid("spec.selector", go_label_selector(after or {}), IMMUTABLE)


def scale_selector(obj: Object) -> str:
    """Return the selector as the scale subresource shows it."""
    return str(LabelSelector.from_object(obj["spec"].get("selector")))
