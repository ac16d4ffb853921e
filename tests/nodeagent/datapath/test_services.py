"""Services as a truth table: who is reached, and as whom one is seen there.

Each case goes from Service and EndpointSlices through kube-proxy's core into the tables of two
nodes, and then as real packets through their datapaths. The expected cells were written from
Kubernetes' documents and kube-proxy's rules, not from the code.
"""

from __future__ import annotations

import errno
import itertools
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path

import msgspec
import pytest

from nodeagent.datapath import tables as wire
from nodeagent.proxy.mode import proxy_mode
from nodeagent.proxy.proxier import Proxier
from nodeagent.proxy.topology import Topology
from nodeagent.tables import Tables

CLUSTER_IP, EXTERNAL_IP, BALANCER_IP, NODE_PORT = "10.96.0.9", "192.0.2.9", "203.0.113.9", 30080
HOST = "192.168.64.254"
LOCAL, REMOTE = "10.244.1.6", "10.244.2.6"
TRIES = 10

#: What everybody is called where the same is asked by IPv6.
SIX = {
    "IPv4": "IPv6",
    CLUSTER_IP: "fd00:10:96::9",
    EXTERNAL_IP: "2001:db8:2::9",
    BALANCER_IP: "2001:db8:113::9",
    HOST: "fd00:192:168:64::fe",
    **{f"192.168.64.{node}": f"fd00:192:168:64::{node}" for node in (1, 2)},
    **{
        f"10.244.{node}.{number}": f"fd00:10:244:{node}::{number or ''}"
        for node in (1, 2)
        for number in (0, 1, 5, 6)
    },
}
FOUR = {text: known for known, text in SIX.items()}

#: Columns: where endpoints are. l, r: on the node that is asked, or elsewhere; capital: ready,
#: small: not ready, d before it: terminating and still serving.
PLACEMENTS = ("", "L", "R", "LR", "lR", "dL", "dR", "dL R")

#: Cells: who answers (L, R, or either), "refused" or "dropped". Last column: whom endpoints see.
#: A sample of it is asked of a whole cluster, too: tests/cluster/test_service_table.py.
TABLE = (Path(__file__).parent / "services.txt").read_text()

#: IPVS has no short cuts, and where a node has no endpoint policy Local takes those elsewhere:
#: "astray" is an answer that comes from an address which was not asked.
IPVS_TABLE = """
address    policy  source      none     L  R        LR  lR       dL dR       dL+R  seen
cluster    Cluster pod         refused  L  R        LR  R        L  R        R     source
cluster    Local   pod         refused  L  R        L   R        L  R        L     source
nodeport   Cluster outside     refused  L  R        LR  R        L  R        R     node
nodeport   Local   pod         refused  L  R        L   R        L  R        L     source
nodeport   Local   outside     refused  L  astray   L   astray   L  astray   L     source
balancer   Local   pod         refused  L  R        L   R        L  R        L     source
balancer   Local   outside     refused  L  astray   L   astray   L  astray   L     source
"""


def rows(table: str) -> Iterator[tuple[str, ...]]:
    """Return (address, policy, source, placement, answer, seen) of every cell."""
    for line in table.strip().splitlines()[1:]:
        address, policy, source, *cells, seen = line.split()
        for placement, cell in zip(PLACEMENTS, cells, strict=True):
            yield address, policy, source, placement, cell, seen


CASES = list(rows(TABLE))


def test_the_table_is_as_long_as_it_should_be():
    assert len(CASES) >= 120
    assert len(set(CASES)) == len(CASES)


def service(**spec):
    ports = [{"name": "web", "port": 80, "protocol": "TCP", "nodePort": NODE_PORT}]
    spec = {"clusterIP": CLUSTER_IP, "type": "LoadBalancer", "ports": ports} | spec
    spec.setdefault("externalIPs", [EXTERNAL_IP])
    metadata = {"name": "web", "namespace": "d"}
    status = {"loadBalancer": {"ingress": [{"ip": BALANCER_IP}]}}
    return {"metadata": metadata, "spec": spec, "status": status}


