"""Structural schemas: what CustomResourceDefinitions say of their objects.

Upstream: apiextensions-apiserver's `pkg/apiserver/schema` and `validation`. A version's
openAPIV3Schema is compiled once to the TypeSchema that patches and server-side apply read, too; its
`rules` hold what built-in types do not have. On every write an object is pruned, filled in and then
judged, in this order; what is read from the store is pruned and filled in alike.
"""

from kubeapi.schema.structural.build import build
from kubeapi.schema.structural.defaulting import fill
from kubeapi.schema.structural.pruning import prune
from kubeapi.schema.structural.validation import causes_of

__all__ = ["build", "causes_of", "fill", "prune"]
