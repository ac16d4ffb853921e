"""Too many requests at once are refused, level by level, and places come back."""

from __future__ import annotations

import socket
import time
from contextlib import ExitStack, closing

import pytest

from controlplane.apiserver.authn import User
from controlplane.apiserver.inflight import WRITES_MAX, InFlight, Level, level_of
from controlplane.apiserver.request_info import parse_request_info
from kubeapi.status import StatusError

SOMEBODY, OTHER = User("x"), User("y")
ADMIN = User("admin", ("system:masters",))
NODE = User("system:node:n", ("system:nodes",))
MANAGER = User("system:kube-controller-manager")
ACCOUNT = User("system:serviceaccount:kube-system:dns", ("system:serviceaccounts:kube-system",))
READ = parse_request_info("GET", "/api/v1/pods", {})
WRITE = parse_request_info("POST", "/api/v1/namespaces/a/pods", {})
WATCH = parse_request_info("GET", "/api/v1/pods", {"watch": "1"})
LOG = parse_request_info("GET", "/api/v1/namespaces/a/pods/p/log", {})
LEASE = parse_request_info("PUT", "/apis/coordination.k8s.io/v1/namespaces/a/leases/l", {})
IN_FLIGHT = 'apiserver_current_inflight_requests{request_kind="mutating"}'
NODES = parse_request_info("PATCH", "/api/v1/nodes/n/status", {})


def refused(in_flight: InFlight, info, user: User) -> None:
    with pytest.raises(StatusError) as caught, in_flight.request(info, user):
        pass
    assert (caught.value.code, caught.value.retry_after_s) == (429, 1)


def test_reads_and_writes_have_room_of_their_own():
    in_flight = InFlight(reads_max=2, writes_max=1)
    with ExitStack() as held:
        for info, user in ((READ, SOMEBODY), (READ, OTHER), (WRITE, SOMEBODY)):
            held.enter_context(in_flight.request(info, user))
        for info in (WATCH, LOG, WATCH):
            held.enter_context(in_flight.request(info, SOMEBODY))
        assert (in_flight.reads, in_flight.writes) == (2, 1)
        for info in (READ, WRITE):
            refused(in_flight, info, OTHER)
    with in_flight.request(READ, SOMEBODY), in_flight.request(WRITE, SOMEBODY):
        pass
    assert (in_flight.reads, in_flight.writes) == (0, 0)


@pytest.mark.parametrize(
    ("info", "user", "level"),
    [
        (READ, ADMIN, Level.EXEMPT),
        (LEASE, MANAGER, Level.LEADER_ELECTION),
        (WRITE, MANAGER, Level.WORKLOAD_HIGH),
        (READ, ACCOUNT, Level.WORKLOAD_HIGH),
        (LEASE, NODE, Level.NODE_HIGH),
        (NODES, NODE, Level.NODE_HIGH),
        (READ, NODE, Level.SYSTEM),
        (LEASE, SOMEBODY, Level.GLOBAL_DEFAULT),
    ],
)
def test_levels(info, user, level):
    assert level_of(info, user) is level


def test_a_level_that_is_full_leaves_the_others_their_room():
    in_flight = InFlight(reads_max=1, writes_max=1)
    with in_flight.request(WRITE, SOMEBODY):
        refused(in_flight, WRITE, OTHER)
        for info, user in ((WRITE, ADMIN), (LEASE, MANAGER), (WRITE, MANAGER), (LEASE, NODE)):
            with in_flight.request(info, user):
                refused(in_flight, info, user)


def test_no_user_takes_all_the_room():
    in_flight = InFlight(reads_max=8, writes_max=8)
    with ExitStack() as held:
        for _ in range(6):
            held.enter_context(in_flight.request(WRITE, SOMEBODY))
        refused(in_flight, WRITE, SOMEBODY)
        for _ in range(2):
            held.enter_context(in_flight.request(WRITE, OTHER))
        refused(in_flight, WRITE, OTHER)


def test_a_request_that_fails_gives_its_place_back():
    in_flight = InFlight(reads_max=1, writes_max=1)
    for _ in range(3):
        with pytest.raises(ValueError, match="broken"), in_flight.request(READ, SOMEBODY):
            raise ValueError("broken")


def test_a_flood_is_answered_429_and_others_are_served(server, namespace):
    """Requests whose bodies never come hold all the places that one user may have."""
    role = {
        "metadata": {"name": "flood"},
        "roleRef": {
            "apiGroup": "rbac.authorization.k8s.io",
            "kind": "ClusterRole",
            "name": "cluster-admin",
        },
        "subjects": [
            {"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": name}
            for name in ("flooder", "neighbour")
        ],
    }
    bindings = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings"
    assert server.request("POST", bindings, role).code == 201
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    head = (
        f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        "Content-Length: 100\r\n\r\n"
    )
    context = server.tls("flooder")
    body = {"metadata": {"generateName": "c-"}}
    places = int(WRITES_MAX * 0.75)
    with ExitStack() as held:
        for _ in range(places):
            plain = socket.create_connection((server.address, server.port), timeout=10)
            stream = held.enter_context(
                closing(context.wrap_socket(plain, server_hostname=server.address))
            )
            stream.sendall(head.encode())
        deadline = time.monotonic() + 10
        while f"{IN_FLIGHT} {places}.0" not in server.request("GET", "/metrics").body.decode():
            assert time.monotonic() < deadline, "the heads have not been read"
        answer = server.request("POST", path, body, user="flooder")
        assert (answer.code, answer.json["reason"]) == (429, "TooManyRequests")
        assert answer.headers["Retry-After"] == "1"
        assert server.request("GET", path, user="flooder").code == 200
        for user in ("neighbour", "admin"):
            assert server.request("POST", path, body, user=user).code == 201
    assert server.request("POST", path, body, user="neighbour").code == 201
