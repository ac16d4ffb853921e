"""Which mounts are files, and which are volumes that the runtime keeps for the pod."""

from __future__ import annotations

from nodeagent.kubelet.volumes import container_mounts


def test_mounts_without_a_source_of_files_are_the_pods_own_volumes() -> None:
    pod = {
        "spec": {
            "volumes": [
                {"name": "work", "emptyDir": {}},
                {"name": "host", "hostPath": {"path": "/var/log"}},
                {"name": "settings", "configMap": {"name": "settings"}},
                {"name": "token", "projected": {"sources": []}},
            ]
        }
    }
    container = {
        "volumeMounts": [
            {"name": "work", "mountPath": "/work", "subPath": "a"},
            {"name": "settings", "mountPath": "/etc/settings"},
            {"name": "token", "mountPath": "/var/run/secrets"},
            {"name": "host", "mountPath": "/logs"},
        ]
    }
    assert container_mounts(pod, container) == [
        {"path": "/work", "volume": "work", "sub_path": "a"},
        {"path": "/logs", "volume": "host", "sub_path": ""},
    ]


def test_a_container_without_mounts_has_none() -> None:
    assert container_mounts({"spec": {}}, {}) == []
