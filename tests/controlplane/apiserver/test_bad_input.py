"""Objects with something wrong anywhere: refused or taken, never a fault of the server."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Iterator

import pytest

POD_SPEC = {
    "containers": [
        {
            "name": "c",
            "image": "i",
            "ports": [{"containerPort": 80, "name": "http"}],
            "env": [{"name": "a", "value": "b"}],
            "resources": {"requests": {"cpu": "100m"}, "limits": {"cpu": "1"}},
            "readinessProbe": {"httpGet": {"path": "/", "port": "http"}},
        }
    ],
    "tolerations": [{"key": "a", "operator": "Exists", "tolerationSeconds": 3}],
    "nodeSelector": {"a": "b"},
    "volumes": [{"name": "v", "configMap": {"name": "c"}}],
}
WORKLOAD = {
    "replicas": 1,
    "selector": {"matchLabels": {"a": "b"}},
    "template": {"metadata": {"labels": {"a": "b"}}, "spec": POD_SPEC},
}
SERVICE = {
    "type": "NodePort",
    "ports": [{"port": 80, "targetPort": "http", "protocol": "TCP"}],
    "selector": {"a": "b"},
    "sessionAffinity": "None",
}
SLICE = {
    "addressType": "IPv4",
    "endpoints": [{"addresses": ["10.0.0.1"], "conditions": {"ready": True}}],
    "ports": [{"name": "a", "port": 1}],
}
NODE = {"spec": {"taints": [{"key": "a", "effect": "NoSchedule"}], "podCIDR": "10.0.0.0/24"}}
METADATA = {
    "name": "x",
    "labels": {"a": "b"},
    "annotations": {"c": "d"},
    "ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "u"}],
}
STATUS = {
    "conditions": [{"type": "Ready", "status": "True"}],
    "phase": "Running",
    "podIPs": [{"ip": "10.0.0.1"}],
    "containerStatuses": [{"name": "c", "ready": True, "state": {"running": {}}}],
    "addresses": [{"type": "InternalIP", "address": "10.0.0.1"}],
}
OBJECTS = {
    "/api/v1/namespaces/default/pods": {"spec": POD_SPEC, "status": STATUS},
    "/apis/apps/v1/namespaces/default/deployments": {"spec": WORKLOAD},
    "/api/v1/namespaces/default/services": {"spec": SERVICE},
    "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices": SLICE,
    "/api/v1/nodes": {**NODE, "status": STATUS},
    "/api/v1/namespaces/default/secrets": {"data": {"a": "YQ=="}, "type": "Opaque"},
}
JUNK = (
    None, 0, -1, "", [], {}, "x", True, 1.5, 10**30, "☃", "a" * 300, [None], [1], {"a": None},
    {"a": 1}, [{}], "10.0.0.0/8", "\x00", "99999999999Gi", "300%", 65536,
)  # fmt: skip
TABLE = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}


def places(value: object, path: tuple = ()) -> Iterator[tuple]:
    """Return the paths of everything inside *value*."""
    if path:
        yield path
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, item in items if isinstance(value, dict | list) else ():
        yield from places(item, (*path, key)) if isinstance(item, dict | list) else [(*path, key)]


def spoil(obj: dict, rng: random.Random) -> None:
    """Put something odd somewhere in *obj*."""
    *way, last = rng.choice(list(places(obj)))
    inner = obj
    for key in way:
        inner = inner[key]
    inner[last] = copy.deepcopy(rng.choice(JUNK))


@pytest.mark.parametrize("path", OBJECTS)
def test_spoilt_objects_never_break_the_server(server, path):
    rng = random.Random(path)
    for number in range(25):
        obj = copy.deepcopy({"metadata": {**METADATA, "name": f"x{number}"}, **OBJECTS[path]})
        for _ in range(rng.randrange(3)):
            spoil(obj, rng)
        created = server.request("POST", path, obj)
        assert created.code < 500, (obj, created.body)
        if created.code != 201:
            continue
        own = f"{path}/{created.json['metadata']['name']}"
        again = created.json
        spoil(again, rng)
        for target in (own, f"{own}/status"):
            reply = server.request("PUT", target, again)
            assert reply.code < 500, (again, reply.body)
        patch = {"spec": copy.deepcopy(rng.choice(JUNK))}
        headers = {"Content-Type": "application/strategic-merge-patch+json"}
        assert server.request("PATCH", own, patch, headers=headers).code < 500, patch
        assert server.request("GET", own, headers=TABLE).code == 200
        server.request("DELETE", own)


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/json", b'{"metadata":{"name":"a"},"data":{"x":"\\ud800"}}'),
        ("application/json", b'{"metadata":{"name":"a"},"x":1e999}'),
        ("application/json", b'{"metadata":{"name":"a"},"x":' + b"9" * 400 + b"}"),
        ("application/json", b"\xff\xfe"),
        ("application/yaml", b"a: &a [*a, *a]"),
        ("application/yaml", b"1: 2"),
        ("application/yaml", b"a: !!python/object/apply:os.system [id]"),
        ("application/yaml", b"a: !!binary aGVsbG8="),
        ("application/yaml", b"a: .nan"),
        ("application/yaml", b"a: !!set {b, c}"),
        ("application/yaml", b"- a"),
        ("application/yaml", b": : :\n\t"),
        ("application/vnd.podwire.msgpack", b"\xc1"),
        ("application/vnd.podwire.msgpack", b"\x81\xc4\x01a\x01"),
        ("application/vnd.podwire.msgpack", b"\x81\xa1a\xc4\x01a"),
    ],
)
def test_bodies_that_are_no_objects(server, content_type, body):
    path = "/api/v1/namespaces/default/configmaps"
    reply = server.request("POST", path, body, headers={"Content-Type": content_type})
    assert reply.code == 400, reply.body
    assert json.loads(reply.body)["reason"] == "BadRequest"