def endpoint_slice(endpoints, **port):
    labels = {"kubernetes.io/service-name": "web"}
    return {
        "metadata": {"name": "web-1", "namespace": "d", "labels": labels},
        "addressType": "IPv4",
        "ports": [{"name": "web", "port": 8080, "protocol": "TCP"} | port],
        "endpoints": endpoints,
    }


def placed(placement: str):
    """Return the endpoints of a column."""
    found = []
    for word in placement.replace("dL", "<").replace("dR", ">").replace(" ", ""):
        here = word in "Ll<"
        conditions = {
            "ready": word in "LR",
            "serving": word in "LR<>",
            "terminating": word in "<>",
        }
        found.append(
            {
                "addresses": [LOCAL if here else REMOTE],
                "conditions": conditions,
                "nodeName": "node-1" if here else "node-2",
            }
        )
    return found


class Field:
    """Two nodes: a client on each, an endpoint on each, and the world outside."""

    def __init__(self, world, *, six: bool = False) -> None:
        """With *six* everybody speaks IPv6; who is asked and seen is told by the IPv4 address."""
        self.world, self._said = world, SIX if six else {}
        self.sources = {
            "pod": world.pod(1, 5),
            "other-pod": world.pod(2, 5),
            "node": world.nodes[1].stack,
            "other-node": world.nodes[2].stack,
            "outside": world.nodes[1].outside,
        }
        self.pods = {"L": world.pod(1, 6), "R": world.pod(2, 6)}
        self.listeners = {key: pod.tcp_listen(None, 8080) for key, pod in self.pods.items()}
        self.sockets = {key: pod.udp_bind(None, 8080) for key, pod in self.pods.items()}
        self._ports = itertools.count(20000)

    def program(self, obj, *slices, mode=None, zone: str = "") -> None:
        """Let both nodes' kube-proxies bring their frontends up to date from nothing."""
        obj, *slices = self._translated([obj, *slices])
        for number, control in self.world.controls.items():
            known = [(e.entry.address, e.entry.port, e.entry.protocol)
                     for e in self.world.nodes[number].frontends.entries()]  # fmt: skip
            control.frontend_delete(known)
            addresses = self._translated([f"192.168.64.{number}"])
            here = Topology(node=f"node-{number}", zone=zone, addresses=tuple(addresses))
            wanted = Tables()
            proxier = Proxier(here, wanted, mode or proxy_mode("iptables"))
            proxier.service_changed(obj)
            for each in slices:
                proxier.slice_changed(each)
            proxier.sync()
            entries = list(wanted.wanted("frontend").values())
            control.frontend_replace(msgspec.convert(entries, list[wire.Frontend]))

    def _translated(self, thing):
        """Return *thing* with the addresses that its family has."""
        if isinstance(thing, dict):
            return {key: self._translated(each) for key, each in thing.items()}
        if isinstance(thing, list):
            return [self._translated(each) for each in thing]
        return self._said.get(thing, thing) if isinstance(thing, str) else thing

    def ask(self, source: str, address: str, port: int = 80) -> tuple[str, str]:
        """Connect; return who answered and the address that it saw, or what was said else."""
        world, host = self.world, self.sources[source]
        client = host.tcp_connect(
            (ip_address(self._said.get(address, address)), port),
            world.now,
            local=(None, next(self._ports)),
        )
        world.wake()
        world.run(0.2)
        answered, seen = "", ""
        for key, listener in self.listeners.items():
            if (accepted := listener.accept()) is not None:
                assert accepted.remote[0].version == (6 if self._said else 4)
                answered, seen = key, FOUR.get(str(accepted.remote[0]), str(accepted.remote[0]))
                accepted.abort(world.now)
        if client.error is not None:
            refused = client.error.errno == errno.ECONNREFUSED
            answered = "refused" if refused else answered or "reset"
        elif not client.established:
            answered = "dropped"
        client.abort(world.now)
        world.wake()
        world.run(0.0)
        return answered, seen


ADDRESSES = {
    "cluster": (CLUSTER_IP, 80),
    "external": (EXTERNAL_IP, 80),
    "balancer": (BALANCER_IP, 80),
    "nodeport": ("192.168.64.1", NODE_PORT),
}
SEEN = {
    "pod": {"10.244.1.5"},
    "outside": {HOST},
    "node": {"192.168.64.1", "10.244.1.1", "10.244.1.0"},
    "other-node": {"192.168.64.2"},
}


