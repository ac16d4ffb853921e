"""What every built-in kind of Kubernetes 1.32 looks like, and the checks made from that."""

from kubeapi.schema.types import TypeSchema, schema_for
from kubeapi.schema.validate import unknown_fields, validate

__all__ = [
    "TypeSchema",
    "schema_for",
    "unknown_fields",
    "validate",
]
