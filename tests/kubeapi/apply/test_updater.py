"""Who owns what after which writes: cases of structured-merge-diff's and apimachinery's own tests.

An object here is what a Deployment or Service has in its spec, metadata or data; `world` plays
writes one after another and looks at the object and at the owners.
"""

from __future__ import annotations

from typing import Any

import pytest

from kubeapi.apply import ApplyConflict, InvalidList, Writer, apply, check, managers, track
from kubeapi.apply.elements import path_text
from kubeapi.apply.field_set import MEMBER, members
from kubeapi.apply.managers import Manager, Owned
from kubeapi.objects import deep_copy
from kubeapi.schema import schema_for

POD = schema_for("v1", "Pod")
STATUS = {"f:status": MEMBER}


class World:
    """One Pod that managers write to."""

    def __init__(self) -> None:
        self.pod: dict[str, Any] | None = None
        self.clock = 0

    def writer(self, manager: str, subresource: str = "") -> Writer:
        assert POD is not None
        self.clock += 1
        return Writer(
            manager=manager,
            api_version="v1",
            schema=POD,
            convert=lambda obj, version: None,
            subresource=subresource,
            ignored=None if subresource else STATUS,
            now=f"2026-01-01T00:00:{self.clock:02}Z",
        )

    def apply(self, manager: str, *, force: bool = False, **spec: Any) -> None:
        metadata = {"name": "p", **spec.pop("metadata", {})}
        config = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, **spec}
        self.pod = apply(self.pod, config, self.writer(manager), force=force)

    def update(self, manager: str, subresource: str = "", **changed: Any) -> None:
        old = self.pod
        base = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}}
        new = deep_copy(old or base)
        for key, value in changed.items():
            new[key] = {**new["metadata"], **value} if key == "metadata" else value
        track(old, new, self.writer(manager, subresource))
        self.pod = new

    def owned(self) -> dict[str, set[str]]:
        """Return manager → the paths it owns."""
        assert self.pod is not None
        return {
            entry["manager"]: {path_text(path) for path in members(entry["fieldsV1"])}
            for entry in self.pod["metadata"].get("managedFields", ())
        }


@pytest.fixture
def world() -> World:
    return World()


def containers(*names: str, **fields: Any) -> dict[str, Any]:
    return {"containers": [{"name": name, **fields} for name in names]}


WEB = '.spec.containers[name="web"]'


def test_an_item_of_a_list_is_owned_with_its_name(world):
    world.apply("one", spec=containers("web", image="a"))
    assert world.owned() == {"one": {WEB, f"{WEB}.name", f"{WEB}.image"}}


def test_two_appliers_of_different_items(world):
    world.apply("one", spec=containers("web", image="a"))
    world.apply("two", spec=containers("log", image="b"))
    assert [each["name"] for each in world.pod["spec"]["containers"]] == ["web", "log"]
    world.apply("one", spec={"restartPolicy": "Never"})
    assert [each["name"] for each in world.pod["spec"]["containers"]] == ["log"]


def test_two_appliers_of_one_item(world):
    world.apply("one", spec=containers("web", image="a"))
    world.apply("two", spec=containers("web", workingDir="/w"))
    world.apply("one", spec={"restartPolicy": "Never"})
    assert world.pod["spec"]["containers"] == [{"name": "web", "workingDir": "/w"}]


def test_an_item_goes_with_its_last_applier_even_if_others_updated_below(world):
    world.apply("one", spec=containers("web", image="a"))
    world.update("edit", spec=containers("web", image="a", workingDir="/w"))
    world.apply("one", spec={"restartPolicy": "Never"})
    # Who updates a field of an item does not own the item.
    assert not world.pod["spec"]["containers"]
    assert world.owned() == {"one": {".spec.restartPolicy"}}


