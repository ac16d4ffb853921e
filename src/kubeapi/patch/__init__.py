"""The three kinds of patch that the API takes: JSON patch, merge patch, strategic merge patch.

Each returns a new object that shares nothing with its arguments. A patch that makes no sense is
a StatusError: 400 when it is malformed, 422 when it cannot be applied to this object.
"""

from kubeapi.patch.json_patch import json_patch
from kubeapi.patch.merge_patch import merge_patch
from kubeapi.patch.strategic import strategic_merge_patch

__all__ = ["json_patch", "merge_patch", "strategic_merge_patch"]
