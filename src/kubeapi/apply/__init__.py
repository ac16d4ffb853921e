"""Server-side apply: who owns which field, and what happens when they disagree.

Upstream: structured-merge-diff and apimachinery's `managedfields`. Pure: objects in, objects out.
"""

from kubeapi.apply.configuration import check
from kubeapi.apply.conflicts import ApplyConflict
from kubeapi.apply.elements import InvalidList
from kubeapi.apply.scale import apply_scale
from kubeapi.apply.updater import Writer, apply, track

__all__ = ["ApplyConflict", "InvalidList", "Writer", "apply", "apply_scale", "check", "track"]
