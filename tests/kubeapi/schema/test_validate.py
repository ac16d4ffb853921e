import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kubeapi.schema import compiled, schema_for, unknown_fields, validate
from kubeapi.schema.validate import CAUSES_MAX, _top_level_causes, _unknown

POD = schema_for("v1", "Pod")


def pod(container=None, **spec):
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "p", "creationTimestamp": None},
        "spec": {"containers": [{"name": "c", **(container or {})}], **spec},
    }


@pytest.mark.parametrize(
    ("obj", "texts"),
    [
        (pod(), []),
        (pod({"image": None}), []),
        ({"kind": "Pod"}, []),  # spec is not required by the types
        ({"spec": {}}, ["spec.containers: Required value"]),
        (pod({"name": None}), ["spec.containers[0].name: Required value"]),
        (
            pod(hostname=3),
            ['spec.hostname: Invalid value: "integer": spec.hostname in body must be of type '
             'string: "integer"'],
        ),
        (
            pod({"ports": [{"containerPort": "80"}]}),
            ['spec.containers[0].ports[0].containerPort: Invalid value: "string": '
             "spec.containers[0].ports[0].containerPort in body must be of type integer: "
             '"string"'],
        ),
        (
            pod(activeDeadlineSeconds=True),
            ['spec.activeDeadlineSeconds: Invalid value: "boolean": spec.activeDeadlineSeconds in '
             'body must be of type integer: "boolean"'],
        ),
        (
            pod(activeDeadlineSeconds=3.0),
            ['spec.activeDeadlineSeconds: Invalid value: "number": spec.activeDeadlineSeconds in '
             'body must be of type integer: "number"'],
        ),
        (
            pod(priority=1 << 31),
            ["spec.priority: Invalid value: 2147483648: must fit into 32 bits"],
        ),
        (
            pod(nodeSelector={"a": 1}),
            ['spec.nodeSelector[a]: Invalid value: "integer": spec.nodeSelector[a] in body must '
             'be of type string: "integer"'],
        ),
        (
            pod({"resources": {"limits": {"cpu": "much"}}}),
            ["spec.containers[0].resources.limits[cpu]: Invalid value: \"much\": quantities must "
             "match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"],
        ),
        (pod({"resources": {"limits": {"cpu": 2, "memory": "1Gi"}}}), []),
        (pod({"livenessProbe": {"httpGet": {"port": "http"}}}), []),
        (pod({"livenessProbe": {"httpGet": {"port": 80}}}), []),
        ({"metadata": {"creationTimestamp": "today"}},
         ['metadata.creationTimestamp: Invalid value: "today": must be an RFC 3339 time']),
        ({"metadata": {"creationTimestamp": "2026-01-02T03:04:05.678901Z"}}, []),
        # Components fill in status; Go fills in their gaps.
        ({"status": {"conditions": [{}]}}, []),
        ({"status": {"phase": 3}},
         ['status.phase: Invalid value: "integer": status.phase in body must be of type string: '
          '"integer"']),
        ({"spec": [], "metadata": "x"},
         ['spec: Invalid value: "array": spec in body must be of type object: "array"',
          'metadata: Invalid value: "string": metadata in body must be of type object: '
          '"string"']),
    ],
)  # fmt: skip
def test_validate(obj, texts):
    assert [str(cause) for cause in validate(obj, POD)] == texts


@pytest.mark.parametrize(
    ("data", "valid"), [("YQ==", True), ("", True), ("YQ", False), ("a b=", False)]
)
def test_secret_data_is_base64(data, valid):
    assert (validate({"data": {"k": data}}, schema_for("v1", "Secret")) == []) is valid


def test_causes_are_bounded():
    obj = pod({"env": [{}] * 1000})
    assert len(validate(obj, POD)) == CAUSES_MAX


@pytest.mark.parametrize(
    ("obj", "paths"),
    [
        (pod(), []),
        ({"spce": {}}, ["spce"]),
        (pod({"imagee": "x"}, foo=1), ["spec.containers[0].imagee", "spec.foo"]),
        ({"metadata": {"labels": {"any": "thing"}, "lables": {}}}, ["metadata.lables"]),
        ({"status": {"phases": 1}}, ["status.phases"]),
        ({"spec": 3}, []),  # wrong, but not unknown
    ],
)
def test_unknown_fields(obj, paths):
    assert unknown_fields(obj, POD) == [f'unknown field "{path}"' for path in paths]


def test_kinds_that_are_not_there():
    assert schema_for("v1", "Nonsense") is None
    assert schema_for("v1", "DeleteOptions") is None  # in every group: no resource


VALUES = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(1 << 40), 1 << 40),
        st.floats(allow_nan=False, allow_infinity=False),
        st.sampled_from(["", "1", "1Gi", "x", "YQ==", "2026-01-02T03:04:05Z", "２"]),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=2),
        st.dictionaries(st.sampled_from(["a", "name", "key", "port", "data"]), inner, max_size=3),
    ),
    max_leaves=6,
)


def objects_of(schema, depth=4):
    """Objects that are nearly right: mostly the schema's own fields, sometimes any value."""

    def value_of(child):
        return st.deferred(lambda: objects_of(child, depth - 1)) if depth else VALUES

    if schema.properties:
        fields = {name: value_of(child) for name, child in schema.properties.items()}
        some = st.lists(st.sampled_from(sorted(fields)), max_size=5, unique=True)
        made = some.flatmap(lambda names: st.fixed_dictionaries({n: fields[n] for n in names}))
        return st.one_of(made, made, VALUES)
    if schema.item is not schema and schema.type_name == "array":
        return st.one_of(st.lists(value_of(schema.item), max_size=2), VALUES)
    if schema.item is not schema:
        return st.one_of(
            st.dictionaries(st.sampled_from("ab"), value_of(schema.item), max_size=2), VALUES
        )
    return VALUES


@pytest.mark.parametrize(
    ("api_version", "kind"),
    [("v1", "Pod"), ("apps/v1", "Deployment"), ("v1", "Secret"), ("v1", "Service")],
)
@settings(max_examples=50)
@given(data=st.data())
def test_the_compiled_validator_and_the_walk_agree(api_version, kind, data):
    schema = schema_for(api_version, kind)
    obj = data.draw(objects_of(schema))
    if not isinstance(obj, dict):
        return
    walked = list(_top_level_causes(obj, schema))
    unknown = _unknown(obj, schema, "") if not walked else []
    assert compiled.is_valid(obj, schema) is (walked == [] and unknown == [])
    assert validate(obj, schema) == walked[:50]