@pytest.fixture(scope="module")
def field(shared_world):
    return Field(shared_world)


def policies(policy: str):
    return {"internalTrafficPolicy": policy, "externalTrafficPolicy": policy}


def check(field: Field, case: tuple[str, ...]) -> None:
    address, _, source, _, expected, seen = case
    tries = TRIES if expected == "LR" else 2
    found = {field.ask(source, *ADDRESSES[address]) for _ in range(tries)}
    answers = {answer for answer, _ in found}
    if expected in ("refused", "dropped"):
        assert answers == {expected}
    elif expected == "astray":
        assert answers & {"L", "R"} == set(), "its answers reach nobody"
    else:
        assert answers == set(expected)
        assert {each for _, each in found} <= SEEN[source if seen == "source" else seen]


@pytest.mark.parametrize("case", CASES, ids=" ".join)
def test_iptables(field, case):
    field.program(service(**policies(case[1])), endpoint_slice(placed(case[3])))
    check(field, case)


@pytest.fixture(scope="module")
def field6(shared_dual):
    return Field(shared_dual, six=True)


@pytest.mark.parametrize("case", [case for case in CASES if "l" not in case[3]], ids=" ".join)
def test_ipv6(field6, case):
    field6.program(service(**policies(case[1])), endpoint_slice(placed(case[3])))
    check(field6, case)


@pytest.mark.parametrize("case", [case for case in CASES if case[3] in ("R", "LR")], ids=" ".join)
def test_the_policy_of_the_other_kind_of_address_does_not_matter(field, case):
    """Upstream's TestInternalExternalMasquerade: internal is the ClusterIP alone."""
    mixed = policies("Local" if case[1] == "Cluster" else "Cluster")
    own = "internalTrafficPolicy" if case[0] == "cluster" else "externalTrafficPolicy"
    field.program(service(**mixed | {own: case[1]}), endpoint_slice(placed(case[3])))
    check(field, case)


IPVS_CASES = list(rows(IPVS_TABLE))


@pytest.mark.parametrize("case", IPVS_CASES, ids=" ".join)
def test_ipvs(field, case):
    mode = proxy_mode("ipvs")
    field.program(service(**policies(case[1])), endpoint_slice(placed(case[3])), mode=mode)
    check(field, case)


@pytest.mark.parametrize("case", [case for case in CASES if case[3] in ("", "LR")], ids=" ".join)
def test_nftables(field, case):
    mode = proxy_mode("nftables")
    field.program(service(**policies(case[1])), endpoint_slice(placed(case[3])), mode=mode)
    check(field, case)


@pytest.mark.parametrize(
    ("ranges", "source", "address", "answer"),
    [
        (["192.168.64.0/24"], "outside", "balancer", "L"),
        (["192.168.64.254/32", "198.51.100.0/24"], "outside", "balancer", "L"),
        (["198.51.100.0/24"], "outside", "balancer", "dropped"),
        (["198.51.100.0/24"], "pod", "balancer", "dropped"),
        (["198.51.100.0/24"], "node", "balancer", "dropped"),
        (["10.244.0.0/16"], "pod", "balancer", "L"),
        (["0.0.0.0/0"], "outside", "balancer", "L"),
        (["2001:db8::/32"], "outside", "balancer", "L"),
        (["198.51.100.0/24"], "outside", "nodeport", "L"),
        (["198.51.100.0/24"], "outside", "external", "L"),
        (["198.51.100.0/24"], "outside", "cluster", "L"),
    ],
)
@pytest.mark.parametrize("policy", ["Cluster", "Local"])
def test_source_ranges(field, policy, ranges, source, address, answer):
    obj = service(**policies(policy), loadBalancerSourceRanges=ranges)
    field.program(obj, endpoint_slice(placed("L")))
    assert field.ask(source, *ADDRESSES[address])[0] == answer


