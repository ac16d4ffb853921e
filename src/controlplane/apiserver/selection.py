"""Which objects a list or watch asks for: namespace, name, labels, fields."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from controlplane.apiserver.kinds.kind import Kind
from controlplane.apiserver.stored import StoredObject
from kubeapi.objects import Object
from kubeapi.selectors import (
    FieldSelector,
    LabelSelector,
    SelectorError,
    parse_field_selector,
    parse_label_selector,
)
from kubeapi.status import bad_request

_ALWAYS: Final = ("metadata.name", "metadata.namespace")
_BARE: Final[Object] = {"metadata": {}}


@dataclass(frozen=True, slots=True)
class Selection:
    """A filter over the objects of one kind below one key prefix."""

    labels: LabelSelector
    fields: FieldSelector
    prefix: str  # Of keys: all of the kind, or one namespace of it.

    @property
    def is_everything(self) -> bool:
        """Tell whether the prefix alone decides."""
        return self.labels.matches_everything and not self.fields.requirements

    def matches(self, stored: StoredObject) -> bool:
        """Tell whether *stored* is asked for."""
        if not stored.key.startswith(self.prefix):
            return False
        if self.fields.requirements and not self.fields.matches(stored.field):
            return False
        return self.labels.matches_everything or self.labels.matches(stored.labels)


def parse_selection(kind: Kind, prefix: str, query: Mapping[str, str]) -> Selection:
    """Read the selectors of a query; raises StatusError 400."""
    try:
        labels = parse_label_selector(query.get("labelSelector", ""))
        fields = parse_field_selector(query.get("fieldSelector", ""))
    except SelectorError as error:
        raise bad_request(str(error)) from None
    if fields.requirements:
        fields = _hub_fields(kind, fields)
    return Selection(labels, fields, prefix)


def _hub_fields(kind: Kind, asked: FieldSelector) -> FieldSelector:
    """Return *asked* with the names that the stored version has; raises StatusError 400."""
    offered = kind.fields(_BARE) if kind.hub is None else kind.hub_fields
    for requirement in asked.requirements:
        if requirement.field not in (*_ALWAYS, *offered):
            raise bad_request(
                f'Unable to find "{kind.resource.api_version}, Resource='
                f'{kind.resource.plural}" that match field selector "{asked}": '
                f"field label not supported: {requirement.field}"
            )
    if kind.hub is None:
        return asked
    names = kind.hub_fields
    return FieldSelector(
        tuple(replace(each, field=names.get(each.field, each.field)) for each in asked.requirements)
    )
