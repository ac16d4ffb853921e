"""What policies come to for the pods of one node."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kubeapi.objects import key_of
from nodeagent.policy import networkpolicy
from nodeagent.policy.compiler import Compiler


class Told:
    """A compiler, and the tables as they follow from what it has said."""

    def __init__(self) -> None:
        self.compiler = Compiler("node-1")
        self._sets, self._pods = {}, {}

    def policy_changed(self, policy):
        self.compiler.policy_changed(networkpolicy.read(policy))

    def policy_deleted(self, policy):
        self.compiler.policy_deleted("NetworkPolicy", key_of(policy))

    @property
    def sets(self):
        self._take()
        return self._sets

    @property
    def pods(self):
        self._take()
        return self._pods

    def _take(self) -> None:
        changes = self.compiler.changes()
        for table, changed in ((self._sets, changes.sets), (self._pods, changes.pods)):
            for key, value in changed.items():
                if value is None:
                    table.pop(key, None)
                else:
                    table[key] = value


@pytest.fixture
def told(namespace):
    told = Told()
    told.compiler.namespace_changed(namespace("default", team="a"))
    told.compiler.namespace_changed(namespace("other", team="b"))
    return told


def web(pod, name="web", address="10.244.1.5", **fields):
    return pod(name, address, app="web", **fields)


def test_nobody_is_isolated_without_a_policy(told, pod):
    told.compiler.pod_changed(web(pod))
    assert (told.sets, told.pods) == ({}, {})


def test_default_deny_names_itself_and_allows_nothing(told, pod, policy):
    told.compiler.pod_changed(web(pod))
    told.policy_changed(policy("deny", types=("Ingress", "Egress")))
    nothing = [
        {"tier": "NetworkPolicy", "rules": [], "isolated_by": ["NetworkPolicy default/deny"]}
    ]
    assert told.pods == {
        "default/web": {
            "pod": "default/web",
            "addresses": ["10.244.1.5"],
            "ingress": nothing,
            "egress": nothing,
        }
    }


@pytest.mark.parametrize(
    "other",
    [
        {"node": "node-2"},
        {"namespace": "other"},
        {"host": True},
    ],
)
def test_only_pods_of_this_node_and_of_its_namespace_are_isolated(told, pod, policy, other):
    told.policy_changed(policy())
    told.compiler.pod_changed(web(pod, **other))
    assert told.pods == {}


def test_a_pod_that_is_over_is_isolated_no_longer(told, pod, policy):
    told.policy_changed(policy())
    over = web(pod)
    told.compiler.pod_changed(over)
    assert told.pods
    told.compiler.pod_changed({**over, "status": {**over["status"], "phase": "Succeeded"}})
    assert told.pods == {}


FRONT = {"podSelector": {"matchLabels": {"app": "front"}}}
TEAM_B = {"namespaceSelector": {"matchLabels": {"team": "b"}}}


@pytest.mark.parametrize(
    ("peers", "sets"),
    [
        ([FRONT], {"default: app=front": ["10.244.1.1"]}),
        ([TEAM_B], {"[team=b]: ": ["10.244.2.1", "10.244.2.2"]}),
        ([{**FRONT, **TEAM_B}], {"[team=b]: app=front": ["10.244.2.1"]}),
        (
            [FRONT, TEAM_B],
            {
                "default: app=front": ["10.244.1.1"],
                "[team=b]: ": ["10.244.2.1", "10.244.2.2"],
            },
        ),
        (
            [{"namespaceSelector": {}}],
            {"[]: ": ["10.244.1.1", "10.244.1.2", "10.244.2.1", "10.244.2.2"]},
        ),
        ([{"podSelector": {}}], {"default: ": ["10.244.1.1", "10.244.1.2"]}),
    ],
)
def test_peers_are_selected_by_pod_and_namespace(told, pod, policy, peers, sets):
    for name, address, where, app in (
        ("a", "10.244.1.1", "default", "front"),
        ("b", "10.244.1.2", "default", "back"),
        ("c", "10.244.2.1", "other", "front"),
        ("d", "10.244.2.2", "other", "back"),
        ("e", "10.244.3.1", "unknown", "front"),
    ):
        told.compiler.pod_changed(pod(name, address, namespace=where, node="node-2", app=app))
    told.compiler.pod_changed(pod("host", "192.168.64.2", namespace="other", host=True))
    told.compiler.pod_changed(pod("new", namespace="other"))
    told.policy_changed(policy(ingress=[{"from": peers}]))
    expected = dict(sets)
    if "[]: " in expected:
        # The pod's namespace is not known: whether it is meant cannot be said yet.
        assert "10.244.3.1" not in told.sets["[]: "]
    assert told.sets == expected


def rules(told, direction="ingress"):
    (tier,) = told.pods["default/web"][direction]
    return tier["rules"]


def test_ports_blocks_and_everyone(told, pod, policy):
    told.compiler.pod_changed(web(pod))
    told.policy_changed(
        policy(
            ingress=[
                {},
                {
                    "ports": [
                        {"protocol": "TCP", "port": 80},
                        {"protocol": "UDP", "port": 1, "endPort": 9},
                        {"protocol": "SCTP"},
                    ]
                },
                {"from": [{"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"]}}]},
            ]
        )
    )
    everyone, some_ports, block = rules(told)
    assert everyone == {
        "policy": "NetworkPolicy default/some",
        "rule": "ingress[0]",
        "action": "allow",
        "log": False,
        "ports": None,
        "anyone": True,
        "sets": [],
        "blocks": [],
    }
    assert some_ports["ports"] == [
        {"protocol": "TCP", "first": 80, "last": 80},
        {"protocol": "UDP", "first": 1, "last": 9},
        {"protocol": "SCTP", "first": 0, "last": 65535},
    ]
    assert some_ports["anyone"]
    assert not block["anyone"]
    assert block["blocks"] == [{"cidr": "10.0.0.0/8", "excluded": ["10.1.0.0/16"]}]


HTTP = {"name": "http", "containerPort": 8080, "protocol": "TCP"}
NAMED = [{"protocol": "TCP", "port": "http"}]


def test_a_named_port_of_ingress_is_the_pods_own(told, pod, policy):
    told.compiler.pod_changed(web(pod, ports=[HTTP]))
    told.policy_changed(policy(ingress=[{"ports": NAMED}]))
    assert rules(told)[0]["ports"] == [{"protocol": "TCP", "first": 8080, "last": 8080}]
    told.compiler.pod_changed(web(pod, ports=[{**HTTP, "protocol": "UDP"}]))
    assert rules(told) == []


def test_a_named_port_of_egress_is_the_receivers(told, pod, policy):
    told.compiler.pod_changed(web(pod))
    told.compiler.pod_changed(pod("a", "10.244.2.1", node="node-2", ports=[HTTP], app="front"))
    told.policy_changed(policy(types=("Egress",), egress=[{"to": [FRONT], "ports": NAMED}]))
    name = "default: app=front TCP/http="
    (first,) = rules(told, "egress")
    assert (first["sets"], first["ports"]) == (
        [f"{name}8080"],
        [{"protocol": "TCP", "first": 8080, "last": 8080}],
    )
    assert told.sets == {"default: app=front": ["10.244.2.1"], f"{name}8080": ["10.244.2.1"]}
    other = {**HTTP, "containerPort": 9090}
    told.compiler.pod_changed(pod("b", "10.244.2.2", node="node-2", ports=[other], app="front"))
    assert [each["sets"] for each in rules(told, "egress")] == [[f"{name}8080"], [f"{name}9090"]]
    assert told.sets[f"{name}9090"] == ["10.244.2.2"]


def test_a_pod_is_judged_by_the_addresses_that_it_is_about_to_use(told, pod, policy):
    told.policy_changed(policy())
    starting = pod("web", app="web")
    told.compiler.pod_changed(starting)
    assert told.pods == {}
    told.compiler.pod_attached(starting, ["10.244.1.9", "fd00:10:244:1::9"])
    assert told.pods["default/web"]["addresses"] == ["10.244.1.9", "fd00:10:244:1::9"]
    told.compiler.pod_changed(pod("web", app="web", tier="x"))  # Its status says nothing yet.
    assert told.pods["default/web"]["addresses"] == ["10.244.1.9", "fd00:10:244:1::9"]
    told.compiler.pod_deleted(starting)
    assert told.pods == {}


# However it came about, the same objects give the same tables.

LABELS = st.sampled_from([{"app": "front"}, {"app": "back"}, {}])
SELECTORS = st.sampled_from([{}, {"matchLabels": {"app": "front"}}])
PORTS = st.sampled_from([[], [HTTP], [{**HTTP, "containerPort": 9090}]])
PEERS = st.sampled_from([FRONT, TEAM_B, {"namespaceSelector": {}}, {**FRONT, **TEAM_B}])
RULES = st.lists(
    st.fixed_dictionaries({}, optional={"ports": st.sampled_from([NAMED, [{"port": 80}]])}).flatmap(
        lambda rule: st.lists(PEERS, max_size=2).map(lambda peers: {**rule, "to": peers})
    ),
    max_size=2,
)
STEPS = st.one_of(
    st.tuples(st.just("pod"), st.integers(0, 3), st.booleans(), LABELS, PORTS),
    st.tuples(st.just("namespace"), st.sampled_from(["default", "other"]), st.sampled_from("ab")),
    st.tuples(st.just("policy"), st.integers(0, 2), st.booleans(), SELECTORS, RULES),
)


@settings(max_examples=150)
@given(st.lists(STEPS, max_size=25))
def test_history_does_not_matter(pod, namespace, policy, steps):
    told, last = Told(), {}
    for kind, which, *rest in steps:
        if kind == "pod":
            there, labels, ports = rest
            where = "default" if which % 2 else "other"
            obj = pod(f"p{which}", f"10.244.1.{which}", namespace=where, ports=ports, **labels)
        elif kind == "namespace":
            there, obj = True, namespace(which, team=rest[0])
        else:
            there, selector, some = rest
            obj = policy(f"n{which}", types=("Ingress", "Egress"), egress=some)
            obj["spec"]["podSelector"] = selector
        last[kind, which] = (obj, there)
        who = told if kind == "policy" else told.compiler
        getattr(who, f"{kind}_changed" if there else f"{kind}_deleted")(obj)
        if which == 0:
            told._take()
    fresh = Told()
    for (kind, _), (obj, there) in last.items():
        if there:
            getattr(fresh if kind == "policy" else fresh.compiler, f"{kind}_changed")(obj)
    assert told.sets == fresh.sets
    assert told.pods == fresh.pods