def test_a_value_that_another_has_updated_is_a_conflict(world):
    world.apply("one", spec=containers("web", image="a"))
    world.update("edit", spec=containers("web", image="b"))
    with pytest.raises(ApplyConflict) as refused:
        world.apply("one", spec=containers("web", image="a"))
    assert str(refused.value) == (
        'Apply failed with 1 conflict: conflict with "edit" using v1: '
        '.spec.containers[name="web"].image'
    )
    world.apply("one", force=True, spec=containers("web", image="a"))
    assert world.owned() == {"one": {WEB, f"{WEB}.name", f"{WEB}.image"}}


def test_agreeing_with_an_update_is_no_conflict_and_shares(world):
    world.apply("one", spec=containers("web", image="a"))
    world.update("edit", spec=containers("web", image="b"))
    world.apply("one", spec=containers("web", image="b"))
    assert f"{WEB}.image" in world.owned()["one"] & world.owned()["edit"]


def test_several_conflicts_are_told_by_manager(world):
    world.apply("one", metadata={"labels": {"a": "1", "b": "1"}})
    world.apply("two", metadata={"labels": {"c": "1"}})
    with pytest.raises(ApplyConflict) as refused:
        world.apply("me", metadata={"labels": {"a": "2", "b": "2", "c": "2"}})
    assert str(refused.value) == (
        'Apply failed with 3 conflicts: conflicts with "one":\n'
        "- .metadata.labels.a\n- .metadata.labels.b\n"
        'conflicts with "two":\n- .metadata.labels.c'
    )
    assert str(refused.value.causes()[0]) == '.metadata.labels.a: conflict with "one"'


def test_giving_up_a_shared_field_leaves_it(world):
    for manager in ("one", "two"):
        world.apply(manager, metadata={"labels": {"a": "1"}})
    world.apply("one", metadata={"labels": {"b": "1"}})
    assert world.pod["metadata"]["labels"] == {"a": "1", "b": "1"}
    world.apply("two")
    assert world.pod["metadata"]["labels"] == {"b": "1"}


def test_a_field_that_was_updated_away_is_nobodys(world):
    world.apply("one", metadata={"labels": {"a": "1", "b": "1"}})
    world.update("edit", metadata={"labels": {"a": "1"}})
    assert world.owned() == {"one": {".metadata.labels.a"}}


def test_a_list_that_is_one_field_is_replaced(world):
    world.apply("one", spec=containers("web", args=["a", "b"]))
    world.apply("one", spec=containers("web", args=["c"]))
    assert world.pod["spec"]["containers"][0]["args"] == ["c"]
    assert f"{WEB}.args" in world.owned()["one"]


def test_a_map_that_is_one_field_is_replaced(world):
    world.apply("one", spec={"nodeSelector": {"a": "1"}})
    world.apply("one", spec={"nodeSelector": {"b": "1"}})
    assert world.pod["spec"]["nodeSelector"] == {"b": "1"}
    assert world.owned() == {"one": {".spec.nodeSelector"}}


def test_sets_are_owned_value_by_value(world):
    world.apply("one", metadata={"finalizers": ["a.example/x", "b.example/x"]})
    world.apply("two", metadata={"finalizers": ["b.example/x", "c.example/x"]})
    assert world.owned()["two"] == {
        '.metadata.finalizers[="b.example/x"]',
        '.metadata.finalizers[="c.example/x"]',
    }
    world.apply("one")
    assert world.pod["metadata"]["finalizers"] == ["b.example/x", "c.example/x"]


PORT = {"containerPort": 80}


def test_a_key_that_is_left_out_has_its_default(world):
    world.apply("one", spec=containers("web", ports=[PORT]))
    world.apply("one", spec=containers("web", ports=[{**PORT, "protocol": "TCP", "name": "x"}]))
    [container] = world.pod["spec"]["containers"]
    assert container["ports"] == [{"containerPort": 80, "protocol": "TCP", "name": "x"}]
    with pytest.raises(InvalidList, match="duplicate entries"):
        world.apply("one", spec=containers("web", ports=[PORT, {**PORT, "protocol": "TCP"}]))