@pytest.mark.parametrize(
    ("mode", "port", "answer"),
    [
        ("iptables", 81, "reset"),  # No route leads there: the net is unreachable.
        ("nftables", 81, "refused"),
        ("ipvs", 81, "refused"),
        ("iptables", 80, "L"),
        ("nftables", 80, "L"),
        ("ipvs", 80, "L"),
    ],
)
def test_ports_that_a_cluster_ip_has_not(field, mode, port, answer):
    field.program(service(), endpoint_slice(placed("L")), mode=proxy_mode(mode))
    assert field.ask("pod", CLUSTER_IP, port)[0] == answer


@pytest.mark.parametrize(
    ("mode", "address", "answer"),
    [
        ("iptables", "192.168.64.1", "L"),
        ("iptables", "10.244.1.1", "L"),
        ("nftables", "192.168.64.1", "L"),
        ("nftables", "10.244.1.1", "refused"),
        ("ipvs", "10.244.1.1", "L"),
    ],
)
def test_addresses_that_have_node_ports(field, mode, address, answer):
    field.program(service(), endpoint_slice(placed("L")), mode=proxy_mode(mode))
    assert field.ask("pod", address, NODE_PORT)[0] == answer


@pytest.mark.parametrize(
    ("zones", "answers"),
    [
        (["a", "a"], "LR"),
        (["a", "b"], "L"),
        (["b", "a"], "R"),
        (["b", "b"], "LR"),  # None for this zone: hints are ignored.
        (["a", None], "LR"),  # Not everybody has one: likewise.
    ],
)
@pytest.mark.parametrize("source", ["pod", "outside"])
def test_zone_hints(field, zones, answers, source):
    endpoints = placed("LR")
    for endpoint, zone in zip(endpoints, zones, strict=True):
        endpoint["hints"] = {"forZones": [{"name": zone}]} if zone else {}
    field.program(service(), endpoint_slice(endpoints), zone="a")
    assert {field.ask(source, CLUSTER_IP)[0] for _ in range(TRIES)} == set(answers)


@pytest.mark.parametrize(
    ("nodes", "answers"),
    [(["node-1", "node-2"], "L"), (["node-2", "node-1"], "R"), (["node-2", None], "LR")],
)
def test_node_hints(field, nodes, answers):
    endpoints = placed("LR")
    for endpoint, node in zip(endpoints, nodes, strict=True):
        endpoint["hints"] = {"forNodes": [{"name": node}]} if node else {}
    field.program(service(), endpoint_slice(endpoints))
    assert {field.ask("pod", CLUSTER_IP)[0] for _ in range(TRIES)} == set(answers)


@pytest.mark.parametrize("address", ["cluster", "nodeport", "external", "balancer"])
@pytest.mark.parametrize("mode", ["iptables", "ipvs"])
def test_affinity(field, address, mode):
    obj = service(sessionAffinity="ClientIP")
    field.program(obj, endpoint_slice(placed("LR")), mode=proxy_mode(mode))
    assert len({field.ask("pod", *ADDRESSES[address])[0] for _ in range(TRIES)}) == 1


@pytest.mark.parametrize("address", ["cluster", "nodeport", "external", "balancer"])
def test_a_pod_that_reaches_itself_is_hidden(field, address):
    """Hairpin: an answer to oneself would never come back by the Service."""
    field.sources["self"] = field.pods["L"]
    field.program(service(**policies("Local")), endpoint_slice(placed("L")))
    answered, seen = field.ask("self", *ADDRESSES[address])
    assert answered == "L"
    assert seen in SEEN["node"]


def test_several_slices_are_one_list(field):
    parts = [endpoint_slice(placed(each)) for each in "LR"]
    parts[1]["metadata"]["name"] = "web-2"
    field.program(service(), *parts)
    assert {field.ask("pod", CLUSTER_IP)[0] for _ in range(TRIES)} == {"L", "R"}


def test_named_target_ports_differ_by_slice(field):
    """A pod of another version has another port under the same name."""
    first, second = endpoint_slice(placed("L")), endpoint_slice(placed("R"), port=8081)
    second["metadata"]["name"] = "web-2"
    listener = field.pods["R"].tcp_listen(None, 8081)
    field.program(service(), first, second)
    found = set()
    for _ in range(TRIES):
        answered, _ = field.ask("pod", CLUSTER_IP)
        accepted = listener.accept()
        found.add("R" if accepted is not None else answered)
    listener.close(field.world.now)
    assert {"L", "R"} <= found
