import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kubeapi.objects import deep_copy
from kubeapi.patch import json_patch
from kubeapi.patch.json_patch import COPIED_OCTETS_MAX
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
    ("ops", "left"),
    [
        # RFC 6902, appendix A.
        ([("add", "/b", "q")], {"a": [1, 2, 3], "b": "q"}),
        ([("add", "/a/1", 9)], {"a": [1, 9, 2, 3]}),
        ([("remove", "/a/1")], {"a": [1, 3]}),
        ([("replace", "/a", None)], {"a": None}),
        ([("move", "/a/2", "/a/0")], {"a": [3, 1, 2]}),
        ([("copy", "/a/0", "/b")], {"a": [1, 2, 3], "b": 1}),
        ([("add", "/b", {"c": {}}), ("add", "/b/c/d", 1)], {"a": [1, 2, 3], "b": {"c": {"d": 1}}}),
        ([("add", "/~01", 1), ("test", "/~01", 1)], {"a": [1, 2, 3], "~1": 1}),
        ([("add", "/a/-", [4])], {"a": [1, 2, 3, [4]]}),
        ([("test", "/nothing", None)], {"a": [1, 2, 3]}),
        ([("test", "/a", [1, 2, 3])], {"a": [1, 2, 3]}),
        # Beyond the RFC, as upstream's library has it.
        ([("remove", "/a/-1")], {"a": [1, 2]}),
        ([("add", "/a/-1", 9)], {"a": [1, 2, 3, 9]}),
        ([("replace", "/a/-3", 9)], {"a": [9, 2, 3]}),
        ([("copy", "/a", "/b"), ("add", "/b/-", 4)], {"a": [1, 2, 3], "b": [1, 2, 3, 4]}),
    ],
)
def test_what_operations_leave(ops, left):
    assert json_patch({"a": [1, 2, 3]}, [_operation(*op) for op in ops]) == left


def _operation(verb, path, other=None):
    if verb in ("move", "copy"):
        return {"op": verb, "from": path, "path": other}
    return {"op": verb, "path": path, "value": other}


@pytest.mark.parametrize(
    ("op", "said"),
    [
        ({"op": "explode", "path": "/a"}, "Unexpected kind: explode"),
        ({"path": "/a"}, "Unexpected kind: unknown"),
        ({"op": "add"}, "add operation failed to decode path: missing value"),
        ({"op": "add", "path": 7}, "add operation failed to decode path: missing value"),
        ({"op": "copy", "path": "/a"}, "copy operation failed to decode from: missing value"),
        ({"op": "add", "path": "no", "value": 1},
         'add operation does not apply: doc is missing path: "no": missing value'),
        ({"op": "replace", "path": "", "value": 1},
         "replace operation does not apply: doc is missing path: : missing value"),
        ({"op": "replace", "path": "/x", "value": 1},
         "replace operation does not apply: doc is missing key: /x: missing value"),
        ({"op": "replace", "path": "/spec/containers/1", "value": 1},
         "replace operation does not apply: doc is missing key: /spec/containers/1: missing value"),
        ({"op": "remove", "path": "/x"},
         "error in remove for path: '/x': Unable to remove nonexistent key: x: missing value"),
        ({"op": "remove", "path": "/x/y"},
         'remove operation does not apply: doc is missing path: "/x/y": missing value'),
        ({"op": "remove", "path": "/spec/containers/-2"},
         "error in remove for path: '/spec/containers/-2': Unable to access invalid index: -2: "
         "invalid index referenced"),
        ({"op": "add", "path": "/spec/containers/7", "value": 1},
         "error in add for path: '/spec/containers/7': Unable to access invalid index: 7: "
         "invalid index referenced"),
        ({"op": "add", "path": "/spec/containers/x", "value": 1},
         "error in add for path: '/spec/containers/x': value was not a proper array index: 'x'"),
        ({"op": "add", "path": "/metadata/labels/a/b", "value": 1},
         'add operation does not apply: doc is missing path: "/metadata/labels/a/b": missing '),
        ({"op": "move", "from": "/x", "path": "/y"},
         "error in move for path: 'x': unable to get nonexistent key: x: missing value"),
        ({"op": "move", "from": "/spec", "path": "/x/y"},
         "move operation does not apply: doc is missing destination path: /x/y: missing value"),
        ({"op": "copy", "from": "/x/y", "path": "/y"},
         "copy operation does not apply: doc is missing from path: /x/y: missing value"),
        ({"op": "test", "path": "/metadata/labels/a", "value": "c"},
         "testing value /metadata/labels/a failed: test failed"),
        ({"op": "test", "path": "/metadata", "value": None},
         "testing value /metadata failed: test failed"),
        ({"op": "test", "path": "/x/y", "value": 1},
         "test operation does not apply: doc is missing path: /x/y: missing value"),
    ],
)  # fmt: skip
def test_what_cannot_be_applied_says_so_in_upstreams_words(op, said):
    with pytest.raises(StatusError) as refused:
        json_patch(POD, [op])
    assert refused.value.code == 422
    assert str(refused.value).startswith(said)


