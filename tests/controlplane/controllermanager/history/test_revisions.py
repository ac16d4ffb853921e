"""ControllerRevisions as values (upstream: controller_history_test.go)."""

from __future__ import annotations

from controlplane.controllermanager.history.revisions import (
    LIMIT_DEFAULT,
    by_number,
    choose,
    equal,
    hash_of,
    live_names,
    new_revision,
    next_number,
    surplus,
    template_of,
)

LABEL = "controller-revision-hash"


def owner(image="i", name="web"):
    spec = {"containers": [{"name": "c", "image": image}]}
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {"name": name, "namespace": "ns", "uid": "u", "annotations": {"why": "b"}},
        "spec": {"template": {"metadata": {"labels": {"app": "web"}}, "spec": spec}},
    }


def numbered(name, number):
    return {"metadata": {"name": name}, "revision": number}


def test_a_revision_puts_its_template_back():
    one = new_revision(owner(), 3, None, LABEL)
    template = one["data"]["spec"]["template"]
    assert template["$patch"] == "replace"
    assert list(template) == sorted(template)
    assert template_of(one)["spec"] == owner()["spec"]["template"]["spec"]
    assert one["metadata"]["labels"] == {"app": "web", LABEL: hash_of(one)}
    assert one["metadata"]["name"] == f"web-{hash_of(one)}"
    assert one["metadata"]["annotations"] == {"why": "b"}
    assert one["revision"] == 3


def test_equal_templates_are_equal_revisions():
    assert equal(new_revision(owner(), 1, None, LABEL), new_revision(owner(), 2, 4, LABEL))
    assert not equal(
        new_revision(owner(), 1, None, LABEL), new_revision(owner("j"), 1, None, LABEL)
    )


def test_a_collision_gives_another_name():
    names = [new_revision(owner(), 1, count, LABEL)["metadata"]["name"] for count in (None, 1, 2)]
    assert len(set(names)) == 3


def test_a_long_name_is_cut():
    assert len(new_revision(owner(name="x" * 250), 1, None, LABEL)["metadata"]["name"]) < 253


def test_revisions_are_numbered_upwards():
    assert next_number([]) == 1
    assert next_number([numbered("a", 4), numbered("b", 2)]) == 5
    ordered = by_number([numbered("b", 2), numbered("c", 1), numbered("a", 2)])
    assert [one["metadata"]["name"] for one in ordered] == ["c", "a", "b"]


def test_what_is_in_use_is_kept_beyond_the_limit():
    old = [numbered(name, number) for number, name in enumerate("abcd")]
    assert [one["metadata"]["name"] for one in surplus(old, ["a"], 2)] == ["b", "c"]
    assert surplus(old, [], 4) == []
    assert surplus(old, [], None) == []
    assert len(surplus(old * LIMIT_DEFAULT, [], None)) == 4 * LIMIT_DEFAULT - LIMIT_DEFAULT


def test_an_earlier_template_becomes_the_newest_again():
    first = choose(owner(), [], LABEL)
    assert (first.write, first.revision["revision"]) == ("create", 1)
    second = choose(owner("j"), [first.revision], LABEL)
    assert (second.write, second.revision["revision"]) == ("create", 2)
    both = [first.revision, second.revision]
    assert choose(owner("j"), both, LABEL).write is None
    back = choose(owner(), both, LABEL)
    assert (back.write, back.revision["revision"]) == ("count up", 3)
    assert back.revision["metadata"]["name"] == first.revision["metadata"]["name"]


def test_revisions_of_pods_are_in_use():
    first, second = (new_revision(owner(image), 1, None, LABEL) for image in "ij")
    pods = [{"metadata": {"labels": {LABEL: hash_of(second)}}}]
    assert live_names([first, second], pods) == [second["metadata"]["name"]]
