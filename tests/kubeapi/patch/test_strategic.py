import copy

import pytest

from kubeapi.patch import strategic_merge_patch
from kubeapi.schema import schema_for
from kubeapi.status import StatusError


def pod_spec(*containers, **more):
    return {"spec": {"containers": list(containers), **more}}


def patched(original, patch, kind="Pod", api_version="v1"):
    before = copy.deepcopy(original), copy.deepcopy(patch)
    result = strategic_merge_patch(original, patch, schema_for(api_version, kind))
    assert (original, patch) == before  # Arguments stay as they are.
    return result


A, B, C = {"name": "a", "image": "1"}, {"name": "b", "image": "1"}, {"name": "c", "image": "1"}


@pytest.mark.parametrize(
    ("original", "patch", "expected"),
    [
        # As in the docs of `kubectl patch`: what the patch adds stands before what was there.
        ([A, B], [{"name": "b", "image": "2"}], [A, {"name": "b", "image": "2"}]),
        ([A], [B], [B, A]),
        ([A, B], [{"name": "a", "$patch": "delete"}], [B]),
        ([A, B], [C, {"$patch": "replace"}], [C]),
        ([A], [{"name": "missing", "$patch": "delete"}], [A]),
        ([A], [{"name": "a", "image": None}], [{"name": "a"}]),
    ],
)
def test_lists_of_maps_merge_by_key(original, patch, expected):
    assert patched(pod_spec(*original), pod_spec(*patch)) == pod_spec(*expected)


def test_set_element_order_orders_and_keeps_what_only_the_server_has():
    order = {"$setElementOrder/containers": [{"name": "c"}, {"name": "a"}]}
    result = patched(pod_spec(A, B), {"spec": {**order, "containers": [C]}})
    assert [c["name"] for c in result["spec"]["containers"]] == ["c", "a", "b"]
    result = patched(pod_spec(A, C, B), {"spec": order})
    assert [c["name"] for c in result["spec"]["containers"]] == ["c", "a", "b"]
    result = patched(pod_spec(B, A, C), {"spec": order})
    assert [c["name"] for c in result["spec"]["containers"]] == ["b", "c", "a"]
    result = patched({"spec": {}}, {"spec": {**order, "containers": [C, A]}})
    assert [c["name"] for c in result["spec"]["containers"]] == ["c", "a"]


def test_lists_of_primitives_merge_as_sets():
    original = {"metadata": {"finalizers": ["a", "b"]}}
    assert patched(original, {"metadata": {"finalizers": ["b", "c"]}}) == {
        "metadata": {"finalizers": ["a", "b", "c"]}
    }
    delete = {"metadata": {"$deleteFromPrimitiveList/finalizers": ["a"]}}
    assert patched(original, delete) == {"metadata": {"finalizers": ["b"]}}


def test_lists_without_a_strategy_are_replaced():
    args = {"name": "a", "args": ["x", "y"]}
    result = patched(pod_spec(args), pod_spec({"name": "a", "args": ["z"]}))
    assert result == pod_spec({"name": "a", "args": ["z"]})
    tolerations = [{"key": "a"}]
    result = patched(pod_spec(tolerations=tolerations), {"spec": {"tolerations": [{"key": "b"}]}})
    assert result["spec"]["tolerations"] == [{"key": "b"}]


def test_maps_merge_null_deletes_and_directives_work():
    original = {"metadata": {"labels": {"a": "1", "b": "2"}}}
    assert patched(original, {"metadata": {"labels": {"a": None, "c": "3"}}}) == {
        "metadata": {"labels": {"b": "2", "c": "3"}}
    }
    replace = {"metadata": {"labels": {"$patch": "replace", "c": "3"}}}
    assert patched(original, replace) == {"metadata": {"labels": {"c": "3"}}}
    delete = {"metadata": {"labels": {"$patch": "delete"}}}
    assert patched(original, delete) == {"metadata": {"labels": {}}}


def test_retain_keys_clears_the_other_members_of_a_union():
    rolling = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}
    recreate = {"$retainKeys": ["type"], "type": "Recreate"}
    result = patched(
        {"spec": {"strategy": rolling}}, {"spec": {"strategy": recreate}}, "Deployment", "apps/v1"
    )
    assert result == {"spec": {"strategy": {"type": "Recreate"}}}


