"""Binding a pod by the resource of its own, as the oldest schedulers do."""

from __future__ import annotations


def test_a_binding_names_the_pod_and_the_node(server, namespace):
    server.request("POST", f"/api/v1/namespaces/{namespace}/serviceaccounts",
                   {"metadata": {"name": "default"}})  # fmt: skip
    pods = f"/api/v1/namespaces/{namespace}/pods"
    spec = {"containers": [{"name": "a", "image": "a"}]}
    assert server.request("POST", pods, {"metadata": {"name": "p"}, "spec": spec}).code == 201
    bindings = f"/api/v1/namespaces/{namespace}/bindings"
    body = {"metadata": {"name": "p"}, "target": {"kind": "Node", "name": "n1"}}
    assert server.request("POST", bindings, {"target": body["target"]}).code == 400
    assert server.request("POST", bindings, body).code == 201
    assert server.request("GET", f"{pods}/p").json["spec"]["nodeName"] == "n1"
    assert server.request("POST", bindings, body).code == 409
    assert server.request("GET", bindings).code == 405


def test_discovery_says_that_they_are_only_created(server):
    resources = server.request("GET", "/api/v1").json["resources"]
    verbs = {each["name"]: each["verbs"] for each in resources}
    assert verbs["bindings"] == ["create"]
    assert verbs["componentstatuses"] == ["get", "list"]
