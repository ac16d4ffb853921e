import pytest

from kubeapi.patch import json_patch
from kubeapi.status import StatusError

POD = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c"}]}}


def test_operations_apply_and_the_original_stays():
    patched = json_patch(
        POD,
        [
            {"op": "test", "path": "/metadata/labels/a", "value": "b"},
            {"op": "add", "path": "/metadata/labels/example.com~1x", "value": "y"},
            {"op": "replace", "path": "/spec/containers/0/name", "value": "d"},
            {"op": "add", "path": "/spec/containers/-", "value": {"name": "e"}},
            {"op": "remove", "path": "/metadata/labels/a"},
        ],
    )
    assert patched == {
        "metadata": {"labels": {"example.com/x": "y"}},
        "spec": {"containers": [{"name": "d"}, {"name": "e"}]},
    }
    assert POD["spec"]["containers"] == [{"name": "c"}]


@pytest.mark.parametrize(
    ("ops", "code"),
    [
        ({}, 400),
        ([3], 400),
        ([{"op": "explode", "path": "/a"}], 400),
        ([{"op": "add", "path": "no-slash", "value": 1}], 400),
        ([{"op": "add"}], 400),
        ([{"op": "remove", "path": "/missing"}], 422),
        ([{"op": "test", "path": "/metadata/labels/a", "value": "c"}], 422),
        ([{"op": "add", "path": "/spec/containers/7", "value": 1}], 422),
        ([{"op": "add", "path": "/spec/containers/x/y", "value": 1}], 422),
        ([{"op": "add", "path": "/metadata/labels/a/b", "value": 1}], 422),
        ([{"op": "replace", "path": "", "value": 1}], 422),
        ([{"op": "copy", "path": "/a"}], 422),
        ([{"op": "test", "path": "", "value": {}}] * 10_001, 413),
    ],
)
def test_what_cannot_be_applied_says_so(ops, code):
    with pytest.raises(StatusError) as caught:
        json_patch(POD, ops)
    assert caught.value.code == code


def test_refusals_name_the_path_and_nothing_of_the_object():
    secret = {"data": {"password": "s3cret"}}
    with pytest.raises(StatusError) as refused:
        json_patch(secret, [{"op": "replace", "path": "/data/nope/x", "value": 1}])
    assert str(refused.value) == (
        'replace operation does not apply: doc is missing path: "/data/nope/x": missing value'
    )
    with pytest.raises(StatusError, match="testing value /data/password failed: test failed"):
        json_patch(secret, [{"op": "test", "path": "/data/password", "value": "guess"}])