def test_what_is_new_comes_without_nulls_and_directives():
    new = {"name": "a", "image": None, "resources": {"$patch": "replace", "limits": {"cpu": "1"}}}
    result = patched(
        {"spec": {}}, {"spec": {"containers": [new, {"name": "b", "$patch": "delete"}]}}
    )
    # A directive about what is not there takes it along, as upstream has it.
    assert result == pod_spec({"name": "a"})
    assert patched({}, {"spec": {"$patch": "replace", "nodeName": "n"}}) == {}


@pytest.mark.parametrize(
    ("patch", "code"),
    [
        ([], 400),
        ({"$patch": "explode"}, 400),
        (pod_spec({"image": "no name"}), 422),
        (pod_spec("text"), 422),
        (pod_spec({"name": "a", "$patch": "explode"}), 400),
        ({"spec": {"$retainKeys": "x"}}, 400),
        ({"spec": {"$retainKeys": ["hostname"], "nodeName": "n"}}, 400),
        ({"metadata": {"$deleteFromPrimitiveList/finalizers": "a"}}, 400),
        ({"spec": {"$setElementOrder/containers": "a"}}, 400),
        ({"spec": {"$setElementOrder/containers": [{"name": "a"}], "containers": [B]}}, 400),
        ({"spec": {"$setElementOrder/containers": [3], "containers": [A]}}, 422),
        ({"spec": {"$setElementOrder/containers": [B, A], "containers": [A, B]}}, 400),
        ({"metadata": {"finalizers": [["a"]]}}, 422),
        ({"metadata": {"$setElementOrder/finalizers": [["a"]], "finalizers": ["a"]}}, 422),
        (pod_spec({"name": ["a"]}, "text"), 422),
    ],
)
def test_a_patch_that_makes_no_sense_is_refused(patch, code):
    with pytest.raises(StatusError) as caught:
        patched({**pod_spec(A), "metadata": {"finalizers": []}}, patch)
    assert caught.value.code == code


delete_a = {"name": "a", "$patch": "delete"}


def ordered(*names):
    return {"$setElementOrder/containers": [{"name": name} for name in names]}


@pytest.mark.parametrize(
    ("held", "patch", "left"),
    [
        # What is gone makes room for what is new, before what only the server has.
        ("a b d", {**ordered("b", "c"), "containers": [{"name": "c"}, delete_a]}, "b d c"),
        ("a d", {**ordered("b", "c"), "containers": [{"name": "b"}, {"name": "c"}, delete_a]},
         "d b c"),
        # What is there twice goes where it is named first.
        ("a b c b d", ordered("b", "a", "d", "c", "b"), "b b a d c"),
        ("a b c", {"$setElementOrder/containers": None, **ordered()}, "a b c"),
    ],
)  # fmt: skip
def test_order_among_what_comes_and_goes(held, patch, left):
    result = patched(pod_spec(*({"name": name} for name in held.split())), {"spec": patch})
    assert " ".join(item["name"] for item in result["spec"]["containers"]) == left


def test_retain_keys_may_come_with_what_it_clears():
    held = {"spec": {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}}}
    patch = {"$retainKeys": ["type"], "type": "Recreate", "rollingUpdate": None}
    result = patched(held, {"spec": {"strategy": patch}}, "Deployment", "apps/v1")
    assert result == {"spec": {"strategy": {"type": "Recreate"}}}


def test_values_of_lists_are_told_apart_by_their_types():
    held = {"metadata": {"finalizers": [1, True, "1"]}}
    patch = {"metadata": {"finalizers": [1.5, 1, True]}}
    assert patched(held, patch) == {"metadata": {"finalizers": [1.5, 1, True, "1"]}}
    gone = {"metadata": {"$deleteFromPrimitiveList/finalizers": None}}
    assert patched(held, gone) == {"metadata": {}}


def test_ports_of_one_number_merge_by_the_number_alone():
    # Upstream's merge key of ports is containerPort, whatever the protocol.
    dns = {"name": "a", "ports": [{"containerPort": 53, "protocol": "UDP"}]}
    tcp = {"name": "a", "ports": [{"containerPort": 53, "protocol": "TCP", "name": "x"}]}
    assert patched(pod_spec(dns), pod_spec(tcp)) == pod_spec(tcp)
