from __future__ import annotations

import copy

SPEC = {"hard": {"pods": "10", "requests.cpu": "4", "limits.cpu": "8"}}


def test_row(kind_of, made):
    quota = made("ResourceQuota", {"spec": SPEC, "status": {"hard": {"pods": "9"}}})
    assert quota["status"] == {}
    quota["status"] = {"hard": SPEC["hard"], "used": {"pods": "3", "requests.cpu": "500m"}}
    assert kind_of("ResourceQuota").cells(quota, 1767323045) == (
        "web",
        "pods: 3/10, requests.cpu: 500m/4",
        "limits.cpu: 0/8",
        "0s",
    )


def test_spec_and_status_have_a_writer_each(made, update):
    old = made("ResourceQuota", {"spec": SPEC})
    new = copy.deepcopy(old)
    new["spec"]["hard"], new["status"] = {"pods": "1"}, {"used": {"pods": "1"}}
    other = copy.deepcopy(new)
    assert update("ResourceQuota", new, old) == []
    assert (new["spec"], new["status"]) == ({"hard": {"pods": "1"}}, {})
    assert update("ResourceQuota", other, old, status=True) == []
    assert (other["spec"], other["status"]) == (SPEC, {"used": {"pods": "1"}})
