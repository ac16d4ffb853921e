"""Which EndpointSlices to create, update and delete (upstream: staging/endpointslice).

Existing slices keep the endpoints that they have: a change of one pod rewrites one slice. New
endpoints fill slices that change anyway; of the others new slices take whole hundreds, and the
remainder goes where it leaves the least room. A Service keeps one empty slice of each family that
it has no endpoint of, which says that the controller has seen it. Slices of a Service that is gone
and had the same name are never written: they go.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from controlplane.controllermanager.endpointslice.endpoints import Group, Port
from controlplane.controllermanager.endpointslice.well_known import (
    CONTROLLER_NAME,
    HEADLESS,
    MANAGED_BY,
    SERVICE_NAME,
)
from kubeapi.objects import (
    Object,
    annotations_of,
    is_being_deleted,
    labels_of,
    name_of,
    namespace_of,
    owner_reference,
)

ENDPOINTS_MAX: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """What all slices of one owner have in common."""

    name: str
    namespace: str
    owner: Object  # An owner reference.
    labels: Object
    annotations: Object | None = None  # None: they are somebody else's.
    endpoints_max: int = ENDPOINTS_MAX
    #: Of the slices that say that a family has no endpoints.
    empty: tuple[Group, ...] = ()


def template_of(service: Object) -> Template:
    """Return what the slices of *service* have in common."""
    families = service["spec"].get("ipFamilies") or ["IPv4"]
    return Template(
        name=name_of(service),
        namespace=namespace_of(service),
        owner=owner_reference(service),
        labels=labels_for(service),
        empty=tuple(Group(family, ()) for family in families),
    )


@dataclass(slots=True)
class Plan:
    """What to write."""

    create: list[Object] = field(default_factory=list)
    update: list[Object] = field(default_factory=list)
    delete: list[Object] = field(default_factory=list)


def plan(
    service: Object, wanted: Mapping[Group, Sequence[Object]], slices: Sequence[Object]
) -> Plan:
    """Return what turns a Service's *slices* into the *wanted* endpoints with the fewest writes."""
    result = plan_slices(template_of(service), wanted, slices)
    if is_being_deleted(service):
        result.create.clear()  # They would have to go with it.
    return result


def plan_slices(
    template: Template, wanted: Mapping[Group, Sequence[Object]], slices: Sequence[Object]
) -> Plan:
    """Do as `plan`, for whoever owns the slices."""
    groups = dict(wanted)
    families = {group.address_type for group in wanted}
    groups |= {group: [] for group in template.empty if group.address_type not in families}
    result = Plan()
    by_group: dict[Group, list[Object]] = {}
    others = []
    for one in slices:
        if _is_owned(one, template):
            by_group.setdefault(_group_of(one), []).append(one)
        else:
            others.append(one)
    for group, endpoints in groups.items():
        _plan_group(result, template, group, endpoints, by_group.pop(group, []))
    for leftover in by_group.values():
        result.delete.extend(leftover)
    result = _reused(result)
    result.delete += others
    return result


def _is_owned(one: Object, template: Template) -> bool:
    references = one["metadata"].get("ownerReferences") or ()
    return any(reference.get("uid") == template.owner["uid"] for reference in references)


def _group_of(one: Object) -> Group:
    ports = tuple(Port.from_object(item) for item in one.get("ports") or ())
    return Group(one["addressType"], ports)


@dataclass(slots=True)
class _Draft:
    """A slice on its way to its new content; *before* is None for one that is to be created."""

    before: Object | None
    endpoints: list[Object]
    changed: bool


def _plan_group(
    result: Plan,
    template: Template,
    group: Group,
    endpoints: Sequence[Object],
    existing: Sequence[Object],
) -> None:
    missing = {_identity(endpoint): endpoint for endpoint in endpoints}
    drafts = [_kept(one, missing, template) for one in existing]
    _place(drafts, list(missing.values()), template.endpoints_max)
    if not drafts:
        drafts.append(_Draft(None, [], True))
    for index, draft in enumerate(drafts):
        content = _content(template, group, draft)
        if draft.before is None:
            result.create.append(content)
        elif not draft.endpoints and (endpoints or index > 0):
            result.delete.append(draft.before)
        elif draft.changed:
            result.update.append(content)


def _identity(endpoint: Object) -> tuple[str, str]:
    reference = endpoint.get("targetRef") or {}
    return str(reference.get("uid") or ""), str(endpoint["addresses"][0])


def _kept(one: Object, missing: dict[tuple[str, str], Object], template: Template) -> _Draft:
    """Keep what *one* has and should have; take that out of *missing*."""
    before = one.get("endpoints") or []
    kept = [
        missing.pop(_identity(endpoint)) for endpoint in before if _identity(endpoint) in missing
    ]
    changed = kept != before or template.labels != labels_of(one)
    if template.annotations is not None:
        changed = changed or template.annotations != annotations_of(one)
    return _Draft(one, kept, changed)


def _place(drafts: list[_Draft], missing: list[Object], endpoints_max: int) -> None:
    """Put *missing* where it costs the fewest writes."""
    fullest_first = sorted(drafts, key=lambda draft: -len(draft.endpoints))
    for draft in fullest_first:
        if draft.changed:
            room = endpoints_max - len(draft.endpoints)
            draft.endpoints += missing[:room]
            del missing[:room]
    while len(missing) >= endpoints_max:
        drafts.append(_Draft(None, missing[:endpoints_max], True))
        del missing[:endpoints_max]
    if not missing:
        return
    # An unchanged slice is opened only if all that is left fits: else a new slice is as cheap.
    fitting = (
        each for each in fullest_first if len(each.endpoints) + len(missing) <= endpoints_max
    )
    found = next(fitting, None)
    if found is None:
        drafts.append(_Draft(None, missing, True))
    else:
        found.endpoints += missing
        found.changed = True


def labels_for(service: Object) -> Object:
    """Return the labels of a slice of *service*: the Service's own and those of the API."""
    labels: Object = {
        key: value for key, value in labels_of(service).items() if key not in (HEADLESS,)
    }
    if service["spec"].get("clusterIP") == "None":
        labels[HEADLESS] = ""
    labels[SERVICE_NAME] = name_of(service)
    labels[MANAGED_BY] = CONTROLLER_NAME
    return labels


def _content(template: Template, group: Group, draft: _Draft) -> Object:
    metadata: Object = (
        {
            "generateName": f"{template.name}-",
            "namespace": template.namespace,
            "ownerReferences": [template.owner],
        }
        if draft.before is None
        else dict(draft.before["metadata"])
    )
    metadata["labels"] = template.labels
    if template.annotations is not None:
        metadata["annotations"] = template.annotations
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": metadata,
        "addressType": group.address_type,
        "endpoints": draft.endpoints,
        "ports": [port.to_object() for port in group.ports],
    }


def _reused(result: Plan) -> Plan:
    """Write new content into slices that would go: one update instead of two writes."""
    while result.create and result.delete:
        same_family = next(
            (one for one in result.delete if one["addressType"] == result.create[0]["addressType"]),
            None,
        )
        if same_family is None:
            break
        result.delete.remove(same_family)
        new = result.create.pop(0)
        labels = new["metadata"]["labels"]
        result.update.append({**new, "metadata": {**same_family["metadata"], "labels": labels}})
    return result
