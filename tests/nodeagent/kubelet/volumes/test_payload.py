"""What files each kind of volume holds: a table of cases."""

from __future__ import annotations

import base64

import pytest

from nodeagent.kubelet.references import ConfigError, Configuration, Reference
from nodeagent.kubelet.volumes.payload import (
    FileProjection,
    Sources,
    TokenKey,
    is_projected,
    payload,
    token_keys,
)

POD = {
    "metadata": {
        "name": "p",
        "namespace": "d",
        "uid": "u",
        "labels": {"app": "web", "tier": "front"},
        "annotations": {"note": "two\nlines"},
    },
    "spec": {
        "nodeName": "n1",
        "serviceAccountName": "builder",
        "containers": [{"name": "main", "resources": {"limits": {"cpu": "250m"}}}],
    },
}
TOKEN = {"serviceAccountToken": {"path": "token", "expirationSeconds": 3607}}
KEY = TokenKey("d", "builder", "", 3607, "p", "u")
SOURCES = Sources(
    configuration=Configuration(
        {
            Reference("configmap", "c"): {
                "data": {"k": "v", "file.txt": "text"},
                "binaryData": {"bin": base64.b64encode(b"\xff\x00").decode()},
            },
            Reference("secret", "s"): {"data": {"p": base64.b64encode(b"\xfehush").decode()}},
        }
    ),
    tokens={KEY: "a.b.c"},
    allocatable={"cpu": "4", "memory": "8Gi"},
)


def files(volume):
    found = payload(POD, {"name": "v", **volume}, SOURCES)
    return {path: (file.octets, oct(file.mode)) for path, file in found.items()}


@pytest.mark.parametrize(
    ("volume", "expected"),
    [
        (
            {"configMap": {"name": "c"}},
            {
                "k": (b"v", "0o644"),
                "file.txt": (b"text", "0o644"),
                "bin": (b"\xff\x00", "0o644"),
            },
        ),
        (
            {"configMap": {"name": "c", "items": [{"key": "k", "path": "a/b"}]}},
            {"a/b": (b"v", "0o644")},
        ),
        (
            {
                "configMap": {
                    "name": "c",
                    "defaultMode": 0o400,
                    "items": [{"key": "k", "path": "x"}, {"key": "k", "path": "y", "mode": 0o755}],
                }
            },
            {"x": (b"v", "0o400"), "y": (b"v", "0o755")},
        ),
        ({"configMap": {"name": "no", "optional": True}}, {}),
        (
            {"configMap": {"name": "c", "optional": True, "items": [{"key": "no", "path": "x"}]}},
            {},
        ),
        ({"secret": {"secretName": "s"}}, {"p": (b"\xfehush", "0o644")}),
        ({"secret": {"secretName": "s", "defaultMode": 0}}, {"p": (b"\xfehush", "0o0")}),
        ({"secret": {"secretName": "no", "optional": True}}, {}),
        (
            {"downwardAPI": {"items": [{"path": "n", "fieldRef": {"fieldPath": "metadata.name"}}]}},
            {"n": (b"p", "0o644")},
        ),
        (
            {
                "downwardAPI": {
                    "items": [
                        {"path": "l", "fieldRef": {"fieldPath": "metadata.labels"}},
                        {"path": "a", "fieldRef": {"fieldPath": "metadata.annotations"}},
                        {"path": "t", "fieldRef": {"fieldPath": "metadata.labels['tier']"}},
                    ]
                }
            },
            {
                "l": (b'app="web"\ntier="front"', "0o644"),
                "a": (b'note="two\\nlines"', "0o644"),
                "t": (b"front", "0o644"),
            },
        ),
        (
            {
                "downwardAPI": {
                    "defaultMode": 0o600,
                    "items": [
                        {
                            "path": "cpu",
                            "resourceFieldRef": {
                                "containerName": "main",
                                "resource": "limits.cpu",
                                "divisor": "1m",
                            },
                        },
                        {
                            "path": "memory",
                            "mode": 0o444,
                            "resourceFieldRef": {
                                "containerName": "main",
                                "resource": "limits.memory",
                            },
                        },
                    ],
                }
            },
            {"cpu": (b"250", "0o600"), "memory": (str(8 << 30).encode(), "0o444")},
        ),
        (
            {
                "projected": {
                    "defaultMode": 0o440,
                    "sources": [
                        {"configMap": {"name": "c", "items": [{"key": "k", "path": "k"}]}},
                        {"secret": {"name": "s", "items": [{"key": "p", "path": "dir/p"}]}},
                        {
                            "downwardAPI": {
                                "items": [
                                    {
                                        "path": "ns",
                                        "fieldRef": {"fieldPath": "metadata.namespace"},
                                    }
                                ]
                            }
                        },
                        TOKEN,
                    ],
                }
            },
            {
                "k": (b"v", "0o440"),
                "dir/p": (b"\xfehush", "0o440"),
                "ns": (b"d", "0o440"),
                "token": (b"a.b.c", "0o440"),
            },
        ),
        ({"projected": {"sources": []}}, {}),
    ],
)
def test_a_volume_holds(volume, expected):
    assert files(volume) == expected


@pytest.mark.parametrize(
    ("volume", "text"),
    [
        ({"configMap": {"name": "no"}}, 'configmap "no" not found'),
        ({"secret": {"secretName": "no"}}, 'secret "no" not found'),
        (
            {"configMap": {"name": "c", "items": [{"key": "no", "path": "x"}]}},
            "configmap references non-existent config key: no",
        ),
        (
            {"secret": {"secretName": "s", "items": [{"key": "no", "path": "x"}]}},
            "secret references non-existent secret key: no",
        ),
        (
            {
                "downwardAPI": {
                    "items": [
                        {
                            "path": "x",
                            "resourceFieldRef": {"containerName": "no", "resource": "limits.cpu"},
                        }
                    ]
                }
            },
            "container no not found",
        ),
        ({"projected": {"sources": [{"configMap": {"name": "no"}}]}}, 'configmap "no" not found'),
    ],
)
def test_what_is_missing_is_named(volume, text):
    with pytest.raises(ConfigError) as caught:
        files(volume)
    assert str(caught.value) == text


def test_tokens_are_known_by_account_audience_duration_and_pod():
    vault = {"serviceAccountToken": {"path": "vault", "audience": "vault"}}
    volume = {"name": "v", "projected": {"sources": [TOKEN, {"configMap": {"name": "c"}}, vault]}}
    assert list(token_keys(POD, volume)) == [KEY, TokenKey("d", "builder", "vault", 3600, "p", "u")]
    assert list(token_keys(POD, {"name": "w", "emptyDir": {}})) == []


def test_which_volumes_the_kubelet_writes():
    assert is_projected({"name": "v", "secret": {}})
    assert is_projected({"name": "v", "projected": {}})
    assert not is_projected({"name": "v", "emptyDir": {}})
    assert not is_projected({"name": "v", "configMap": None, "hostPath": {"path": "/"}})
    assert FileProjection(b"").mode == 0o644
