"""What every built-in kind of Kubernetes 1.32 looks like, and the checks made from that."""

from kubeapi.schema.openapi import CustomSchema, openapi_v3_document, openapi_v3_paths
from kubeapi.schema.types import TypeSchema, schema_for
from kubeapi.schema.validate import unknown_fields, validate

__all__ = [
    "CustomSchema",
    "TypeSchema",
    "openapi_v3_document",
    "openapi_v3_paths",
    "schema_for",
    "unknown_fields",
    "validate",
]