@pytest.mark.parametrize(
    ("ops", "code"),
    [({}, 400), ([3], 400), ([None], 400), ([{"op": "test", "path": "/x"}] * 10_001, 413)],
)
def test_what_is_no_patch(ops, code):
    with pytest.raises(StatusError) as refused:
        json_patch(POD, ops)
    assert refused.value.code == code


@pytest.mark.parametrize(("found", "wanted"), [(1, True), (1, 1.0), ([1], [True]), ({"a": 1}, {})])
def test_values_are_compared_as_json_does(found, wanted):
    with pytest.raises(StatusError, match="test failed"):
        json_patch({"x": found}, [{"op": "test", "path": "/x", "value": wanted}])


def test_copies_that_grow_without_end_are_refused():
    ops = [{"op": "add", "path": "/x", "value": {"y": "z" * 1000}}]
    ops += [{"op": "copy", "from": "/x", "path": f"/x/{n}"} for n in range(60)]
    with pytest.raises(StatusError, match=rf"exceeding the limit {COPIED_OCTETS_MAX}") as refused:
        json_patch({}, ops)
    assert refused.value.code == 422


def test_moves_that_nest_without_end_are_refused():
    ops = [{"op": "add", "path": "/a", "value": {}}]
    for _ in range(3_000):
        ops += [
            {"op": "add", "path": "/b", "value": {}},
            {"op": "move", "from": "/a", "path": "/b/a"},
            {"op": "move", "from": "/b", "path": "/a"},
        ]
    with pytest.raises(StatusError, match="nests the object too deeply"):
        json_patch({}, [*ops, {"op": "copy", "from": "/a", "path": "/c"}])


_paths = st.lists(st.sampled_from(["a", "b", "0", "1", "-", "-1", "~1"]), max_size=3)
_values = st.recursive(
    st.none() | st.integers(0, 2) | st.booleans(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("ab"), inner),
    max_leaves=5,
)
_operations = st.fixed_dictionaries(
    {
        "op": st.sampled_from(["add", "remove", "replace", "move", "copy", "test"]),
        "path": _paths.map(lambda keys: "".join(f"/{key}" for key in keys)),
        "from": _paths.map(lambda keys: "".join(f"/{key}" for key in keys)),
        "value": _values,
    }
)


@given(st.dictionaries(st.sampled_from("ab"), _values), st.lists(_operations, max_size=5))
@settings(max_examples=80)
def test_any_patch_is_applied_or_refused_and_changes_nothing_else(obj, ops):
    before = deep_copy({"obj": obj, "ops": ops})
    first, second = (_outcome(obj, ops) for _ in range(2))
    assert first == second
    assert {"obj": obj, "ops": ops} == before


def _outcome(obj, ops):
    try:
        return json_patch(obj, ops)
    except StatusError as refused:
        return refused.code, str(refused)
