"""Sets of fields written when their type was another (upstream: typed.ReconcileFieldSetWithSchema).

A custom kind's list or map may become one field. Who owned something in it then owns it whole.
The other way round nothing needs to be done.
"""

from __future__ import annotations

from kubeapi.apply import elements
from kubeapi.apply.field_set import MEMBER, SELF, Node
from kubeapi.schema import TypeSchema
from kubeapi.schema.types import Shape

_ATOMS = (Shape.OBJECT, Shape.MAP, Shape.LIST)


def reconciled(fields: Node, schema: TypeSchema) -> Node:
    """Return *fields* as *schema* has them; the very same where it always did."""
    if not fields or schema.shape not in _ATOMS:
        return fields
    if not (elements.is_granular(schema) or elements.is_associative(schema)):
        return MEMBER
    changed = {}
    for name, node in fields.items():
        found = node if name == SELF else reconciled(node, elements.below(schema, name))
        if found is not node:
            changed[name] = found
    return {**fields, **changed} if changed else fields
