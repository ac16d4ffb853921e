"""apimachinery's tests of managedfields, by their names, as tables over our own functions."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from kubeapi.apply import ApplyConflict, Writer, apply, managers, track
from kubeapi.apply.field_set import MEMBER
from kubeapi.apply.last_applied import LAST_APPLIED
from kubeapi.apply.managers import Manager
from kubeapi.apply.scale import _of_object, _of_scale
from kubeapi.objects import Object, deep_copy
from kubeapi.schema import schema_for


class World:
    """One object of a kind that managers write to."""

    def __init__(self, api_version: str, kind: str) -> None:
        schema = schema_for(api_version, kind)
        assert schema is not None
        self._schema, self._head = schema, {"apiVersion": api_version, "kind": kind}
        self.live: Object | None = None
        self.clock = 0

    def _writer(self, manager: str) -> Writer:
        self.clock += 1
        return Writer(
            manager=manager,
            api_version=self._head["apiVersion"],
            schema=self._schema,
            convert=lambda obj, version: None,
            now=f"2026-01-01T00:00:{self.clock:02}Z",
        )

    def update(self, manager: str, obj: Object) -> None:
        new = deep_copy({**self._head, **obj})
        track(self.live, new, self._writer(manager))
        self.live = new

    def apply(self, manager: str, obj: Object, *, force: bool = False) -> None:
        config = deep_copy({**self._head, **obj})
        self.live = apply(self.live, config, self._writer(manager), force=force)

    @property
    def entries(self) -> dict[str, Object]:
        assert self.live is not None
        return {each["manager"]: each for each in self.live["metadata"].get("managedFields", ())}


# --- capmanagers_test.go ---------------------------------------------------------------------


def entry(text: str) -> Object:
    """Return an entry of `manager version order fields`."""
    name, version, order, fields = text.split()
    return {
        "manager": name,
        "operation": "Update",
        "apiVersion": version,
        "time": f"0001-01-01T{int(order):02}:00:00Z",
        "fieldsType": "FieldsV1",
        "fieldsV1": {f"f:{letter}": MEMBER for letter in fields},
    }


ANCIENT = "ancient-changes"


@pytest.mark.parametrize(
    ("held", "left"),
    [
        pytest.param(
            ["m1 v1 1 a", "m2 v1 2 b", "m3 v1 3 c", "m4 v1 4 d"],
            [f"{ANCIENT} v1 2 ab", "m3 v1 3 c", "m4 v1 4 d"],
            id="one version, no ancient changes",
        ),
        pytest.param(
            [f"{ANCIENT} v1 2 ab", "m3 v1 3 c", "m4 v1 4 d", "m5 v1 5 e"],
            [f"{ANCIENT} v1 3 abc", "m4 v1 4 d", "m5 v1 5 e"],
            id="one version, one ancient changes",
        ),
        pytest.param(
            ["m1 v1 1 a", "m2 v2 2 b", "m3 v1 3 c", "m4 v1 4 d", "m5 v1 5 e"],
            ["m2 v2 2 b", f"{ANCIENT} v1 4 acd", "m5 v1 5 e"],
            id="two versions, no ancient changes",
        ),
        pytest.param(
            ["m2 v2 2 b", f"{ANCIENT} v1 4 acd", "m5 v1 5 e", "m6 v3 6 f", "m7 v2 7 g"],
            [f"{ANCIENT} v1 5 acde", "m6 v3 6 f", f"{ANCIENT} v2 7 bg"],
            id="three versions, one ancient changes",
        ),
        pytest.param(
            [f"{ANCIENT} v1 5 acde", "m6 v3 6 f", f"{ANCIENT} v2 7 bg", "m8 v3 8 h"],
            [f"{ANCIENT} v1 5 acde", f"{ANCIENT} v2 7 bg", f"{ANCIENT} v3 8 fh"],
            id="three versions, two ancient changes",
        ),
        pytest.param(
            [f"{ANCIENT} v1 5 acde", "m6 v3 6 f", f"{ANCIENT} v2 7 bg", "m8 v4 8 h"],
            [f"{ANCIENT} v1 5 acde", "m6 v3 6 f", f"{ANCIENT} v2 7 bg", "m8 v4 8 h"],
            id="four versions, two ancient changes",
        ),
    ],
)
def test_cap_update_managers(
    monkeypatch: pytest.MonkeyPatch, held: list[str], left: list[str]
) -> None:
    monkeypatch.setattr(managers, "UPDATERS_MAX", 3)
    known = managers.read([entry(text) for text in held])
    assert known is not None
    capped = managers.capped(known)
    assert managers.write(capped) == [entry(text) for text in left]
    assert managers.capped(capped) == capped


def test_cap_managers_manager_merges_entries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(managers, "UPDATERS_MAX", 3)
    world = World("v1", "Pod")
    labels: dict[str, str] = {}
    for number, name in enumerate(("one", "two", "three", "four"), start=1):
        labels[name] = "true"
        world.update(f"update_{number}", {"metadata": {"labels": dict(labels)}})
    assert list(world.entries) == [ANCIENT, "update_3", "update_4"]
    owned = {name: each["fieldsV1"]["f:metadata"] for name, each in world.entries.items()}
    assert owned[ANCIENT]["f:labels"].keys() >= {"f:one", "f:two"}
    assert owned["update_4"] == {"f:labels": {"f:four": {}}}


# --- skipnonapplied_test.go ------------------------------------------------------------------

NGINX: Object = {
    "metadata": {"name": "pod", "labels": {"app": "nginx"}},
    "spec": {"containers": [{"name": "nginx", "image": "nginx:latest"}]},
}


def test_no_update_before_first_apply() -> None:
    world = World("v1", "Pod")
    world.apply("apply", NGINX)
    assert list(world.entries) == ["apply"]


def test_update_before_first_apply() -> None:
    world = World("v1", "Pod")
    world.live = {"apiVersion": "v1", "kind": "Pod", "metadata": {"labels": {"app": "my-nginx"}}}
    world.update("update", {"metadata": {"labels": {"app": "my-nginx", "b": "c"}}})
    assert world.entries == {}, "nobody was tracked before"
    world.live["metadata"]["labels"].pop("b")
    with pytest.raises(ApplyConflict, match=r'"before-first-apply".*: .metadata.labels.app$'):
        world.apply("apply", NGINX)
    world.apply("apply", NGINX, force=True)
    assert list(world.entries) == ["apply", "before-first-apply"]


# --- managedfieldsupdater_test.go ------------------------------------------------------------


def data(**pairs: str) -> Object:
    return {"metadata": {"name": "configmap"}, "data": pairs}


@pytest.mark.parametrize("way", ["update", "apply"])
def test_writes_move_the_time_if_they_change_something(way: str) -> None:
    world = World("v1", "ConfigMap")
    more = {"force": True} if way == "apply" else {}
    write = getattr(world, way)
    write("m", data(key="value"), **more)
    first = world.entries["m"]["time"]
    assert world.live is not None
    again = {key: value for key, value in world.live["metadata"].items() if key == "name"}
    write("m", {"metadata": again, "data": {"key": "value"}}, **more)
    assert world.entries["m"]["time"] == first
    write("m", data(key="new-value"), **more)
    assert world.entries["m"]["time"] > first


def test_non_managed_fields_update_does_not_modify_time() -> None:
    world = World("v1", "ConfigMap")
    world.update("a", data(key_a="value"))
    world.update("b", data(key_b="value"))
    world.update("a", data(key_a="value", key_b="new-value"))
    assert "b" not in world.entries, "all that it owned is another's now"


def test_non_managed_fields_apply_does_not_modify_time() -> None:
    world = World("v1", "ConfigMap")
    world.apply("a", data(key_a="value"), force=True)
    world.apply("b", data(key_b="value"), force=True)
    before = world.entries["b"]
    world.apply("a", data(key_a="new-value"), force=True)
    assert world.entries["b"] == before


@pytest.mark.parametrize("way", ["update", "apply"])
def test_taking_over_does_not_modify_the_previous_managers_time(way: str) -> None:
    world = World("v1", "ConfigMap")
    more = {"force": True} if way == "apply" else {}
    getattr(world, way)("a", data(key_a="value", key_b="value"), **more)
    before = world.entries["a"]["time"]
    taken = data(key_a="value", key_b="new") if way == "update" else data(key_b="new")
    getattr(world, way)("b", taken, **more)
    assert world.entries["a"]["time"] == before
    assert set(world.entries["a"]["fieldsV1"]["f:data"]) - {"."} == {"f:key_a"}


def test_co_owning_by_applying_the_same_results_in_a_new_managers_time() -> None:
    world = World("v1", "ConfigMap")
    world.apply("a", data(key_a="value", key_b="value"), force=True)
    before = world.entries["a"]
    world.apply("b", data(key_a="value", key_b="value"), force=True)
    assert world.entries["a"] == before
    assert world.entries["b"]["fieldsV1"] == before["fieldsV1"]
    assert world.entries["b"]["time"] > before["time"]


# --- managedfields_test.go -------------------------------------------------------------------

GOOD: Object = {
    "apiVersion": "v1",
    "fieldsType": "FieldsV1",
    "fieldsV1": {"f:field": {}},
    "manager": "foo",
    "operation": "Apply",
}


@pytest.mark.parametrize(
    ("change", "readable"),
    [
        ({}, True),
        ({"fieldsType": "FieldsV2"}, False),
        ({"fieldsType": None}, False),
        ({"apiVersion": None}, False),
        ({"operation": "Invalid"}, False),
        ({"operation": None}, False),
    ],
    ids=["all", "fields type V2", "no fields type", "no version", "odd operation", "no operation"],
)
def test_what_an_entry_must_say(change: Object, readable: bool) -> None:
    held = {key: value for key, value in (GOOD | change).items() if value is not None}
    assert (managers.read([held]) is not None) is readable


@pytest.mark.parametrize(
    "text",
    [
        """
