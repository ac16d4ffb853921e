"""ResourceQuota against a real server process: nothing is given twice."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest


@pytest.fixture
def path(namespace: str) -> str:
    return f"/api/v1/namespaces/{namespace}"


def make_quota(server, path: str, name: str, hard: dict) -> None:
    """Make a quota, and count as the controller would."""
    quotas = f"{path}/resourcequotas"
    made = server.request("POST", quotas, {"metadata": {"name": name}, "spec": {"hard": hard}})
    assert made.code == 201, made.json
    status = {"hard": hard, "used": dict.fromkeys(hard, "0")}
    counted = server.request("PUT", f"{quotas}/{name}/status", made.json | {"status": status})
    assert counted.code == 200, counted.json


def used(server, path: str, name: str) -> dict:
    return server.request("GET", f"{path}/resourcequotas/{name}").json["status"]["used"]


def test_writers_beside_one_another_get_no_more_than_there_is(server, path):
    make_quota(server, path, "q", {"configmaps": "5"})

    def create(number: int) -> int:
        # A connection of its own: each user has one.
        body = {"metadata": {"name": f"c{number}"}}
        return server.request("POST", f"{path}/configmaps", body, user=f"writer-{number % 4}").code

    for number in range(4):
        role = {
            "metadata": {"name": f"w{number}"},
            "roleRef": {
                "apiGroup": "rbac.authorization.k8s.io",
                "kind": "ClusterRole",
                "name": "cluster-admin",
            },
            "subjects": [
                {
                    "kind": "User",
                    "apiGroup": "rbac.authorization.k8s.io",
                    "name": f"writer-{number}",
                }
            ],
        }
        bindings = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings"
        assert server.request("POST", bindings, role).code in (201, 409)

    def creates(first: int) -> list[int]:
        return [create(number) for number in range(first, 16, 4)]

    with ThreadPoolExecutor(4) as pool:
        codes = [code for found in pool.map(creates, range(4)) for code in found]
    assert sorted(codes) == [201] * 5 + [403] * 11
    assert used(server, path, "q") == {"configmaps": "5"}


def test_refusal_is_upstreams(server, path):
    make_quota(server, path, "none", {"count/configmaps": "0"})
    answer = server.request("POST", f"{path}/configmaps", {"metadata": {"name": "c"}})
    assert (answer.code, answer.json["reason"]) == (403, "Forbidden")
    assert answer.json["message"] == (
        'configmaps "c" is forbidden: exceeded quota: none, requested: count/configmaps=1,'
        " used: count/configmaps=0, limited: count/configmaps=0"
    )


def test_several_quotas_are_charged_or_none(server, path):
    make_quota(server, path, "a", {"configmaps": "5"})
    make_quota(server, path, "b", {"configmaps": "1"})
    for name, code in (("c", 201), ("d", 403)):
        body = {"metadata": {"name": name}}
        assert server.request("POST", f"{path}/configmaps", body).code == code
    assert used(server, path, "a") == used(server, path, "b") == {"configmaps": "1"}


def test_dry_run_and_updates_cost_nothing(server, path):
    make_quota(server, path, "q", {"configmaps": "1"})
    body = {"metadata": {"name": "c"}}
    assert server.request("POST", f"{path}/configmaps?dryRun=All", body).code == 201
    assert used(server, path, "q") == {"configmaps": "0"}
    assert server.request("POST", f"{path}/configmaps", body).code == 201
    changed = body | {"data": {"a": "b"}}
    assert server.request("PUT", f"{path}/configmaps/c", changed).code == 200
    assert used(server, path, "q") == {"configmaps": "1"}
    answer = server.request("POST", f"{path}/configmaps?dryRun=All", {"metadata": {"name": "d"}})
    assert answer.code == 403


def test_service_is_charged_when_it_grows(server, path):
    make_quota(server, path, "q", {"services.nodeports": "1", "services": "2"})
    service = {"metadata": {"name": "s"}, "spec": {"ports": [{"port": 80}]}}
    made = server.request("POST", f"{path}/services", service)
    assert made.code == 201
    assert used(server, path, "q") == {"services": "1", "services.nodeports": "0"}
    made.json["spec"]["type"] = "NodePort"
    grown = made.json | {"spec": made.json["spec"] | {"type": "NodePort"}}
    assert server.request("PUT", f"{path}/services/s", grown).code == 200
    assert used(server, path, "q") == {"services": "1", "services.nodeports": "1"}
