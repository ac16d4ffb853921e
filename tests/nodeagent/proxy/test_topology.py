"""Endpoint choice (cases follow upstream's topology_test.go)."""

import pytest

from nodeagent.proxy.endpointslice_cache import Endpoint
from nodeagent.proxy.service_port import ServicePort
from nodeagent.proxy.topology import Topology, categorize

HERE = Topology(node="n1", zone="z1")


def service(*, internal: bool = False, external: bool = False) -> ServicePort:
    return ServicePort(
        cluster_ip="10.96.0.1",
        port=80,
        protocol="TCP",
        node_port=30080 if external else 0,
        internal_local=internal,
        external_local=external,
    )


def ep(number: int, state: str = "ready", node: str = "n2", zones=(), nodes=()) -> Endpoint:
    return Endpoint(
        address=f"10.0.0.{number}",
        port=80,
        node=node,
        zone_hints=tuple(zones),
        node_hints=tuple(nodes),
        ready=state == "ready",
        serving=state in ("ready", "draining"),
        terminating=state in ("draining", "ended"),
    )


def chosen(endpoints, **policy) -> tuple[list[int], list[int], bool]:
    found = categorize(endpoints, service(**policy), HERE)
    numbers = [[int(e.address[-1]) for e in group] for group in (found.cluster, found.local)]
    return numbers[0], numbers[1], found.any_usable


@pytest.mark.parametrize(
    ("states", "cluster"),
    [
        (["ready", "ready"], [0, 1]),
        (["ready", "unready"], [0]),
        (["ready", "draining"], [0]),
        (["unready", "draining"], [1]),
        (["unready", "ended"], []),
        ([], []),
    ],
)
def test_ready_endpoints_else_those_that_drain(states, cluster):
    endpoints = [ep(i, state) for i, state in enumerate(states)]
    assert chosen(endpoints) == (cluster, [], bool(cluster))


def test_local_falls_back_on_its_own():
    endpoints = [ep(0), ep(1, "draining", node="n1"), ep(2, "unready", node="n1")]
    assert chosen(endpoints, external=True) == ([0], [1], True)


def test_a_service_reached_inside_alone_and_locally_has_no_cluster_endpoints():
    endpoints = [ep(1, node="n1"), ep(2)]
    assert chosen(endpoints, internal=True) == ([], [1], True)


def test_a_local_service_keeps_cluster_endpoints_for_its_short_cuts():
    endpoints = [ep(1, node="n1"), ep(2)]
    assert chosen(endpoints, internal=True, external=True) == ([1, 2], [1], True)


@pytest.mark.parametrize(
    ("zones", "cluster"),
    [
        ([["z1"], ["z2"]], [0]),
        ([["z1"], []], [0, 1]),  # Not all have hints: they are ignored.
        ([["z2"], ["z2"]], [0, 1]),  # None is for us.
        ([["z1", "z2"], ["z1"]], [0, 1]),
    ],
)
def test_zone_hints(zones, cluster):
    assert chosen([ep(i, zones=z) for i, z in enumerate(zones)])[0] == cluster


def test_node_hints_come_before_zone_hints():
    endpoints = [ep(0, nodes=["n1"], zones=["z1"]), ep(1, nodes=["n2"], zones=["z1"])]
    assert chosen(endpoints)[0] == [0]
    elsewhere = [ep(0, nodes=["n3"], zones=["z1"]), ep(1, nodes=["n2"], zones=["z2"])]
    assert chosen(elsewhere)[0] == [0]


def test_hints_of_unready_endpoints_do_not_count():
    endpoints = [ep(0, zones=["z1"]), ep(1, "unready")]
    assert chosen(endpoints)[0] == [0]


@pytest.mark.parametrize(
    ("here", "elsewhere", "announced"),
    [
        (["ready"], [], True),
        (["ready", "draining"], ["ready"], True),
        (["draining"], ["ready"], False),
        (["draining"], ["draining"], True),
        (["draining"], [], True),
        (["unready"], ["ready"], False),
        (["ended"], [], False),
        ([], ["ready"], False),
    ],
)
def test_balancers_send_to_nodes_with_a_ready_endpoint(here, elsewhere, announced):
    endpoints = [ep(i, state, node="n1") for i, state in enumerate(here)]
    endpoints += [ep(9 - i, state) for i, state in enumerate(elsewhere)]
    found = categorize(endpoints, service(external=True), HERE)
    assert found.announces_local is announced


