"""Sequences of applies and updates, and what they leave: the object, and who owns which field.

A row is a conversation: each line is `apply` (with `force`, if needed) or `update`, who, and what
the object then says; `! one .a .b` after an apply is the conflict it meets. Cases and outcomes are
those of structured-merge-diff's merge tests: null where nothing is left is for the type to drop.
"""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from kubeapi.apply import ApplyConflict, Writer, apply, track
from kubeapi.apply.elements import path_text
from kubeapi.apply.field_set import intersection, members
from kubeapi.objects import deep_copy
from kubeapi.schema import structural

KIND = structural.build(
    yaml.safe_load("""
type: object
properties:
  n: {type: integer}
  s: {type: string}
  struct: {type: object, properties: {name: {type: string}, value: {type: integer}}}
  map: {type: object, additionalProperties: {type: string}}
  deep: {type: object, additionalProperties: {type: object, additionalProperties: {type: string}}}
  whole: {type: object, x-kubernetes-map-type: atomic, properties: {a: {type: string},
    b: {type: string}}}
  list: {type: array, items: {type: string}}
  set: {type: array, x-kubernetes-list-type: set, items: {type: integer}}
  items:
    type: array
    x-kubernetes-list-type: map
    x-kubernetes-list-map-keys: [name]
    items: {type: object, properties: {name: {type: string}, x: {type: integer},
      y: {type: integer}}}
  ports:
    type: array
    x-kubernetes-list-type: map
    x-kubernetes-list-map-keys: [port, family]
    items: {type: object, properties: {port: {type: integer}, family: {type: string, default: v4},
      name: {type: string}}}
  free: {x-kubernetes-preserve-unknown-fields: true}
""")
)


class World:
    """One object that managers write to."""

    def __init__(self) -> None:
        self.live: dict[str, Any] | None = None
        self.clock = 0

    def writer(self, manager: str, **more: Any) -> Writer:
        self.clock += 1
        return Writer(
            manager=manager,
            api_version="v1",
            schema=KIND,
            convert=lambda obj, version: (obj, KIND) if version == "v1" else None,
            now=f"2026-01-01T00:00:{self.clock:02}Z",
            **more,
        )

    def apply(self, manager: str, said: dict[str, Any], *, force: bool = False) -> None:
        head = {"apiVersion": "v1", "kind": "K", "metadata": {"name": "k"}}
        self.live = apply(self.live, head | said, self.writer(manager), force=force)

    def update(self, manager: str, said: dict[str, Any]) -> None:
        metadata = {"name": "k"} if self.live is None else deep_copy(self.live["metadata"])
        new = {"apiVersion": "v1", "kind": "K", "metadata": metadata, **said}
        track(self.live, new, self.writer(manager))
        self.live = new

    def play(self, line: str) -> None:
        told, _, conflict = line.partition(" ! ")
        verb, rest = told.split(" ", 1)
        force = rest.startswith("force ")
        manager, _, text = rest.removeprefix("force ").partition(" ")
        said = yaml.safe_load(text) or {}
        if verb == "update":
            self.update(manager, said)
        elif conflict:
            with pytest.raises(ApplyConflict) as refused:
                self.apply(manager, said, force=force)
            found: dict[str, list[str]] = {}
            for owner, path in refused.value.paths():
                found.setdefault(owner.name, []).append(path)
            assert " ".join(" ".join((o, *sorted(p))) for o, p in found.items()) == conflict
        else:
            self.apply(manager, said, force=force)

    def said(self) -> dict[str, Any]:
        assert self.live is not None
        head = ("apiVersion", "kind", "metadata")
        return {name: value for name, value in self.live.items() if name not in head}

    def owned(self) -> dict[str, str]:
        assert self.live is not None
        return {
            entry["manager"]: " ".join(path_text(path) for path in members(entry["fieldsV1"]))
            for entry in self.live["metadata"].get("managedFields", ())
        }


A, B = '.items[name="a"]', '.items[name="b"]'

