"""APIServices follow what is served."""

from __future__ import annotations

import time

from controlplane.apiserver.api_registration import wanted
from controlplane.apiserver.kinds import KINDS
from controlplane.apiserver.kinds.kind import Kind
from kubeapi.resources import Resource

_LABEL = "kube-aggregator.kubernetes.io/automanaged"


def test_one_for_each_group_and_version():
    found = wanted(KINDS)
    assert {"v1.", "v1.apps", "v1.autoscaling", "v2.autoscaling"} <= set(found)
    assert found["v1."]["spec"] == {
        "version": "v1",
        "groupPriorityMinimum": 18000,
        "versionPriority": 1,
    }
    newer, older = (found[name]["spec"] for name in ("v2.autoscaling", "v1.autoscaling"))
    assert newer["versionPriority"] > older["versionPriority"]
    assert found["v1.apps"]["metadata"]["labels"] == {_LABEL: "onstart"}


def test_what_is_no_group_of_kubernetes_comes_last():
    crontab = Resource("stable.example.com", "v1", "crontabs", "CronTab", True, custom=True)
    found = wanted([*KINDS, Kind(resource=crontab, singular="crontab")])
    service = found["v1.stable.example.com"]
    assert service["metadata"]["labels"] == {_LABEL: "true"}
    assert service["spec"]["groupPriorityMinimum"] == 1000
    assert all(other["spec"]["groupPriorityMinimum"] >= 1000 for other in found.values())


def test_they_are_there_soon_after_the_start(server):
    path = "/apis/apiregistration.k8s.io/v1/apiservices"
    ends = time.monotonic() + 10
    names: set[str] = set()
    while time.monotonic() < ends and not names:
        items = server.request("GET", path).json["items"]
        names = {item["metadata"]["name"] for item in items}
    groups = server.request("GET", "/apis").json["groups"]
    served = {version["groupVersion"] for group in groups for version in group["versions"]}
    assert names == {"v1."} | {".".join(reversed(each.split("/"))) for each in served}
    [condition] = server.request("GET", f"{path}/v1.apps").json["status"]["conditions"]
    assert (condition["type"], condition["status"]) == ("Available", "True")
