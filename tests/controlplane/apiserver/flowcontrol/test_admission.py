"""Requests wait for seats, and a server does as its FlowSchemas say."""

from __future__ import annotations

import asyncio
import socket
import time
from contextlib import ExitStack, closing

import pytest

from controlplane.apiserver.authn import User
from controlplane.apiserver.flowcontrol import admission
from controlplane.apiserver.flowcontrol.admission import FlowControl
from controlplane.apiserver.request_info import parse_request_info
from kubeapi.status import StatusError

ODD = User("odd")  # Of no group: the catch-all's, which has 13 seats, no queue, and lends none.
JANE = User("jane", ("system:authenticated",))
READ = parse_request_info("GET", "/api/v1/pods", {})
WRITE = parse_request_info("POST", "/api/v1/namespaces/a/pods", {})
LASTING = [
    parse_request_info("GET", "/api/v1/pods", {"watch": "1"}),
    parse_request_info("GET", "/api/v1/namespaces/a/pods/p/log", {}),
    parse_request_info("POST", "/api/v1/namespaces/a/pods/p/exec", {}),
]
GROUP = "/apis/flowcontrol.apiserver.k8s.io/v1"


async def refused(control, info, user):
    told = {}
    with pytest.raises(StatusError) as caught:
        await control.seat(info, user, told)
    assert (caught.value.code, caught.value.retry_after_s) == (429, 1)
    assert set(told) == {"X-Kubernetes-PF-FlowSchema-UID", "X-Kubernetes-PF-PriorityLevel-UID"}


def numbers(control, name):
    return {
        tuple(sample.labels.values()): sample.value
        for family in control.collect()
        for sample in family.samples
        if sample.name == f"apiserver_flowcontrol_{name}"
    }


async def fill(control, user, held):
    """Take every seat that *user* gets without waiting."""
    taken = 0
    while True:
        task = asyncio.get_running_loop().create_task(control.seat(READ, user, {}))
        await asyncio.sleep(0)
        if not task.done():
            return task, taken
        try:
            held.enter_context(task.result())
        except StatusError:
            return None, taken
        taken += 1


@pytest.mark.asyncio
async def test_without_queues_who_finds_no_seat_is_refused():
    control = FlowControl()
    with ExitStack() as held:
        _, taken = await fill(control, ODD, held)
        assert control.reads == taken > 13  # Its own, and what others lend.
        for info in LASTING:
            with await control.seat(info, ODD, {}):
                assert control.reads == taken
        await refused(control, WRITE, ODD)
        with await control.seat(WRITE, JANE, {}):  # Another level.
            assert control.writes == 1
        executing = numbers(control, "current_executing_requests")
        assert executing["catch-all", "catch-all"] == taken
    assert (control.reads, control.writes) == (0, 0)
    rejected = numbers(control, "rejected_requests_total")
    assert rejected == {("catch-all", "catch-all", "concurrency-limit"): 2}
    assert numbers(control, "dispatched_requests_total")["catch-all", "catch-all"] == taken
    with await control.seat(READ, ODD, {}):
        pass


@pytest.mark.asyncio
async def test_who_waits_gets_the_seat_that_comes_free(monkeypatch):
    control = FlowControl()
    with ExitStack() as held:
        waiting, taken = await fill(control, JANE, held)
        assert taken > 49
        queued = numbers(control, "current_inqueue_requests")
        assert queued == {("global-default", "global-default"): 1}
        monkeypatch.setattr(admission, "WAIT_MAX_S", 0.01)
        await refused(control, READ, JANE)  # It waits for its time.
        gone = asyncio.get_running_loop().create_task(control.seat(READ, JANE, {}))
        await asyncio.sleep(0)
        gone.cancel()
        with pytest.raises(asyncio.CancelledError):
            await gone
    with await asyncio.wait_for(waiting, 5):
        assert control.reads == 1
    rejected = numbers(control, "rejected_requests_total")
    assert rejected == {("global-default", "global-default", "time-out"): 1}
    assert not numbers(control, "current_inqueue_requests")


