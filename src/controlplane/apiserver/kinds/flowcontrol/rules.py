"""Rules of FlowSchemas: whose requests, and which (pkg/apis/flowcontrol/validation)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from kubeapi import field, validation
from kubeapi.objects import Object
from kubeapi.status import Cause

_ALL: Final = "*"
_VERBS: Final = (
    *("get", "list", "create", "update", "patch", "delete", "deletecollection", "watch", "proxy"),
)
#: The field of a subject, by its kind.
_SUBJECTS: Final[Mapping[str, str]] = {
    "ServiceAccount": "serviceAccount",
    "User": "user",
    "Group": "group",
}


def validate_rule(rule: Object, path: str) -> Iterator[Cause]:
    """Judge one of a FlowSchema's rules."""
    subjects = rule.get("subjects") or ()
    if not subjects:
        yield field.required(f"{path}.subjects", "subjects must contain at least one value")
    for index, subject in enumerate(subjects):
        yield from _validate_subject(subject, f"{path}.subjects[{index}]")
    resources, others = rule.get("resourceRules") or (), rule.get("nonResourceRules") or ()
    if not resources and not others:
        detail = "at least one of resourceRules and nonResourceRules has to be non-empty"
        yield field.required(path, detail)
    for index, each in enumerate(resources):
        yield from _validate_resources(each, f"{path}.resourceRules[{index}]")
    for index, each in enumerate(others):
        yield from _validate_urls(each, f"{path}.nonResourceRules[{index}]")


def _validate_subject(subject: Object, path: str) -> Iterator[Cause]:
    kind = subject.get("kind") or ""
    if kind not in _SUBJECTS:
        yield field.not_supported(f"{path}.kind", kind, sorted(_SUBJECTS))
        return
    for other, name in _SUBJECTS.items():
        given, where = subject.get(name), f"{path}.{name}"
        if other != kind:
            if given is not None:
                detail = f"{name} is forbidden when subject kind is not '{other}'"
                yield field.forbidden(where, detail)
        elif given is None:
            yield field.required(where, f"{name} is required when subject kind is '{kind}'")
        else:
            yield from _validate_named(kind, given, where)


def _validate_named(kind: str, given: Object, path: str) -> Iterator[Cause]:
    name = given.get("name") or ""
    if not name:
        yield field.required(f"{path}.name")
    elif kind == "ServiceAccount" and name != _ALL:
        for message in validation.dns1123_subdomain(name):
            yield field.invalid(f"{path}.name", name, message)
    if kind != "ServiceAccount":
        return
    namespace = given.get("namespace") or ""
    if not namespace:
        yield field.required(f"{path}.namespace", "must specify namespace for service account")
    else:
        for message in validation.dns1123_label(namespace):
            yield field.invalid(f"{path}.namespace", namespace, message)


def _alone(values: Sequence[str], path: str, what: str) -> Iterator[Cause]:
    if len(values) > 1 and _ALL in values:
        detail = f"if '*' is present, must not specify other {what}"
        yield field.invalid(path, list(values), detail)


def _validate_verbs(verbs: Sequence[str], path: str) -> Iterator[Cause]:
    if not verbs:
        yield field.required(path, "verbs must contain at least one value")
    elif _ALL in verbs:
        yield from _alone(verbs, path, "verbs")
    elif any(verb not in _VERBS for verb in verbs):
        yield field.not_supported(path, list(verbs), sorted(_VERBS))


def _validate_resources(rule: Object, path: str) -> Iterator[Cause]:
    yield from _validate_verbs(rule.get("verbs") or (), f"{path}.verbs")
    for name, one, many in (
        ("apiGroups", "api group", "api groups"),
        ("resources", "resource", "resources"),
    ):
        values = rule.get(name) or ()
        if not values:
            detail = f"resource rules must supply at least one {one}"
            yield field.required(f"{path}.{name}", detail)
        yield from _alone(values, f"{path}.{name}", many)
    namespaces, where = rule.get("namespaces") or (), f"{path}.namespaces"
    if not namespaces and not rule.get("clusterScope"):
        detail = "resource rules that are not cluster scoped must supply at least one namespace"
        yield field.required(where, detail)
    elif _ALL in namespaces:
        yield from _alone(namespaces, where, "namespaces")
    else:
        for index, namespace in enumerate(namespaces):
            for message in validation.dns1123_label(namespace):
                yield field.invalid(f"{where}[{index}]", namespace, message)


def _validate_urls(rule: Object, path: str) -> Iterator[Cause]:
    yield from _validate_verbs(rule.get("verbs") or (), f"{path}.verbs")
    urls, where = rule.get("nonResourceURLs") or (), f"{path}.nonResourceURLs"
    if not urls:
        yield field.required(where, "nonResourceURLs must contain at least one value")
    elif _ALL in urls:
        yield from _alone(urls, where, "non-resource URLs")
    else:
        for index, url in enumerate(urls):
            if why := _why_no_path(url):
                yield field.invalid(f"{where}[{index}]", url, why)


def _why_no_path(url: str) -> str:
    if not url:
        return "must not be empty"
    if url == "/":
        return ""
    if not url.startswith("/"):
        return "must start with slash"
    if " " in url:
        return "must not contain white-space"
    if "//" in url:
        return "must not contain double slash"
    if "*" in url[:-1] or (url.endswith("*") and not url.endswith("/*")):
        return "wildcard can only do suffix matching"
    return ""