@pytest.mark.parametrize(
    ("live", "applied", "merged"),
    [
        ("ab", "ba", "ba"),
        ("abc", "b", "abc"),
        ("abc", "cd", "abcd"),
        ("abc", "ad", "adbc"),
        ("abc", "xb", "axbc"),
        ("", "ab", "ab"),
        ("ab", "", "ab"),
        ("abcd", "dxb", "acdxb"),
    ],
)
def test_items_come_in_the_order_that_is_applied(world, live, applied, merged):
    world.update("edit", spec=containers(*live) if live else {})
    world.apply("me", spec=containers(*applied) if applied else {})
    found = world.pod["spec"].get("containers", [])
    assert sorted(each["name"] for each in found) == sorted(merged)
    wanted = [each["name"] for each in found if each["name"] in applied]
    assert wanted == list(applied)


def test_the_first_apply_finds_what_was_there_before(world):
    world.pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "p", "labels": {"a": "1"}},
    }
    world.update("edit", metadata={"labels": {"a": "1", "b": "1"}})
    assert world.owned() == {}  # An object that nobody tracked stays so until it is applied.
    world.apply("me", metadata={"labels": {"c": "1"}})
    assert world.owned() == {
        "before-first-apply": {
            ".metadata.labels",
            ".metadata.labels.a",
            ".metadata.labels.b",
        },
        "me": {".metadata.labels.c"},
    }


def test_the_status_is_written_through_its_subresource_alone(world):
    world.apply("one", spec=containers("web"), status={"phase": "Running"})
    assert "status" not in world.pod
    world.update("kubelet", "status", status={"phase": "Running"})
    assert world.owned()["kubelet"] == {".status", ".status.phase"}


def test_only_the_newest_updaters_are_kept_apart(world):
    world.update("creator", metadata={"labels": {"x": "0"}})
    for number in range(15):
        labels = {f"l{n}": "1" for n in range(number + 1)} | {"x": "0"}
        world.update(f"m{number:02}", metadata={"labels": labels})
    owned = world.owned()
    assert len(owned) == 10
    assert ".metadata.labels.l0" in owned["ancient-changes"]
    assert owned["m14"] == {".metadata.labels.l14"}


def test_who_writes_nothing_new_owns_nothing_and_keeps_the_time(world):
    world.apply("one", metadata={"labels": {"a": "1"}})
    before = deep_copy(world.pod["metadata"]["managedFields"])
    world.update("edit", metadata={"labels": {"a": "1"}})
    world.apply("one", metadata={"labels": {"a": "1"}})
    assert world.pod["metadata"]["managedFields"] == before


def test_appliers_come_first_then_by_time(world):
    world.update("b", metadata={"labels": {"a": "1"}})
    world.update("a", metadata={"labels": {"a": "1", "b": "1"}})
    world.apply("z", metadata={"labels": {"c": "1"}})
    said = [entry["manager"] for entry in world.pod["metadata"]["managedFields"]]
    assert said == ["z", "b", "a"]


LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def test_kubectl_takes_over_what_its_client_side_apply_has_set(world):
    text = '{"apiVersion":"v1","metadata":{"labels":{"a":"1","b":"1"}}}'
    annotations = {LAST_APPLIED: text}
    world.update(
        "kubectl-client-side-apply",
        metadata={"labels": {"a": "1", "b": "1"}, "annotations": annotations},
    )
    world.update("edit", metadata={"labels": {"a": "1", "b": "2"}, "annotations": annotations})
    with pytest.raises(ApplyConflict, match=r'conflict with "edit" using v1: .metadata.labels.b$'):
        world.apply("kubectl", metadata={"labels": {"a": "3", "b": "3"}})
    world.apply("kubectl", metadata={"labels": {"a": "3"}})
    assert world.pod["metadata"]["labels"] == {"a": "3", "b": "2"}
    assert '"labels":{"a":"3"}' in world.pod["metadata"]["annotations"][LAST_APPLIED]
    old_version = text.replace("v1", "v0")
    for nonsense in ("", "{", "[1]", '{"apiVersion":"v1","metadata":1}', old_version):
        world.pod["metadata"]["annotations"] = {LAST_APPLIED: nonsense}
        with pytest.raises(ApplyConflict):
            world.apply("kubectl", metadata={"labels": {"b": "3"}})


