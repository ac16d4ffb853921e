from __future__ import annotations

from controlplane.apiserver.kinds.kind import Kind
from kubeapi.resources import CONFIGMAPS


def test_a_row_that_says_nothing_asks_for_nothing():
    row = Kind(resource=CONFIGMAPS, singular="configmap")
    obj = {"metadata": {"name": "a"}, "status": {"x": 1}}
    row.default(obj)
    row.prepare_create(obj)
    row.prepare_update(obj, {})
    row.prepare_status_update(obj, {})
    assert obj == {"metadata": {"name": "a"}, "status": {"x": 1}}
    assert row.validate(obj) == row.validate_update(obj, obj) == []
    assert row.fields(obj) == {}