- {apiVersion: v1, fieldsType: FieldsV1, manager: foo, operation: Update,
   time: "2001-02-03T04:05:06Z",
   fieldsV1: {"v:3": {"f:alsoPi": {}}, "v:3.1415": {"f:pi": {}}, "v:false": {"f:notTrue": {}}}}
- {apiVersion: v1beta1, fieldsType: FieldsV1, manager: foo, operation: Update,
   time: "2011-12-13T14:15:16Z", fieldsV1: {"i:5": {"f:i": {}}}}""",
        """
- apiVersion: v1
  fieldsType: FieldsV1
  fieldsV1: {"f:spec": {"f:containers": {'k:{"name":"c"}': {"f:image": {}, "f:name": {}}}}}
  manager: foo
  operation: Apply""",
        """
- apiVersion: v1
  fieldsType: FieldsV1
  fieldsV1: {"f:spec": {"f:c": {'k:{"name":"n"}': {".": {}, "f:p": {"i:0": {"f:x": {}}}}}}}
  manager: foo
  operation: Update""",
        """
- apiVersion: v1
  fieldsType: FieldsV1
  fieldsV1: {"f:spec": {"f:replicas": {}}}
  manager: foo
  operation: Update
  subresource: scale""",
    ],
    ids=["values and indices", "keys", "members", "subresource"],
)
def test_round_trip_managed_fields(text: str) -> None:
    entries = yaml.safe_load(text)
    known = managers.read(entries)
    assert known is not None
    assert managers.write(known) == entries


@pytest.mark.parametrize(
    ("change", "manager"),
    [
        ({"operation": "Update"}, Manager("foo", "Update", "v1")),
        ({"operation": "Apply"}, Manager("foo", "Apply")),
        ({"operation": "Apply", "subresource": "scale"}, Manager("foo", "Apply", "", "scale")),
    ],
)
def test_build_manager_identifier(change: Object, manager: Manager) -> None:
    known = managers.read([GOOD | change])
    assert known is not None
    assert list(known) == [manager]


# --- lastappliedmanager_test.go --------------------------------------------------------------


def deployment(image: str = "i", replicas: int = 3, label: str = "my-app", **meta: Any) -> Object:
    return {
        "metadata": {"name": "my-deployment", **meta},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": label}},
            "template": {
                "metadata": {"labels": {"app": label}},
                "spec": {"containers": [{"name": "my-c", "image": image}]},
            },
        },
    }


def scaled(replicas: int, version: str = "") -> Object:
    head = {"apiVersion": version, "kind": "Deployment"} if version else {}
    return {**head, "metadata": {"name": "my-deployment"}, "spec": {"replicas": replicas}}


def service(selector: Object, target: int = 8443) -> Object:
    port = {"name": "https", "port": 443, "protocol": "TCP", "targetPort": target}
    return {"metadata": {"name": "test"}, "spec": {"ports": [port], "selector": selector}}


def controller(replicas: int, **selector: str) -> Object:
    return {"metadata": {"name": "test"}, "spec": {"replicas": replicas, "selector": selector}}


def pod(node: str, **selector: str) -> Object:
    container = {"name": "c", "image": "some.registry/app:latest", "args": ["-v=2"]}
    spec: Object = {"containers": [container], "nodeSelector": selector}
    return {"metadata": {"name": "test"}, "spec": {**spec, **({"nodeName": node} if node else {})}}


MINE, NEW = {"labels": {"app": "my-app"}}, {"labels": {"app": "my-new-label"}}
IMAGE = '.spec.template.spec.containers[name="my-c"].image'
LABEL, REPLICAS, SELECTOR = ".metadata.labels.app", ".spec.replicas", ".spec.selector"
TARGET = '.spec.ports[port=443,protocol="TCP"].targetPort'
D, S, R, P = ("apps/v1", "Deployment"), ("v1", "Service"), ("v1", "ReplicationController"), (
    "v1",
    "Pod",
)  # fmt: skip
TWO = deployment("my-image-v1")
TWO["spec"]["template"]["spec"]["containers"].append({"name": "my-c2", "image": "my-image2"})


@pytest.mark.parametrize(
    ("kind", "manager", "last", "original", "applied", "conflicts"),
    [
        pytest.param(
            *(D, "kubectl", TWO, deployment("my-image-v2", 100, **MINE)),
            *(deployment("my-image-new", 333, "my-new-label", **NEW), [LABEL, REPLICAS, IMAGE]),
            id="fields that last-applied does not allow",
        ),
        pytest.param(
            *(D, "kubectl", deployment(**MINE), deployment(replicas=100, **MINE)),
            *(deployment(**NEW), [REPLICAS]),
            id="replicas do not match last-applied",
        ),
        pytest.param(
            *(D, "kubectl", None, deployment(replicas=100, **MINE)),
            *(deployment(replicas=100, **MINE), []),
            id="applied object matches original",
        ),
        pytest.param(
            *(D, "kubectl", None, deployment(**MINE)),
            *(deployment("i", 333, "my-new-label", **NEW), []),
            id="allowed update with no conflicts",
        ),
        pytest.param(
            *(D, "other", deployment("v1", **MINE), deployment("v2", 100, **MINE)),
            deployment("new", 333, "my-new-label", **NEW),
            [LABEL, REPLICAS, SELECTOR, ".spec.template.metadata.labels.app", IMAGE],
            id="the manager is not kubectl",
        ),
        pytest.param(
            *(D, "kubectl", None, deployment(**MINE), deployment("new", **NEW), []),
            id="image and label",
        ),
        pytest.param(
            *(D, "other", None, deployment(replicas=100, **MINE), deployment("new", **NEW)),
            [LABEL, REPLICAS, IMAGE],
            id="changes fail because the manager is not kubectl",
        ),
        pytest.param(D, "kubectl", None, scaled(3), scaled(100), [], id="replicas"),
        pytest.param(
            *(D, "kubectl", scaled(3, "extensions/v1beta1"), scaled(3), scaled(100), [REPLICAS]),
            id="version of last-applied differs",
        ),
        pytest.param(
            *(D, "kubectl", {"apiVersion": "foo", "kind": "bar", "spec": "x"}),
            *(scaled(3), scaled(100), [REPLICAS]),
            id="invalid last-applied",
        ),
        pytest.param(
            *(D, "kubectl", "", scaled(3), scaled(100), [REPLICAS]), id="empty last-applied"
        ),
        pytest.param(
            *(S, "kubectl", None, service({"old": "t"}), service({"new": "t"}, 8444), []),
            id="service: all accepted",
        ),
        pytest.param(
            *(S, "kubectl", None, service({"old": "t"}), service({}, 8444), []),
            id="service: selectors may be removed",
        ),
        pytest.param(
            *(S, "other", None, service({"old": "t"}), service({"new": "t"}, 8444)),
            [TARGET, SELECTOR],
            id="service: not for others",
        ),
        pytest.param(
            *(R, "kubectl", None, controller(0, old="t"), controller(3, new="t"), []),
            id="controller: all accepted",
        ),
        pytest.param(
            *(R, "other", None, controller(0, old="t"), controller(3, new="t")),
            [REPLICAS, SELECTOR],
            id="controller: not for others",
        ),
        pytest.param(
            *(P, "kubectl", None, pod("n", master=""), pod("", worker=""), []),
            id="pod: all accepted",
        ),
        pytest.param(
            *(P, "other", None, pod("n", master=""), pod("n", master="", other="")),
            [".spec.nodeSelector"],
            id="pod: a selector is one field",
        ),
        pytest.param(
            *(P, "other", None, pod("n", master=""), pod("another")),
            [".spec.nodeName", ".spec.nodeSelector"],
            id="pod: not for others",
        ),
        pytest.param(
            *(P, "kubectl", None, pod("n", master=""), pod("another"), []),
            id="pod: a selector may be emptied",
        ),
    ],
)
def test_apply_using_last_applied_annotation(
    kind: tuple[str, str],
    manager: str,
    last: Object | str | None,
    original: Object,
    applied: Object,
    conflicts: list[str],
) -> None:
    world = World(*kind)
    head = {"apiVersion": kind[0], "kind": kind[1]}
    said = "" if last == "" else json.dumps({**head, **(original if last is None else last)})  # type: ignore[dict-item]
    annotated = deep_copy(original)
    annotated["metadata"]["annotations"] = {LAST_APPLIED: said}
    world.update("test_client_side_apply", annotated)
    if conflicts:
        with pytest.raises(ApplyConflict) as raised:
            world.apply(manager, applied)
        owner = Manager("test_client_side_apply", "Update", kind[0])
        assert sorted(raised.value.paths(), key=str) == sorted(
            ((owner, path) for path in conflicts), key=str
        )
        world.apply(manager, applied, force=True)
    else:
        world.apply(manager, applied)
    assert world.live is not None
    assert world.live["spec"] | applied["spec"] == world.live["spec"]


# --- lastappliedupdater_test.go --------------------------------------------------------------


def test_last_applied_updater() -> None:
    world = World("apps/v1", "Deployment")
    config = deployment(**MINE, annotations={LAST_APPLIED: "nonempty"})
    world.apply("NOT-KUBECTL", config)
    assert world.live is not None
    assert world.live["metadata"]["annotations"][LAST_APPLIED] == "nonempty"
    world.apply("kubectl", config)
    found = json.loads(world.live["metadata"]["annotations"][LAST_APPLIED])
    assert found["metadata"]["labels"] == {"app": "my-app"}


@pytest.mark.parametrize(
    ("keys", "annotated"), [(9999, False), (2000, True)], ids=["data", "annotations and data"]
)
def test_large_last_applied(keys: int, annotated: bool) -> None:
    many = {
        f"this-key-is-very-long-so-as-to-create-much-{number}": "A" * 36 for number in range(keys)
    }
    world = World("v1", "ConfigMap")
    small = {LAST_APPLIED: "nonempty"}
    world.apply("kubectl", {"metadata": {"name": "c", "annotations": small}, "data": {"k": "v"}})
    assert world.live is not None
    assert world.live["metadata"]["annotations"][LAST_APPLIED] not in ("", "nonempty")
    annotations = {**small, **(many if annotated else {})}
    large = {"metadata": {"name": "c", "annotations": annotations}, "data": many}
    world.apply("kubectl", large)
    assert LAST_APPLIED not in world.live["metadata"]["annotations"]


# --- scalehandler_test.go --------------------------------------------------------------------

APPS: dict[str, tuple[str, ...]] = {"apps/v1": ("spec", "replicas")}


def owner(text: str) -> Object:
    """Return an entry of `manager operation version fields[/subresource]`."""
    name, operation, version, rest = text.split()
    fields, _, subresource = rest.partition("/")
    found: Object = {
        "manager": name,
        "operation": operation,
        "apiVersion": version,
        "fieldsType": "FieldsV1",
        "fieldsV1": {"f:spec": {f"f:{each}": {} for each in fields.split(",")}},
    }
    return {**found, "subresource": subresource} if subresource else found


def scale_writer() -> Writer:
    schema = schema_for("autoscaling/v1", "Scale")
    assert schema is not None
    return Writer(
        manager="", api_version="autoscaling/v1", schema=schema, convert=lambda obj, version: None
    )


def owners(*texts: str) -> list[Object]:
    return [owner(text) for text in texts]


@pytest.mark.parametrize(
    ("held", "shown"),
    [
        pytest.param(
            owners("m1 Apply apps/v1 another", "m2 Apply apps/v1 replicas"),
            owners("m2 Apply autoscaling/v1 replicas"),
            id="filter one entry and transform it",
        ),
        pytest.param(
            owners(
                *("m1 Apply apps/v1 replicas", "m2 Apply apps/v1 replicas"),
                "m3 Apply apps/v1 replicas/scale",
            ),
            owners(
                *("m1 Apply autoscaling/v1 replicas", "m2 Apply autoscaling/v1 replicas"),
                "m3 Apply autoscaling/v1 replicas/scale",
            ),
            id="transform all entries",
        ),
        pytest.param(
            owners("m1 Apply apps/v10 replicas"), [], id="drops fields of unknown versions"
        ),
    ],
)
def test_transform_managed_fields_to_subresource(held: list[Object], shown: list[Object]) -> None:
    known = managers.read(held)
    assert known is not None
    assert managers.write(_of_scale(known, scale_writer(), APPS)) == shown


TEST_A, TEST_U = "test Apply apps/v1 replicas,selector", "test Update apps/v1 replicas,selector"
LEFT_A, LEFT_U = "test Apply apps/v1 selector", "test Update apps/v1 selector"
MULTI = {"apps/v1": ("spec", "the"), "apps/v2": ("spec", "not")}
CUSTOM: dict[str, tuple[str, ...]] = {"mygroup/v1": ("spec", "the"), "mygroup/v2": ()}


@pytest.mark.parametrize(
    ("paths", "parent", "scale", "left"),
    [
        pytest.param(
            *(APPS, [TEST_A], ["scale Update autoscaling/v1 replicas/scale"]),
            [LEFT_A, "scale Update apps/v1 replicas/scale"],
            id="different managers: apply, update",
        ),
        pytest.param(
            *(APPS, [TEST_A], ["scale Apply autoscaling/v1 replicas/scale"]),
            ["scale Apply apps/v1 replicas/scale", LEFT_A],
            id="different managers: apply, apply",
        ),
        pytest.param(
            *(APPS, [TEST_U], ["scale Update autoscaling/v1 replicas/scale"]),
            ["scale Update apps/v1 replicas/scale", LEFT_U],
            id="different managers: update, update",
        ),
        pytest.param(
            *(APPS, [TEST_U], ["scale Apply autoscaling/v1 replicas/scale"]),
            ["scale Apply apps/v1 replicas/scale", LEFT_U],
            id="different managers: update, apply",
        ),
        pytest.param(
            *(APPS, [TEST_A], ["test Apply autoscaling/v1 replicas/scale"]),
            [LEFT_A, "test Apply apps/v1 replicas/scale"],
            id="same manager: apply, apply",
        ),
        pytest.param(
            *(APPS, [TEST_U], ["test Update autoscaling/v1 replicas/scale"]),
            [LEFT_U, "test Update apps/v1 replicas/scale"],
            id="same manager: update, update",
        ),
        pytest.param(
            *(APPS, [TEST_U], ["test Apply autoscaling/v1 replicas/scale"]),
            ["test Apply apps/v1 replicas/scale", LEFT_U],
            id="same manager: update, apply",
        ),
        pytest.param(
            *(APPS, [TEST_A], ["test Update autoscaling/v1 replicas/scale"]),
            [LEFT_A, "test Update apps/v1 replicas/scale"],
            id="same manager: apply, update",
        ),
        pytest.param(
            *(APPS, [LEFT_A], ["scale Update autoscaling/v1 other/scale"], [LEFT_A]),
            id="subresource doesn't own the path anymore",
        ),
        pytest.param(
            *(APPS, ["test Apply apps/v1 replicas"]),
            ["scale Update autoscaling/v1 replicas/scale"],
            ["scale Update apps/v1 replicas/scale"],
            id="subresource steals all the fields",
        ),
        pytest.param(
            *(APPS, [TEST_A]),
            ["test Apply autoscaling/v1 replicas", "test Apply autoscaling/v1 replicas/scale"],
            [TEST_A, "test Apply apps/v1 replicas/scale"],
            id="apply without stealing",
        ),
        pytest.param(
            *(APPS, ["test Apply apps/v1 replicas", "another Apply apps/v10 selector"]),
            ["scale Update autoscaling/v1 replicas"],
            ["scale Update apps/v1 replicas"],
            id="drops the entry if the version is unknown",
        ),
        pytest.param(
            *(MULTI, ["test Apply apps/v1 the,selector", "test-other Apply apps/v2 not,selector"]),
            ["scale Update autoscaling/v1 replicas/scale"],
            [
                *(LEFT_A, "test-other Apply apps/v2 selector"),
                "scale Update apps/v1 the/scale",
            ],
            id="multi-version",
        ),
        pytest.param(
            *(CUSTOM, ["test Apply mygroup/v1 the,selector", "other Apply mygroup/v2 x"]),
            ["scale Update autoscaling/v1 replicas/scale"],
            [
                *("other Apply mygroup/v2 x", "test Apply mygroup/v1 selector"),
                "scale Update mygroup/v1 the/scale",
            ],
            id="custom resource with a version that has no scale",
        ),
    ],
)
def test_transforming_managed_fields_to_parent(
    paths: dict[str, tuple[str, ...]], parent: list[str], scale: list[str], left: list[str]
) -> None:
    held, found = managers.read(owners(*parent)), managers.read(owners(*scale))
    assert held is not None
    assert found is not None
    known = _of_object(held, found, next(iter(paths)), scale_writer(), paths)
    assert managers.write(known) == owners(*left)
