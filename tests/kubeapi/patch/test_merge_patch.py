import pytest

from kubeapi.patch import merge_patch
from kubeapi.status import StatusError


@pytest.mark.parametrize(
    ("original", "patch", "expected"),
    [  # RFC 7386, appendix A, as far as both are objects.
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_rfc_7386(original, patch, expected):
    before = {**original}
    assert merge_patch(original, patch) == expected
    assert original == before


@pytest.mark.parametrize("patch", [[], "text", None, 3])
def test_what_is_no_object_is_no_patch(patch):
    with pytest.raises(StatusError) as caught:
        merge_patch({}, patch)
    assert caught.value.code == 400
