from __future__ import annotations

import pytest


@pytest.mark.parametrize(
    ("volumes", "mounts", "cause"),
    [
        ([{"name": "a"}], [{"name": "a", "mountPath": "/a"}], None),
        ([{"name": ""}], [], "spec.volumes[0].name: Required value"),
        ([{"name": "a"}, {"name": "a"}], [], 'spec.volumes[1].name: Duplicate value: "a"'),
        ([{"name": "A"}], [], 'spec.volumes[0].name: Invalid value: "A"'),
        (
            [{"name": "a", "emptyDir": {}, "secret": {"secretName": "b"}}],
            [],
            "spec.volumes[0].secret: Forbidden: may not specify more than 1 volume type",
        ),
        ([{"name": "a", "configMap": {}}], [], "spec.volumes[0].configMap.name: Required value"),
        ([{"name": "a", "hostPath": {}}], [], "spec.volumes[0].hostPath.path: Required value"),
        (
            [{"name": "a"}],
            [{"name": "a"}],
            "spec.containers[0].volumeMounts[0].mountPath: Required value",
        ),
        (
            [{"name": "a"}],
            [{"name": "a", "mountPath": "/a"}, {"name": "a", "mountPath": "/a"}],
            'spec.containers[0].volumeMounts[1].mountPath: Invalid value: "/a": must be unique',
        ),
        (
            [{"name": "a"}],
            [{"name": "a", "mountPath": "/a", "subPath": "../b"}],
            'spec.containers[0].volumeMounts[0].subPath: Invalid value: "../b"',
        ),
    ],
)
def test_volumes_and_mounts(wrong, volumes, mounts, cause):
    container = {"name": "web", "image": "nginx:1", "volumeMounts": mounts}
    causes = wrong("Pod", {"spec": {"containers": [container], "volumes": volumes}})
    if cause is None:
        assert causes == []
    else:
        assert len(causes) == 1, causes
        assert causes[0].startswith(cause)


VOLUME = "spec.volumes[0]"
BAD_MODE = "must be a number between 0 and 0777 (octal), both inclusive"


def item(**fields):
    return {"key": "k", "path": "p", **fields}


def config(*items, **fields):
    return {"configMap": {"name": "c", "items": list(items), **fields}}


def projected(*sources):
    return {"projected": {"sources": list(sources)}}


def downward(**fields):
    return {"downwardAPI": {"items": [{"path": "p", **fields}]}}


@pytest.mark.parametrize(
    ("volume", "cause"),
    [
        (config(item(mode=0o777), defaultMode=0o400), None),
        (config(item(mode=0o1000)), f".configMap.items[0].mode: Invalid value: 512: {BAD_MODE}"),
        (config(defaultMode=-1), f".configMap.defaultMode: Invalid value: -1: {BAD_MODE}"),
        (config(item(key="")), ".configMap.items[0].key: Required value"),
        (config(item(path="")), ".configMap.items[0].path: Required value"),
        (
            config(item(path="/abs")),
            '.configMap.items[0].path: Invalid value: "/abs": must be a relative path',
        ),
        (
            config(item(path="a/../b")),
            ".configMap.items[0].path: Invalid value: \"a/../b\": must not contain '..'",
        ),
        (
            config(item(path="..data")),
            ".configMap.items[0].path: Invalid value: \"..data\": must not start with '..'",
        ),
        ({"secret": {"secretName": "s", "items": [item()]}}, None),
        ({"secret": {}}, ".secret.secretName: Required value"),
        (
            {"hostPath": {"path": "/a/../b"}},
            ".hostPath.path: Invalid value: \"/a/../b\": must not contain '..'",
        ),
        ({"hostPath": {"path": "/a", "type": "Pipe"}}, '.hostPath.type: Unsupported value: "Pipe"'),
        ({"hostPath": {"path": "/a", "type": "FileOrCreate"}}, None),
        ({"emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}}, None),
        (
            {"emptyDir": {"sizeLimit": "-1"}},
            ".emptyDir.sizeLimit: Forbidden: SizeLimit field must be a valid resource quantity",
        ),
        (downward(fieldRef={"fieldPath": "metadata.labels['a/b']"}), None),
        (
            downward(fieldRef={"fieldPath": "status.podIP"}),
            '.downwardAPI.items[0].fieldRef.fieldPath: Unsupported value: "status.podIP"',
        ),
        (
            downward(resourceFieldRef={"resource": "limits.cpu"}),
            ".downwardAPI.items[0].resourceFieldRef.containerName: Required value",
        ),
        (
            downward(
                resourceFieldRef={"containerName": "web", "resource": "limits.cpu", "divisor": "2"}
            ),
            '.downwardAPI.items[0].resourceFieldRef.divisor: Invalid value: "2": only divisor\'s'
            " values 1m and 1 are supported with the limits.cpu resource",
        ),
        (
            downward(),
            ".downwardAPI.items[0]: Required value: one of fieldRef and resourceFieldRef is"
            " required",
        ),
        (
            projected(
                {"serviceAccountToken": {"path": "token", "expirationSeconds": 3607}},
                {"configMap": {"name": "c", "items": [item(path="ca.crt")]}},
                {
                    "downwardAPI": {
                        "items": [{"path": "n", "fieldRef": {"fieldPath": "metadata.uid"}}]
                    }
                },
            ),
            None,
        ),
        (
            projected({"serviceAccountToken": {"path": "t", "expirationSeconds": 599}}),
            ".projected.sources[0].serviceAccountToken.expirationSeconds: Invalid value: 599: may"
            " not specify a duration less than 10 minutes",
        ),
        (
            projected({"serviceAccountToken": {}}),
            ".projected.sources[0].serviceAccountToken.path: Required value",
        ),
        (
            projected({"secret": {"name": "s", "items": [item()]}}, config(item())),
            '.projected.sources[1].configMap.items[0].path: Invalid value: "p": conflicting'
            " duplicate paths",
        ),
        (
            projected({"secret": {"name": "s"}, "configMap": {"name": "c"}}),
            ".projected.sources[0].configMap: Forbidden: may not specify more than 1 volume type",
        ),
        ({"persistentVolumeClaim": {}}, ".persistentVolumeClaim.claimName: Required value"),
    ],
)
def test_what_sources_may_say(wrong, volume, cause):
    container = {"name": "web", "image": "nginx:1"}
    causes = wrong(
        "Pod", {"spec": {"containers": [container], "volumes": [{"name": "a", **volume}]}}
    )
    if cause is None:
        assert causes == []
    else:
        assert len(causes) == 1, causes
        assert causes[0].startswith(VOLUME + cause)
