from __future__ import annotations

CONTAINER = {"name": "web", "image": "nginx:1.27"}
TEMPLATE = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [CONTAINER]}}
SPEC = {"selector": {"matchLabels": {"app": "web"}}, "template": TEMPLATE, "replicas": 3}


def test_row_and_fields(kind_of, made):
    replica_set = made("ReplicaSet", {"spec": SPEC, "status": {"replicas": 9}})
    assert replica_set["status"] == {"replicas": 0}
    replica_set["status"] = {"replicas": 3, "readyReplicas": 2}
    assert kind_of("ReplicaSet").cells(replica_set, 1767323045) == (
        "web",
        3,
        3,
        2,
        "0s",
        "web",
        "nginx:1.27",
        "app=web",
    )
    assert kind_of("ReplicaSet").fields(replica_set) == {"status.replicas": "3"}


def test_one_replica_by_default(made):
    assert made("ReplicaSet")["spec"]["replicas"] == 1
