"""The account of a pod that names none.

Upstream's ServiceAccount plugin does it; the volume with the token needs the account and is that
plugin's here, too (`serviceaccount.admission`), which servers without tokens have not.
"""

from __future__ import annotations

from kubeapi.objects import Object


def admit(spec: Object) -> None:
    """Complete the spec of a pod."""
    spec["serviceAccountName"] = spec.get("serviceAccountName") or "default"
    spec["serviceAccount"] = spec["serviceAccountName"]
