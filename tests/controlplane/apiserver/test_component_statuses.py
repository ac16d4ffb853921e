"""How the control plane is, as it is found out when somebody asks."""

from __future__ import annotations

import datetime

PATH = "/api/v1/componentstatuses"
LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases"


def state(server, name):
    [condition] = server.request("GET", f"{PATH}/{name}").json["conditions"]
    return condition


def lease(age_s):
    renewed = datetime.datetime.now(datetime.UTC) - datetime.timedelta(seconds=age_s)
    return {
        "metadata": {"name": "kube-scheduler"},
        "spec": {
            "holderIdentity": "master-1",
            "leaseDurationSeconds": 15,
            "renewTime": renewed.strftime("%Y-%m-%dT%H:%M:%S.000000Z"),
        },
    }


def test_the_store_is_asked_and_leases_are_looked_at(server):
    assert state(server, "etcd-0") == {"type": "Healthy", "status": "True", "message": "ok"}
    assert "has no holder" in state(server, "scheduler")["error"]
    made = server.request("POST", LEASES, lease(age_s=0))
    assert made.code == 201
    assert state(server, "scheduler")["status"] == "True"
    older = {**lease(age_s=60), "metadata": made.json["metadata"]}
    reply = server.request("PUT", f"{LEASES}/kube-scheduler", older)
    assert reply.code == 200
    assert "was not renewed since" in state(server, "scheduler")["error"]


def test_the_list_as_a_table_comes_with_a_warning(server):
    accept = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}
    reply = server.request("GET", PATH, headers=accept)
    assert [column["name"] for column in reply.json["columnDefinitions"]] == [
        "Name",
        "Status",
        "Message",
        "Error",
    ]
    cells = {row["cells"][0]: row["cells"][1:] for row in reply.json["rows"]}
    assert cells["etcd-0"] == ["Healthy", "ok", ""]
    assert set(cells) == {"etcd-0", "scheduler", "controller-manager"}
    assert reply.headers["Warning"] == '299 - "v1 ComponentStatus is deprecated in v1.19+"'


def test_nothing_else_is_served(server):
    assert server.request("GET", f"{PATH}/nobody").code == 404
    assert server.request("POST", PATH, {"metadata": {"name": "a"}}).code == 405
    assert server.request("GET", f"{PATH}?watch=true").code == 405