#: Upstream's cases by name. Columns: the policies that are Local (e, i), and n where there is a
#: NodePort; zone and node of this node; endpoints; which of them policy Cluster and which policy
#: Local takes, "-": nobody, ".": nobody asks. An endpoint is l (here) or r, a sign (+ ready,
#: - not, ~ terminating and serving), its zones' hint, and behind @ its node's.
UPSTREAM = """
should use topology since all endpoints have hints       |    | a 0 | r+a r+b r+c r+a | 03 | .
eTP: Local, topology ignored for Local endpoints         | en | a 0 | l+a l+b r+c r+a | 03 | 01
iTP: Local, topology ignored for Local endpoints         | in | a 0 | l+a l+b r+c r+a | 03 | 01
empty node labels                                        |    | . 0 | r+a | 0 | .
node in different zone, no endpoint filtering            |    | b 0 | r+a r+c | 01 | .
unready endpoint                                         |    | a 0 | r+a r+b r+c r-a | 0 | .
only unready endpoints in same zone (should not filter)  |    | a 0 | r-a r+b r+c r-a | 12 | .
missing hints, no filtering applied                      |    | a 0 | r+a r+b r+ r+a | 0123 | .
multiple hints per endpoint                              |    | c 0 | r+abc r+bc r+bd r+c | 013 | .
PreferSameNode available |    | a 1 | r+a@1 r+b@2 r+c@3 r+a@4 | 0 | .
PreferSameNode ignored if some endpoints unhinted |    | a 1 | r+a@1 r+ r+c@3 r+a@4 | 0123 | .
PreferSameNode falls back to PreferSameZone |    | a 0 | r+a@1 r+b@2 r+c@3 r+a@4 | 03 | .
conflicting topology and localness                       | in | a 0 | l+a l+b r+a r+b | 02 | 01
iTP: Local, with empty endpoints                         | i  | . 0 |  | . | -
iTP: Local, but all endpoints are remote                 | i  | . 0 | r+ r+ | . | -
iTP: Local, all endpoints are local                      | i  | . 0 | l+ l+ | . | 01
iTP: Local, some endpoints are local                     | i  | . 0 | l+ r+ | . | 0
Cluster traffic policy, endpoints not Ready              |    | . 0 | r- r- | - | .
Cluster traffic policy, some endpoints are Ready         |    | . 0 | r- r+ | 1 | .
Cluster traffic policy, all endpoints are terminating    |    | . 0 | r~ r~ | 01 | .
iTP: Local, eTP: Cluster, some endpoints local           | in | . 0 | l+ r+ | 01 | 0
iTP: Cluster, eTP: Local, some endpoints local           | en | . 0 | l+ r+ | 01 | 0
iTP: Local, eTP: Local, some endpoints local             | ein | . 0 | l+ r+ | 01 | 0
iTP: Local, eTP: Local, all endpoints remote             | ein | . 0 | r+ r+ | 01 | -
iTP: Local, eTP: Local, all remote and terminating       | ein | . 0 | r~ r~ | 01 | -
iTP: Cluster, eTP: Local, with terminating endpoints     | en | . 0 | r+ l- l~ r~ | 0 | 2
eTP ignored if not externally accessible                 | e  | . 0 | r+ l+ | 01 | .
no cluster endpoints for iTP:Local internal-only service | i  | . 0 | r+ l+ | . | 1
eTP: Local, externally accessible, with empty endpoints  | en | . 0 |  | - | -
eTP: Local, externally accessible, all remote            | en | . 0 | r+ r+ | 01 | -
eTP: Local, externally accessible, all local             | en | . 0 | l+ l+ | 01 | 01
"""
_SIGNS = {"+": "ready", "-": "unready", "~": "draining"}


def _endpoint(number: int, text: str) -> Endpoint:
    zones, _, node = text[2:].partition("@")
    here = "node-0" if text[0] == "l" else "elsewhere"
    return ep(number, _SIGNS[text[1]], here, zones, [f"node-{node}"] if node else ())


@pytest.mark.parametrize("row", UPSTREAM.strip().splitlines(), ids=lambda row: row[:56].strip())
def test_upstreams_cases(row):
    _, policy, place, endpoints, *expected = (cell.strip() for cell in row.split("|"))
    zone, number = place.split()
    here = Topology(node=f"node-{number}", zone=zone.strip("."))
    told = [_endpoint(number, text) for number, text in enumerate(endpoints.split())]
    wanted = ServicePort(
        cluster_ip="10.96.0.1",
        port=80,
        protocol="TCP",
        node_port=8080 * ("n" in policy),
        internal_local="i" in policy,
        external_local="e" in policy,
    )
    found = categorize(told, wanted, here)
    for group, text in zip((found.cluster, found.local), expected, strict=True):
        assert "".join(each.address[-1] for each in group) == text.strip("-.")
    assert wanted.uses_cluster_endpoints is (expected[0] != ".")
    assert wanted.uses_local_endpoints is (expected[1] != ".")
