from __future__ import annotations

from controlplane.apiserver.kinds.pod.admission import admit


def test_admission_fills_in_the_account():
    spec = {}
    admit(spec)
    assert spec == {"serviceAccountName": "default", "serviceAccount": "default"}
