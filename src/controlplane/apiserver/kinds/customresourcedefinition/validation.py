"""Validation of definitions (upstream: `apiextensions/validation`).

The schemas' own rules stand in `open_api` and `structural`, those of a version's other parts in
`version_parts`. Deviation: where upstream forgives an update what an old release has let pass,
nothing is forgiven, since this server never let it pass.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final
from urllib.parse import urlsplit

from controlplane.apiserver.kinds import metadata
from controlplane.apiserver.kinds.customresourcedefinition import spec as reading
from controlplane.apiserver.kinds.customresourcedefinition import version_parts
from controlplane.apiserver.kinds.customresourcedefinition.costs import (
    schemas_differ,
    validate_costs,
)
from controlplane.apiserver.kinds.customresourcedefinition.open_api import validate_schema
from controlplane.apiserver.kinds.customresourcedefinition.shapes import wrong_shapes
from kubeapi import field, validation
from kubeapi.objects import Object
from kubeapi.schema.structural.go_value import shown
from kubeapi.status import Cause

_SCOPES: Final = ("Cluster", "Namespaced")
_STRATEGIES: Final = ("None", "Webhook")
_REVIEW_VERSIONS: Final = ("v1", "v1beta1")
_MIXED_CASE: Final = "may have mixed case, but should otherwise match: "
_APPROVAL: Final = "api-approved.kubernetes.io"
_SEE: Final = "see https://github.com/kubernetes/enhancements/pull/1111"
_PORT_MAX: Final = 65535


def validate(crd: Object) -> list[Cause]:
    """Judge what may be wrong at any time."""
    spec = crd["spec"]
    wanted = f"{(spec.get('names') or {}).get('plural') or ''}.{spec.get('group') or ''}"

    def name_rule(name: str) -> validation.Messages:
        wrong = list(validation.dns1123_subdomain(name))
        return wrong if name == wanted else [*wrong, 'must be spec.names.plural+"."+spec.group']

    for part in reading.parts(crd, "schema"):
        schema = part.value.get("openAPIV3Schema") or {}
        if wrong := list(wrong_shapes(schema, f"{part.path}.openAPIV3Schema")):
            return wrong
    return [
        *metadata.validate(crd, name_rule, any_finalizer=True),
        *_validate_spec(crd, spec),
        *_validate_names((crd.get("status") or {}).get("acceptedNames") or {}, _ACCEPTED),
        *_validate_stored_versions(crd),
    ]


_ACCEPTED: Final = "status.acceptedNames"


def _validate_spec(crd: Object, spec: Object) -> Iterator[Cause]:
    yield from _validate_group(spec.get("group") or "")
    yield from _one_of(spec.get("scope") or "", _SCOPES, "spec.scope")
    versions = reading.versions_of(crd)
    for index, version in enumerate(versions):
        if reading.open_api_schema(version) is None:
            path = f"spec.versions[{index}].schema.openAPIV3Schema"
            yield field.required(path, "schemas are required")
    yield from _validate_versions(versions)
    names = spec.get("names") or {}
    for key in ("plural", "singular", "kind", "listKind"):
        if not names.get(key):
            yield field.required(f"spec.names.{key}")
    yield from _validate_names(names, "spec.names")
    for part in reading.parts(crd, "schema"):
        if (schema := part.value.get("openAPIV3Schema")) is not None:
            has_status = reading.status_enabled(part.version)
            yield from validate_schema(
                schema, f"{part.path}.openAPIV3Schema", has_status=has_status
            )
    yield from version_parts.validate(crd)
    if spec.get("preserveUnknownFields"):
        detail = (
            "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in "
            "spec.versions[*].schema instead"
        )
        yield field.invalid("spec.preserveUnknownFields", True, detail)
    yield from _validate_conversion(spec.get("conversion") or {})


def _validate_group(group: str) -> Iterator[Cause]:
    if not group:
        yield field.required("spec.group")
    elif wrong := validation.dns1123_subdomain(group):
        yield field.invalid("spec.group", group, ",".join(wrong))
    elif "." not in group:
        yield field.invalid("spec.group", group, "should be a domain with at least one dot")


def _one_of(value: str, accepted: Iterable[str], path: str) -> Iterator[Cause]:
    if not value:
        yield field.required(path)
    elif value not in accepted:
        yield field.not_supported(path, value, accepted)


def _validate_versions(versions: Iterable[Object]) -> Iterator[Cause]:
    names = [version.get("name") or "" for version in versions]
    for index, version in enumerate(versions):
        path = f"spec.versions[{index}]"
        if wrong := validation.dns1035_label(names[index]):
            yield field.invalid(f"{path}.name", names[index], ",".join(wrong))
        for detail in _deprecation_details(version):
            warning = version.get("deprecationWarning")
            yield field.invalid(f"{path}.deprecationWarning", warning, detail)
    if len(set(names)) != len(names):
        yield field.invalid("spec.versions", shown(names), "must contain unique version names")
    if sum(bool(version.get("storage")) for version in versions) != 1:
        detail = "must have exactly one version marked as storage version"
        yield field.invalid("spec.versions", shown(names), detail)


_WARNING_MAX: Final = 256


def _deprecation_details(version: Object) -> Iterator[str]:
    warning = version.get("deprecationWarning")
    if warning is None:
        return
    if not version.get("deprecated"):
        yield "can only be set for deprecated versions"
        return
    if len(warning.encode()) > _WARNING_MAX:
        yield f"must be <= {_WARNING_MAX} characters long"
    if not warning:
        yield "must not be an empty string"
    at = next((index for index, char in enumerate(warning) if not char.isprintable()), None)
    if at is not None:
        found = len(warning[:at].encode())
        yield (
            "must only contain printable UTF-8 characters; "
            f"non-printable character found at index {found}"
        )


def _validate_names(names: Object, path: str) -> Iterator[Cause]:
    for key in ("plural", "singular"):
        value = names.get(key) or ""
        if value and (wrong := validation.dns1035_label(value)):
            yield field.invalid(f"{path}.{key}", value, ",".join(wrong))
    for key in ("kind", "listKind"):
        value = names.get(key) or ""
        if value and (wrong := validation.dns1035_label(value.lower())):
            yield field.invalid(f"{path}.{key}", value, _MIXED_CASE + ",".join(wrong))
    for key in ("shortNames", "categories"):
        for index, value in enumerate(names.get(key) or ()):
            if wrong := validation.dns1035_label(value):
                yield field.invalid(f"{path}.{key}[{index}]", value, ",".join(wrong))
    if names.get("kind") and names["kind"] == names.get("listKind"):
        detail = "kind and listKind may not be the same"
        yield field.invalid(f"{path}.listKind", names["listKind"], detail)


def _validate_stored_versions(crd: Object) -> Iterator[Cause]:
    stored, path = (crd.get("status") or {}).get("storedVersions") or [], "status.storedVersions"
    if not stored:
        yield field.invalid(path, shown([]), "must have at least one stored version")
        return
    names = {version.get("name"): version for version in reading.versions_of(crd)}
    for name, version in names.items():
        if version.get("storage") and name not in stored:
            yield field.invalid(path, shown(stored), f"must have the storage version {name}")
    for index, name in enumerate(stored):
        if name not in names:
            yield field.invalid(f"{path}[{index}]", name, "must appear in spec.versions")


def _validate_conversion(conversion: Object) -> Iterator[Cause]:
    path = "spec.conversion"
    strategy = conversion.get("strategy") or ""
    yield from _one_of(strategy, _STRATEGIES, f"{path}.strategy")
    webhook = conversion.get("webhook") or {}
    client, reviews = webhook.get("clientConfig"), webhook.get("conversionReviewVersions") or []
    if strategy != "Webhook":
        detail = "should not be set when strategy is not set to Webhook"
        if client is not None:
            yield field.forbidden(f"{path}.webhookClientConfig", detail)
        if reviews:
            yield field.forbidden(f"{path}.conversionReviewVersions", detail)
        return
    if not isinstance(client, dict):
        detail = "required when strategy is set to Webhook"
        yield field.required(f"{path}.webhookClientConfig", detail)
    else:
        yield from _validate_client_config(client, f"{path}.webhookClientConfig")
    yield from _validate_review_versions(reviews, f"{path}.conversionReviewVersions")


def _validate_client_config(client: Object, path: str) -> Iterator[Cause]:
    url, service = client.get("url"), client.get("service")
    if (url is None) == (service is None):
        yield field.required(path, "exactly one of url or service is required")
    elif url is not None:
        yield from _validate_url(url, f"{path}.url")
    elif service is not None:
        for key in ("name", "namespace"):
            if not service.get(key):
                yield field.required(f"{path}.service.{key}")
        port = service.get("port", 443)
        if not 1 <= port <= _PORT_MAX:
            detail = f"port is not valid: must be between 1 and {_PORT_MAX}, inclusive"
            yield field.invalid(f"{path}.service.port", port, detail)
        where = service.get("path") or "/"
        if not where.startswith("/"):
            yield field.invalid(f"{path}.service.path", where, "must start with a '/'")


def _validate_url(url: str, path: str) -> Iterator[Cause]:
    form = "; desired format: https://host[/path]"
    try:
        parts = urlsplit(url)
    except ValueError as error:
        yield field.required(path, f"url must be a valid URL: {error}{form}")
        return
    if parts.scheme != "https":
        detail = f"'https' is the only allowed URL scheme{form}"
        yield field.invalid(path, parts.scheme, detail)
    if not parts.netloc:
        yield field.invalid(path, parts.netloc, f"host must be specified{form}")
    if parts.username is not None:
        detail = "user information is not permitted in the URL"
        yield field.invalid(path, parts.netloc, detail)
    if parts.fragment:
        yield field.invalid(path, parts.fragment, "fragments are not permitted in the URL")
    if parts.query:
        detail = "query parameters are not permitted in the URL"
        yield field.invalid(path, parts.query, detail)


def _validate_review_versions(reviews: list[str], path: str) -> Iterator[Cause]:
    if not reviews:
        yield field.required(path)
        return
    for index, name in enumerate(reviews):
        if name in reviews[:index]:
            yield field.invalid(f"{path}[{index}]", name, "duplicate version")
            continue
        for detail in validation.dns1035_label(name):
            yield field.invalid(f"{path}[{index}]", name, detail)
    if not any(name in _REVIEW_VERSIONS for name in reviews):
        detail = f"must include at least one of {', '.join(_REVIEW_VERSIONS)}"
        yield field.invalid(path, shown(reviews), detail)


_URL: Final = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*://[^/?#]+")


def validate_create(crd: Object) -> list[Cause]:
    return [*validate_costs(crd), *_validate_approval(crd, None)]


def validate_update(new: Object, old: Object) -> list[Cause]:
    """Judge what an update changes."""
    spec, before = new["spec"], old["spec"]
    names, names_before = spec.get("names") or {}, before.get("names") or {}
    causes = metadata.validate_update(new, old)
    if reading.is_established(old):
        causes += metadata.immutable(spec, before, "scope", "spec.scope")
        causes += metadata.immutable(names, names_before, "kind", "spec.names.kind")
    causes += metadata.immutable(spec, before, "group", "spec.group")
    causes += metadata.immutable(names, names_before, "plural", "spec.names.plural")
    if schemas_differ(new, old):
        causes += validate_costs(new)
    return [*causes, *_validate_approval(new, old)]


def _approval_state(approval: str) -> str:
    if not approval:
        return "missing"
    if approval.startswith("unapproved"):
        return "bypassed"
    return "approved" if _URL.match(approval) else "invalid"


def _validate_approval(new: Object, old: Object | None) -> Iterator[Cause]:
    """Judge the annotation that definitions in the community's groups must carry."""
    if not reading.is_protected(new["spec"].get("group") or ""):
        return
    approval = reading.approval_of(new)
    state = _approval_state(approval)
    if old is not None and _approval_state(reading.approval_of(old)) == state:
        return
    path, ask = f"metadata.annotations[{_APPROVAL}]", f'approval annotation "{_APPROVAL}"'
    if state == "missing":
        yield field.required(path, f"protected groups must have {ask}, {_SEE}")
    elif state == "invalid":
        detail = f'{ask} with either a URL or a reason starting with "unapproved", {_SEE}'
        yield field.invalid(path, approval, f"protected groups must have {detail}")


def validate_status(new: Object, old: Object) -> list[Cause]:
    """Judge an update of the status."""
    accepted: Object = (new.get("status") or {}).get("acceptedNames") or {}
    return [*metadata.validate_update(new, old), *_validate_names(accepted, _ACCEPTED)]