ROWS: dict[str, tuple[list[str], str, dict[str, str]]] = {
    "leaves left out go": (
        ["apply me {n: 1, s: x}", "apply me {n: 1}"],
        "{n: 1}",
        {"me": ".n"},
    ),
    "nothing applied owns nothing": (["apply me {n: 1}", "apply me {}"], "{}", {}),
    "updates take leaves": (
        ["apply me {n: 1, s: x}", "update other {n: 2, s: x}", "apply me {n: 1} ! other .n"],
        "{n: 2, s: x}",
        {"me": ".s", "other": ".n"},
    ),
    "what is left out and was taken stays": (
        ["apply me {n: 1, s: x}", "update other {n: 2, s: x}", "apply me {s: x}"],
        "{n: 2, s: x}",
        {"me": ".s", "other": ".n"},
    ),
    "force takes back": (
        ["apply me {n: 1}", "update other {n: 2}", "apply force me {n: 1}"],
        "{n: 1}",
        {"me": ".n"},
    ),
    "a removed leaf is nobody's": (
        ["apply me {n: 1, s: x}", "update other {s: x}"],
        "{s: x}",
        {"me": ".s"},
    ),
    "a struct goes with its last field": (
        ["apply me {struct: {name: a, value: 1}}", "apply me {}"],
        "{}",
        {},
    ),
    "a struct stays for who updates in it": (
        ["apply me {struct: {name: a}}", "update c {struct: {name: a, value: 1}}", "apply me {}"],
        "{struct: {value: 1}}",
        {"c": ".struct.value"},
    ),
    "an empty struct leaves what others have set": (
        [
            "apply me {struct: {name: a}}",
            "update c {struct: {name: a, value: 1}}",
            "apply me {struct: {}}",
        ],
        "{struct: {value: 1}}",
        {"me": ".struct", "c": ".struct.value"},
    ),
    "so does null": (
        [
            "apply me {struct: {name: a}}",
            "update c {struct: {name: a, value: 1}}",
            "apply me {struct: null}",
        ],
        "{struct: {value: 1}}",
        {"me": ".struct", "c": ".struct.value"},
    ),
    "null where another took all over": (
        [
            "apply me {struct: {name: a}}",
            "update c {struct: {name: b, value: 1}}",
            "apply me {struct: null}",
        ],
        "{struct: {name: b, value: 1}}",
        {"me": ".struct", "c": ".struct.name .struct.value"},
    ),
    "null leaves a struct of one's own dangling": (
        ["apply me {struct: {name: a}}", "apply me {struct: null}"],
        "{struct: null}",
        {"me": ".struct"},
    ),
    "null is an opinion on a leaf": (
        ["apply me {n: null}", "update c {n: 3}", "apply me {n: null} ! c .n"],
        "{n: 3}",
        {"c": ".n"},
    ),
    "keys of maps are owned with the map's own": (
        ["apply me {map: {a: x, b: y}}", "apply me {map: {b: y}}", "apply you {map: {c: z}}"],
        "{map: {b: y, c: z}}",
        {"me": ".map.b", "you": ".map.c"},
    ),
    "maps in maps": (
        ["apply me {deep: {a: {b: x, c: y}}}", "apply me {deep: {a: {a: x, c: z}}}"],
        "{deep: {a: {a: x, c: z}}}",
        {"me": ".deep.a .deep.a.a .deep.a.c"},
    ),
    "a map's key that another updates below goes with it": (
        ["apply me {deep: {a: {}}}", "update c {deep: {a: {b: x}}}", "apply me {}"],
        "{deep: null}",
        {},
    ),
    "a key another applier shares stays": (
        ["apply me {deep: {a: {b: x}}}", "apply you {deep: {a: {}}}", "apply me {}"],
        "{deep: {a: null}}",
        {"you": ".deep.a"},
    ),
    "an atomic map is one field": (
        ["apply me {whole: {a: x}}", "apply you {whole: {b: y}} ! me .whole",
         "apply me {whole: {b: z}}"],
        "{whole: {b: z}}",
        {"me": ".whole"},
    ),
    "a plain list is one field": (
        ["apply me {list: [a, b]}", "update c {list: [a, b, c]}", "apply me {list: [a]} ! c .list"],
        "{list: [a, b, c]}",
        {"c": ".list"},
    ),
    "sets are owned value by value": (
        ["apply me {set: [1, 2]}", "update c {set: [1, 2, 3]}", "apply me {set: [2, 4]}"],
        "{set: [2, 3, 4]}",
        {"me": ".set[=2] .set[=4]", "c": ".set[=3]"},
    ),
    "sets in another order": (
        ["apply me {set: [1, 2, 3]}", "apply me {set: [3, 1, 2]}"],
        "{set: [3, 1, 2]}",
        {"me": ".set[=1] .set[=2] .set[=3]"},
    ),
    "items in two hands": (
        ["apply me {items: [{name: a, x: 1}]}", "apply you {items: [{name: a, y: 2}]}",
         "apply me {items: []}"],
        "{items: [{name: a, y: 2}]}",
        {"you": f"{A} {A}.name {A}.y"},
    ),
    "an item changed by two": (
        ["apply me {items: [{name: a, x: 1}]}",
         f"apply you {{items: [{{name: a, x: 2}}]}} ! me {A}.x"],
        "{items: [{name: a, x: 1}]}",
        {"me": f"{A} {A}.name {A}.x"},
    ),
    "an item renamed is another": (
        ["apply me {items: [{name: a, x: 1}]}", "apply me {items: [{name: b, x: 1}]}"],
        "{items: [{name: b, x: 1}]}",
        {"me": f"{B} {B}.name {B}.x"},
    ),
    "a key's default names the item": (
        ["apply me {ports: [{port: 1}]}", "apply me {ports: [{port: 1, family: v4, name: w}]}"],
        "{ports: [{port: 1, family: v4, name: w}]}",
        {"me": '.ports[family="v4",port=1] .ports[family="v4",port=1].family '
               '.ports[family="v4",port=1].name .ports[family="v4",port=1].port'},
    ),
    "what no type tells of is owned, too": (
        ["apply me {free: {a: {b: [1]}}}", "update c {free: {a: {b: [1], c: 2}}}", "apply me {}"],
        "{free: null}",
        {},
    ),
    "a value written twice is owned once": (
        ["update c {set: [1, 1, 3]}"],
        "{set: [1, 1, 3]}",
        {"c": ".set .set[=1] .set[=3]"},
    ),
    "who writes it twice owns it": (
        ["update c {set: [1, 3]}", "update d {set: [1, 1, 3]}"],
        "{set: [1, 1, 3]}",
        {"c": ".set .set[=3]", "d": ".set[=1]"},
    ),
    "so does who writes it once again": (
        ["update c {set: [1, 1, 3]}", "update d {set: [1, 3]}"],
        "{set: [1, 3]}",
        {"c": ".set .set[=3]", "d": ".set[=1]"},
    ),
    "applying a value that is there twice": (
        ["update c {set: [1, 1, 3]}", "apply me {set: [1]} ! c .set[=1]",
         "apply force me {set: [1]}"],
        "{set: [1, 3]}",
        {"me": ".set[=1]", "c": ".set .set[=3]"},
    ),
    "applying another value beside it": (
        ["update c {set: [1, 1, 3]}", "apply me {set: [5]}"],
        "{set: [1, 1, 3, 5]}",
        {"me": ".set[=5]", "c": ".set .set[=1] .set[=3]"},
    ),
    "nobody owns a part of an item that is there twice": (
        ["update c {items: [{name: a, x: 1}]}",
         "update d {items: [{name: a, x: 1}, {name: a, y: 3}]}"],
        "{items: [{name: a, x: 1}, {name: a, y: 3}]}",
        {"c": ".items", "d": A},
    ),
    "who makes it one again owns all of it": (
        ["update c {items: [{name: a, x: 1}, {name: a, y: 3}]}",
         "update d {items: [{name: a, x: 1}]}"],
        "{items: [{name: a, x: 1}]}",
        {"c": ".items", "d": f"{A} {A}.name {A}.x"},
    ),
    "what another has doubled is not taken away": (
        ["apply me {items: [{name: a, x: 1}, {name: b, x: 3}]}",
         "update c {items: [{name: a, x: 1}, {name: a, x: 2}, {name: b, x: 3}]}",
         "apply me {items: [{name: b, x: 3}]}"],
        "{items: [{name: a, x: 1}, {name: a, x: 2}, {name: b, x: 3}]}",
        {"me": f"{B} {B}.name {B}.x", "c": A},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ROWS)
def test_a_sequence_of_writes(name):
    lines, left, owned = ROWS[name]
    world = World()
    for line in lines:
        world.play(line)
    assert world.said() == yaml.safe_load(left)
    assert world.owned() == owned


def test_who_owned_a_part_owns_the_whole_when_a_type_becomes_one_field():
    world = World()
    world.apply("me", {"whole": {"a": "x"}})
    world.apply("you", {"n": 1})
    assert world.live is not None
    entries = world.live["metadata"]["managedFields"]
    entries[0]["fieldsV1"] = {"f:whole": {"f:a": {}}}  # As it was when the map was none.
    with pytest.raises(ApplyConflict) as refused:
        world.apply("you", {"n": 1, "whole": {"b": "y"}})
    assert [path for _, path in refused.value.paths()] == [".whole"]
    world.update("c", {"n": 2, "whole": {"a": "x"}})
    assert world.owned() == {"me": ".whole", "c": ".n"}


def test_fields_said_in_a_version_that_is_gone_are_forgotten():
    world = World()
    world.apply("me", {"n": 1, "s": "x"})
    assert world.live is not None
    world.live["metadata"]["managedFields"][0]["apiVersion"] = "v0"
    world.apply("you", {"n": 2})
    assert world.owned() == {"you": ".n"}
    assert world.said() == {"n": 2, "s": "x"}


# --- whatever is applied -----------------------------------------------------------------------

_names = st.sampled_from("abc")
_items = st.dictionaries(_names, st.fixed_dictionaries({}, optional={
    "x": st.integers(0, 1), "y": st.integers(0, 1)}), max_size=3)  # fmt: skip
CONFIGS = st.fixed_dictionaries(
    {},
    optional={
        "n": st.integers(0, 1) | st.none(),
        "struct": st.dictionaries(st.just("value"), st.integers(0, 1)) | st.none(),
        "map": st.dictionaries(_names, st.sampled_from(["x", "y"]), max_size=3),
        "whole": st.dictionaries(_names, st.just("x"), max_size=2),
        "set": st.lists(st.integers(0, 3), unique=True, max_size=3),
        "items": _items.map(lambda found: [{"name": n, **more} for n, more in found.items()]),
    },
)
WRITES = st.lists(
    st.tuples(st.sampled_from(["apply", "update"]), st.sampled_from(["p", "q"]), CONFIGS),
    max_size=4,
)


def _played(writes: list[tuple[str, str, dict[str, Any]]]) -> World:
    world = World()
    world.update("base", {"s": "x"})  # Where nobody owns anything an apply begins anew.
    for verb, manager, said in writes:
        if verb == "apply":
            world.apply(manager, deep_copy(said), force=True)
        else:
            world.update(manager, deep_copy(said))
    return world


@given(WRITES, CONFIGS)
@settings(max_examples=40)
def test_applying_again_changes_nothing(writes, config):
    world = _played(writes)
    world.apply("me", deep_copy(config), force=True)
    assert world.live is not None
    assume(world.live["metadata"].get("managedFields"))  # Else the next apply begins anew.
    before = deep_copy(world.live)
    world.apply("me", deep_copy(config))
    assert world.live == before


@given(WRITES, CONFIGS, CONFIGS)
@settings(max_examples=40)
def test_two_appliers_share_only_what_they_want_alike(writes, mine, yours):
    world = _played(writes)
    world.apply("me", deep_copy(mine), force=True)
    world.apply("you", deep_copy(yours), force=True)
    assert world.live is not None
    fields = {e["manager"]: e["fieldsV1"] for e in world.live["metadata"].get("managedFields", ())}
    both = intersection(fields.get("me"), fields.get("you"))
    for path in members(both):
        if path[-1] in ("f:n", "f:value", "f:whole"):
            assert _at(mine, path) == _at(yours, path)


def _at(config: Any, path: tuple[str, ...]) -> Any:
    for element in path:
        if isinstance(config, list):
            key = element.removeprefix("k:")
            config = next(item for item in config if f'{{"name":"{item["name"]}"}}' == key)
        else:
            config = config[element.removeprefix("f:")]
    return config


@given(WRITES, CONFIGS)
@settings(max_examples=40)
def test_what_nobody_else_has_touched_goes_with_who_applied_it(writes, config):
    world = _played(writes)
    before = _settled(world.said())
    try:
        world.apply("me", deep_copy(config))
    except ApplyConflict:
        return  # By force it would have changed what was there.
    world.apply("me", {})
    assert _settled(world.said()) == before


def _settled(value: Any) -> Any:
    """Return *value* without what is empty, and without order."""
    if isinstance(value, dict):
        found = {name: _settled(inner) for name, inner in sorted(value.items())}
        return {name: inner for name, inner in found.items() if inner not in (None, {}, [])}
    return sorted(map(_settled, value), key=str) if isinstance(value, list) else value
