from kubeapi.pod_containers import container_path, every_container

SPEC = {
    "containers": [{"name": "web"}, {"name": "log"}],
    "ephemeralContainers": [{"name": "debugger"}],
    "initContainers": [{"name": "prepare"}],
}


def test_containers_come_in_the_order_of_their_starts():
    assert [each["name"] for each in every_container(SPEC)] == ["prepare", "web", "log", "debugger"]
    assert list(every_container({"containers": None})) == []


def test_events_name_containers_by_their_field():
    assert container_path(SPEC, "prepare") == "spec.initContainers{prepare}"
    assert container_path(SPEC, "log") == "spec.containers{log}"
    assert container_path(SPEC, "debugger") == "spec.ephemeralContainers{debugger}"
    assert container_path({}, "gone") == "spec.containers{gone}"
