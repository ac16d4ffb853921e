"""Roles and bindings as a server makes them, and what its next start does to them."""

from __future__ import annotations

RBAC = "/apis/rbac.authorization.k8s.io/v1"
OFF = {"rbac.authorization.kubernetes.io/autoupdate": "false"}


def test_a_start_completes_what_was_cut_down(stopped_server):
    server = stopped_server
    server.start()
    roles, bindings = f"{RBAC}/clusterroles", f"{RBAC}/clusterrolebindings"
    view = server.request("GET", f"{roles}/view").json
    assert view["aggregationRule"]["clusterRoleSelectors"]
    assert view["metadata"]["labels"]["kubernetes.io/bootstrapping"] == "rbac-defaults"
    before = server.request("GET", f"{roles}/system:discovery").json
    server.request("PUT", f"{roles}/system:discovery", {**before, "rules": []})
    kept = server.request("GET", f"{roles}/system:monitoring").json
    kept["metadata"]["annotations"] = OFF
    server.request("PUT", f"{roles}/system:monitoring", {**kept, "rules": []})
    server.request("DELETE", f"{roles}/edit")
    moved = server.request("GET", f"{bindings}/system:basic-user").json
    server.request("DELETE", f"{bindings}/system:basic-user")
    moved["roleRef"]["name"] = "view"
    del moved["metadata"]["resourceVersion"]
    assert server.request("POST", bindings, moved).code == 201
    assert server.request("GET", "/api", user="somebody").code == 403
    revision = server.request("GET", roles).json["metadata"]["resourceVersion"]
    server.stop()

    server.start()
    rules = server.request("GET", f"{roles}/system:discovery").json["rules"]
    paths = [path for rule in rules for path in rule["nonResourceURLs"]]
    assert paths == before["rules"][0]["nonResourceURLs"]
    assert server.request("GET", "/api", user="somebody").code == 200
    assert server.request("GET", f"{roles}/system:monitoring").json["rules"] == []
    assert server.request("GET", f"{roles}/edit").code == 200
    again = server.request("GET", f"{bindings}/system:basic-user").json
    assert again["roleRef"]["name"] == "system:basic-user"
    untouched = server.request("GET", f"{roles}/admin").json["metadata"]["resourceVersion"]
    assert int(untouched) <= int(revision)
