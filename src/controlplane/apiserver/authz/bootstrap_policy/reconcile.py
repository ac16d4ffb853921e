"""What a start does to the roles and bindings that should be there (upstream: reconciliation).

What lacks is added; what somebody added stays, so that a person may give more. Whoever wants to
take something away, or to keep a role as it is, sets the annotation `autoupdate` to false. A
binding that leads to another role is made anew: where it leads never changes.
"""

from __future__ import annotations

from collections.abc import Iterator

from controlplane.apiserver.authz.bootstrap_policy.bindings import (
    cluster_role_bindings,
    namespace_role_bindings,
    namespace_roles,
)
from controlplane.apiserver.authz.bootstrap_policy.cluster_roles import cluster_roles
from controlplane.apiserver.authz.bootstrap_policy.controller_roles import (
    controller_role_bindings,
    controller_roles,
)
from controlplane.apiserver.authz.bootstrap_policy.notation import AUTOUPDATE
from controlplane.apiserver.authz.rule import Rule, missing
from kubeapi.objects import Object, annotations_of, labels_of


def policy() -> Iterator[Object]:
    """Return every role and every binding, roles first."""
    yield from cluster_roles()
    yield from controller_roles()
    yield from namespace_roles()
    yield from cluster_role_bindings()
    yield from controller_role_bindings()
    yield from namespace_role_bindings()


def leads_elsewhere(wanted: Object, found: Object) -> bool:
    """Tell whether *found* is a binding to another role, to be made anew."""
    return bool(
        wanted.get("roleRef") != found.get("roleRef")
        and annotations_of(found).get(AUTOUPDATE) != "false"
    )


def completed(wanted: Object, found: Object) -> Object:
    """Return *found* with what it lacks of *wanted*; itself when it lacks nothing."""
    if annotations_of(found).get(AUTOUPDATE) == "false":
        return found
    metadata = {
        **found["metadata"],
        "labels": {**labels_of(found), **labels_of(wanted)},
        "annotations": {**annotations_of(wanted), **annotations_of(found)},
    }
    parts = _subjects(wanted, found) if "roleRef" in wanted else _rules(wanted, found)
    return {**found, "metadata": metadata, **parts}


def _rules(wanted: Object, found: Object) -> Object:
    aggregation = wanted.get("aggregationRule")
    if aggregation is not None:  # The rules are the controller's.
        selectors = (found.get("aggregationRule") or {}).get("clusterRoleSelectors") or []
        lacking = [each for each in aggregation["clusterRoleSelectors"] if each not in selectors]
        whole = {"clusterRoleSelectors": [*selectors, *lacking]}
        return {"aggregationRule": whole} if lacking else {}
    rules: list[Object] = found.get("rules") or []
    held = [Rule.of(rule) for rule in rules]
    lacks = missing(held, (Rule.of(rule) for rule in wanted["rules"]))
    return {"rules": [*rules, *(rule.to_object() for rule in lacks)]} if lacks else {}


def _subjects(wanted: Object, found: Object) -> Object:
    subjects: list[Object] = found.get("subjects") or []
    lacking = [each for each in wanted.get("subjects") or () if each not in subjects]
    return {"subjects": [*subjects, *lacking]} if lacking else {}
