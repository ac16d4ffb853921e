"""Slices and Endpoints under random walks: in the end they list each pod once, as it is."""

from __future__ import annotations

from hypothesis import given
from memory_api import NAMESPACE
from walk import Walk, nth, run, steps, walks

from componentbase.clock import rfc3339
from controlplane.controllermanager.endpoint.controller import EndpointsController
from controlplane.controllermanager.endpointslice.controller import EndpointSliceController
from kubeapi.resources import ENDPOINTS, ENDPOINTSLICES, PODS, SERVICES

PORTS = ({"port": 80}, {"port": 80, "targetPort": 8080}, {"name": "x", "port": 90})


class SlicesWalk(Walk):
    controllers = ((SERVICES, EndpointSliceController), (SERVICES, EndpointsController))
    round_s = 10.0

    def __init__(self):
        super().__init__()
        self.made = 0
        spec = {"selector": {"app": "a"}, "ports": [PORTS[0]], "clusterIP": "10.96.0.9"}
        metadata = {"name": "web", "namespace": NAMESPACE}
        kind = {"apiVersion": "v1", "kind": "Service"}
        self.service = self.api.put(SERVICES, {**kind, "metadata": metadata, "spec": spec})

    def a_pod_comes(self, number):
        self.made += 1
        metadata = {"name": f"pod-{self.made}", "labels": {"app": "ab"[number % 4 == 0]}}
        pod = {"metadata": metadata, "spec": {}, "status": {}}
        self.say(self.api.put(PODS, pod), is_ready=bool(number % 3))

    def a_pod_changes(self, number):
        if pod := nth(self.api.store(PODS).values(), number):
            self.say(pod, is_ready=bool(number % 2))

    def say(self, pod, *, is_ready):
        at = rfc3339(self.api.now)
        address = f"10.244.0.{pod['metadata']['name'].removeprefix('pod-')}"
        ready = {"type": "Ready", "status": str(is_ready), "lastTransitionTime": at}
        status = {"phase": "Running", "podIP": address, "conditions": [ready]}
        self.api.put(PODS, {**pod, "status": status})

    def a_pod_goes(self, number):
        if pod := nth(self.api.store(PODS).values(), number):
            self.api.end(PODS, pod)

    def ports_change(self, number):
        ports = [PORTS[number % 3]]
        self.api.change(SERVICES, self.service, {"spec": {"ports": ports}})

    def the_selector_changes(self, number):
        selector = {"app": "ab"[number % 2]}
        self.api.change(SERVICES, self.service, {"spec": {"selector": selector}})

    def somebody_meddles(self, number):
        if one := nth(self.api.store(ENDPOINTSLICES).values(), number):
            self.api.put(ENDPOINTSLICES, {**one, "endpoints": []})

    def check_end(self):
        service = self.api.store(SERVICES)[f"{NAMESPACE}/web"]
        (port,) = service["spec"]["ports"]
        wanted = {
            pod["status"]["podIP"]: pod["status"]["conditions"][0]["status"] == "True"
            for pod in self.api.store(PODS).values()
            if pod["metadata"]["labels"] == service["spec"]["selector"]
        }
        slices = list(self.api.store(ENDPOINTSLICES).values())
        listed = [end for one in slices for end in one["endpoints"]]
        found = {end["addresses"][0]: end["conditions"]["ready"] for end in listed}
        assert found == wanted
        assert len(listed) == len(wanted)
        if wanted:
            numbers = [each["port"] for one in slices for each in one["ports"]]
            assert numbers == [port.get("targetPort") or port["port"]]
        subsets = self.api.store(ENDPOINTS)[f"{NAMESPACE}/web"].get("subsets") or []
        ready = [each["ip"] for one in subsets for each in one.get("addresses") or ()]
        others = [each["ip"] for one in subsets for each in one.get("notReadyAddresses") or ()]
        assert sorted(ready) == sorted(address for address, is_ready in wanted.items() if is_ready)
        assert sorted(ready + others) == sorted(wanted)


@walks(60)
@given(
    steps(
        *["a_pod_comes"] * 3,
        *["a_pod_changes"] * 2,
        "a_pod_goes",
        "ports_change",
        "the_selector_changes",
        "somebody_meddles",
    )
)
def test_each_pod_is_listed_once_as_it_is(taken):
    run(SlicesWalk(), taken).check_end()