@pytest.mark.asyncio
async def test_a_request_that_fails_gives_its_seat_back():
    control = FlowControl()
    for _ in range(1000):
        with pytest.raises(ValueError, match="broken"), await control.seat(READ, ODD, {}):
            raise ValueError("broken")


def _tiny(response):
    limited = {"nominalConcurrencyShares": 1, "borrowingLimitPercent": 0, "limitResponse": response}
    return {"metadata": {"name": "tiny"}, "spec": {"type": "Limited", "limited": limited}}


FLOOD = {
    "metadata": {"name": "flood"},
    "spec": {
        "priorityLevelConfiguration": {"name": "tiny"},
        "matchingPrecedence": 300,
        "rules": [
            {
                "subjects": [{"kind": "User", "user": {"name": "flooder"}}],
                "resourceRules": [
                    {
                        "verbs": ["*"],
                        "apiGroups": ["*"],
                        "resources": ["*"],
                        "namespaces": ["*"],
                        "clusterScope": True,
                    }
                ],
            }
        ],
    },
}
ROLE = {
    "metadata": {"name": "flood"},
    "roleRef": {
        "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin",
    },
    "subjects": [
        {"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": name}
        for name in ("flooder", "neighbour")
    ],
}  # fmt: skip
SEATS = 3  # One share of 246, of 600 seats.


def _half_a_request(server, path, held):
    """Send a head whose body does not come: it holds its seat."""
    plain = socket.create_connection((server.address, server.port), timeout=10)
    stream = server.tls("flooder").wrap_socket(plain, server_hostname=server.address)
    held.enter_context(closing(stream))
    stream.sendall(
        f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        "Content-Length: 100\r\n\r\n".encode()
    )


def _until(server, sample):
    deadline = time.monotonic() + 10
    while sample not in server.request("GET", "/metrics").body.decode():
        assert time.monotonic() < deadline, f"{sample} does not come"


def test_a_server_does_as_its_objects_say(server, namespace):
    bindings = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings"
    uids = {}
    for path, body in (
        (bindings, ROLE),
        (f"{GROUP}/prioritylevelconfigurations", _tiny({"type": "Reject"})),
        (f"{GROUP}/flowschemas", FLOOD),
    ):
        reply = server.request("POST", path, body)
        assert reply.code == 201, reply.body
        uids[reply.json["metadata"]["name"]] = reply.json["metadata"]["uid"]
    path, body = f"/api/v1/namespaces/{namespace}/configmaps", {"metadata": {"generateName": "c-"}}
    labels = 'flow_schema="flood",priority_level="tiny"'
    with ExitStack() as held:
        for _ in range(SEATS):
            _half_a_request(server, path, held)
        _until(server, f"apiserver_flowcontrol_current_executing_seats{{{labels}}} {SEATS}.0")
        answer = server.request("POST", path, body, user="flooder")
        assert (answer.code, answer.json["reason"]) == (429, "TooManyRequests")
        assert answer.headers["Retry-After"] == "1"
        assert answer.headers["X-Kubernetes-PF-FlowSchema-UID"] == uids["flood"]
        assert answer.headers["X-Kubernetes-PF-PriorityLevel-UID"] == uids["tiny"]
        for user in ("neighbour", "admin"):
            served = server.request("POST", path, body, user=user)
            assert served.code == 201
            assert served.headers["X-Kubernetes-PF-FlowSchema-UID"] not in ("", uids["flood"])
        # With a change of the object, those of the level are welcome again, where there is room.
        level = f"{GROUP}/prioritylevelconfigurations/tiny"
        more = {"spec": {"limited": {"borrowingLimitPercent": 100}}}
        merge = {"Content-Type": "application/merge-patch+json"}
        assert server.request("PATCH", level, more, headers=merge).code == 200
        assert server.request("POST", path, body, user="flooder").code == 201
    _until(server, f'rejected_requests_total{{{labels},reason="concurrency-limit"}} 1.0')
    assert server.request("DELETE", f"{GROUP}/flowschemas/flood").code == 200
    served = server.request("GET", path, user="flooder")
    assert served.headers["X-Kubernetes-PF-FlowSchema-UID"] != uids["flood"]