@pytest.mark.parametrize(
    "sent",
    [
        [{"manager": "x", "operation": "Odd", "apiVersion": "v1"}],
        [{"manager": "x", "operation": "Update", "apiVersion": "v1", "fieldsV1": {"f:a": 1}}],
        [{"manager": "x", "operation": "Update"}],
        [{"manager": "x", "operation": "Update", "apiVersion": "", "fieldsType": "FieldsV1"}],
        [{"manager": "x", "operation": "Update", "apiVersion": "v1"}],
        [{"manager": "x", "operation": "Update", "apiVersion": "v1", "fieldsType": "FieldsV2"}],
        ["x"],
        "x",
    ],
)
def test_nonsense_from_a_client_does_not_forget_the_managers(world, sent):
    world.apply("one", metadata={"labels": {"a": "1"}})
    world.update("edit", metadata={"managedFields": sent})
    assert world.owned() == {"one": {".metadata.labels.a"}}


@pytest.mark.parametrize("sent", [[], [{}]])
def test_saying_that_nobody_owns_anything_forgets_the_managers(world, sent):
    world.apply("one", metadata={"labels": {"a": "1"}})
    world.update("edit", metadata={"managedFields": sent, "labels": {"a": "2"}})
    assert world.owned() == {}


def test_the_annotation_of_client_side_apply_is_written_as_go_would(world):
    world.update("x", metadata={"annotations": {LAST_APPLIED: "{}"}})
    world.apply("kubectl", force=True, metadata={"annotations": {"b": "<&>", LAST_APPLIED: "old"}})
    assert world.pod["metadata"]["annotations"][LAST_APPLIED] == (
        '{"apiVersion":"v1","kind":"Pod",'
        '"metadata":{"annotations":{"b":"\\u003c\\u0026\\u003e"},"name":"p"}}\n'
    )
    world.apply("kubectl", force=True, metadata={"annotations": {"b": "x" * (140 << 10)}})
    assert LAST_APPLIED not in world.pod["metadata"]["annotations"]


@pytest.mark.parametrize(
    ("held", "left"),
    [
        (["a v1 1", "b v1 2", "c v1 3"], ["a+b v1 2", "c v1 3"]),
        (["a v1 1", "b v2 2", "c v1 3", "d v1 4"], ["a+c v1 3", "b v2 2", "d v1 4"]),
        (["a v1 1", "b v2 2", "c v3 3"], ["a v1 1", "b v2 2", "c v3 3"]),
    ],
)
def test_the_oldest_of_each_version_become_one(monkeypatch, held, left):
    monkeypatch.setattr(managers, "UPDATERS_MAX", 2 if len(held) < 4 else 3)
    known = {
        Manager(name, "Update", version): Owned({f"f:{name}": MEMBER}, version, time)
        for name, version, time in map(str.split, held)
    }
    found = managers.capped(known)
    told = [
        "+".join(f[2:] for f in o.fields) + f" {o.api_version} {o.time}" for o in found.values()
    ]
    assert sorted(told) == left
    assert managers.capped(found) == found


@pytest.mark.parametrize(
    ("spec", "wrong"),
    [
        ({"containers": [{"name": "a", "env": []}], "nodeSelector": None}, ""),
        ({"containrs": []}, ".spec.containrs: field not declared in schema"),
        (
            {"containers": [{"name": "a", "images": "i"}, {"name": "a"}]},
            'errors:\n  .spec.containers[name="a"].images: field not declared in schema\n'
            '  .spec.containers: duplicate entries for key [name="a"]',
        ),
        (
            {"containers": [{"image": "i"}]},
            ".spec.containers: element 0: an item of a list with keys omits all key fields [name]",
        ),
        ({"tolerations": [{"kee": "a"}]}, ".spec.tolerations[0].kee: field not declared in schema"),
    ],
)
def test_what_is_wrong_with_a_configuration(spec, wrong):
    assert POD is not None
    assert check({"apiVersion": "v1", "kind": "Pod", "spec": spec}, POD) == wrong
