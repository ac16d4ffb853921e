"""NetworkPolicies in the packet path: rules against a plain reading, and packets against rules."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodeagent.datapath import tables
from nodeagent.datapath.drops import DropReason
from nodeagent.datapath.network_policy import NetworkPolicies

POLICY = "NetworkPolicy default/some"


def rule(**fields):
    return tables.PolicyRule(policy=POLICY, **fields)


def port(first, last=None, protocol="TCP"):
    return tables.PolicyPort(protocol=protocol, first=first, last=first if last is None else last)


def entry(pod, address, *, ingress=None, egress=None):
    def tiers(rules):
        if rules is None:
            return []
        return [tables.PolicyTier(tier="NetworkPolicy", isolated_by=[POLICY], rules=list(rules))]

    return tables.Policy(pod=pod, addresses=[address], ingress=tiers(ingress), egress=tiers(egress))


def program(world, number, *entries, sets=()):
    control = world.controls[number]
    control.address_set_replace(
        [tables.AddressSet(name=name, addresses=list(members)) for name, members in sets]
    )
    control.policy_replace(list(entries))


def drops(world, number):
    return world.nodes[number].drops[DropReason.NETWORK_POLICY]


def opens(world, host, address, number, **options):
    """Tell whether a connection comes about, as a client sees it within a second."""
    connection = world.connect(host, address, number, **options)
    established = connection.established
    connection.abort(world.now)
    world.run()
    return established


# Who is allowed, read plainly.

PODS = [f"10.244.1.{n}" for n in range(4)] + ["fd00:10:244:1::1", "fd00:10:244:2::1"]
CIDRS = ["10.244.1.0/31", "10.244.0.0/16", "0.0.0.0/0", "fd00:10:244:1::/64", "::/0", "10.244.1.2"]
addresses = st.sampled_from([*PODS, "192.168.64.254"])
blocks = st.builds(
    lambda cidr, excluded: tables.PolicyBlock(cidr=cidr, excluded=excluded),
    st.sampled_from(CIDRS),
    st.lists(st.sampled_from(CIDRS), max_size=2),
)
spans = st.tuples(st.integers(79, 82), st.integers(0, 3), st.sampled_from(["TCP", "UDP", "SCTP"]))
rules = st.builds(
    lambda name, ports, anyone, sets, blocks: rule(
        rule=name,
        ports=ports and [port(a, a + n, protocol) for a, n, protocol in ports],
        anyone=anyone,
        sets=sets,
        blocks=blocks,
    ),
    st.text("abc", min_size=3, max_size=3),
    st.none() | st.lists(spans, min_size=1, max_size=3),
    st.booleans(),
    st.lists(st.sampled_from(["web", "db", "absent"]), max_size=2),
    st.lists(blocks, max_size=2),
)
NUMBERS = {"TCP": 6, "UDP": 17, "SCTP": 132}


def plainly(each, members, other, protocol, number):
    """Tell whether rule *each* allows the *other* side, as the specification reads."""
    ports = each.ports is None or any(
        NUMBERS[span.protocol] == protocol and span.first <= number <= span.last
        for span in each.ports
    )
    address = ip_address(other)
    peers = (
        each.anyone
        or any(other in members.get(name, ()) for name in each.sets)
        or any(
            address in ip_network(block.cidr)
            and not any(address in ip_network(excluded) for excluded in block.excluded)
            for block in each.blocks
        )
    )
    return ports and peers


@given(
    st.lists(rules, max_size=4),
    st.fixed_dictionaries({name: st.sets(addresses) for name in ("web", "db")}),
    addresses,
    st.sampled_from([1, 6, 17, 132]),
    st.integers(78, 86),
)
def test_rules_admit_what_a_plain_reading_of_them_does(some, members, other, protocol, number):
    policies = NetworkPolicies()
    policies.replace_sets(
        tables.AddressSet(name=name, addresses=sorted(each)) for name, each in members.items()
    )
    policies.replace([entry("default/b", "10.244.9.9", ingress=some)])
    judgement = policies.judge(
        int(ip_address(other)), int(ip_address("10.244.9.9")), protocol, number
    )
    fitting = [each for each in some if plainly(each, members, other, protocol, number)]
    assert (judgement.denial is None) is bool(fitting)
    (ruling,) = judgement.rulings
    assert ruling.rule == (fitting[0].rule if fitting else ""), "the first one decides"


# Packets.


def test_ingress_is_judged_where_the_receiver_is(world):
    a, b, c = world.pod(1, 5), world.pod(2, 5), world.pod(2, 6)
    b.tcp_listen(None, 80)
    program(world, 2, entry("default/b", "10.244.2.5", ingress=[rule(sets=["web"])]))
    assert not opens(world, a, "10.244.2.5", 80)
    assert not opens(world, c, "10.244.2.5", 80)
    assert drops(world, 1) == 0
    assert drops(world, 2) >= 2
    program(world, 2, sets=[("web", ["10.244.1.5"])])
    assert opens(world, a, "10.244.2.5", 80)
    assert not opens(world, c, "10.244.2.5", 80)


def test_egress_is_judged_where_the_sender_is_and_by_endpoint(world):
    a, b = world.pod(1, 5), world.pod(2, 5)
    b.tcp_listen(None, 8080)
    world.service("10.96.0.10", 80, [("10.244.2.5", 8080)])
    allowed = rule(ports=[port(8080)], blocks=[tables.PolicyBlock(cidr="10.244.2.0/24")])
    program(world, 1, entry("default/a", "10.244.1.5", egress=[allowed]))
    assert opens(world, a, "10.96.0.10", 80)
    b.tcp_listen(None, 80)
    assert not opens(world, a, "10.244.2.5", 80)
    assert (drops(world, 1) > 0, drops(world, 2)) == (True, 0)


def test_isolation_is_of_one_direction_and_answers_pass(world):
    a, b = world.pod(1, 5), world.pod(1, 6)
    a.tcp_listen(None, 80)
    b.tcp_listen(None, 80)
    program(world, 1, entry("default/a", "10.244.1.5", ingress=[]))
    assert opens(world, a, "10.244.1.6", 80)
    assert world.ping(a, "10.244.1.6")
    assert not opens(world, b, "10.244.1.5", 80)
    assert not world.ping(b, "10.244.1.5"), "of the same identifier, but no answer"


def test_both_directions_must_allow(world):
    a, b = world.pod(1, 5), world.pod(1, 6)
    b.tcp_listen(None, 80)
    closed = entry("default/a", "10.244.1.5", egress=[])
    program(world, 1, closed, entry("default/b", "10.244.1.6", ingress=[rule(anyone=True)]))
    assert not opens(world, a, "10.244.1.6", 80)
    program(world, 1, entry("default/a", "10.244.1.5", egress=[rule(sets=["b"])]))
    program(world, 1, sets=[("b", ["10.244.1.6"])])
    assert opens(world, a, "10.244.1.6", 80)
    world.controls[1].policy_delete(["default/a", "default/b"])
    assert opens(world, a, "10.244.1.6", 80)


def test_the_node_reaches_its_isolated_pods_and_a_pod_itself(world):
    a = world.pod(1, 5)
    a.tcp_listen(None, 80)
    world.service("10.96.0.10", 80, [("10.244.1.5", 80)])
    program(world, 1, entry("default/a", "10.244.1.5", ingress=[], egress=[]))
    assert opens(world, world.nodes[1].stack, "10.244.1.5", 80)
    world.controls[1].link_replace(
        [
            tables.Link(
                name="veth1-5",
                mac="0a:58:0a:f4:01:05",
                address="10.244.1.5/24",
                hairpin=True,
            )
        ]
    )
    assert opens(world, a, "10.96.0.10", 80)


def test_what_comes_from_outside_has_its_address(world):
    a = world.pod(1, 5)
    a.tcp_listen(None, 8080)
    world.service("", 30080, [("10.244.1.5", 8080)])
    block = tables.PolicyBlock(cidr="192.168.64.0/24", excluded=["192.168.64.254/32"])
    program(world, 1, entry("default/a", "10.244.1.5", ingress=[rule(blocks=[block])]))
    outside = world.nodes[1].outside
    assert not opens(world, outside, "192.168.64.1", 30080)
    program(
        world,
        1,
        entry(
            "default/a",
            "10.244.1.5",
            ingress=[rule(blocks=[tables.PolicyBlock(cidr="192.168.64.254/32")])],
        ),
    )
    assert opens(world, outside, "192.168.64.1", 30080)


def test_a_connection_under_way_ends_with_the_permission(world):
    a, b = world.pod(1, 5), world.pod(2, 5)
    listener = b.tcp_listen(None, 80)
    web = ("web", ["10.244.1.5", "10.244.1.6"])
    program(world, 2, entry("default/b", "10.244.2.5", ingress=[rule(sets=["web"])]), sets=[web])
    connection = world.connect(a, "10.244.2.5", 80)
    server = listener.accept()

    def arrives(octets):
        connection.write(octets, world.now)
        world.run(0.5)
        return server.read(100, world.now)

    assert arrives(b"one") == b"one"
    assert arrives(b"two") == b"two"
    before = drops(world, 2)
    program(world, 2, sets=[("web", ["10.244.1.5", "10.244.1.6", "10.244.1.7"])])
    assert arrives(b"three") == b"three"
    program(world, 2, sets=[("web", ["10.244.1.6"])])
    assert arrives(b"four") == b""
    assert drops(world, 2) > before
    program(world, 2, sets=[web])
    world.run(3.0)
    assert server.read(100, world.now) == b"four"


def test_captures_and_counters_name_the_policies(world):
    a, b = world.pod(1, 5), world.pod(1, 6)
    b.tcp_listen(None, 80)
    isolating = ["NetworkPolicy default/deny", "NetworkPolicy default/other"]
    closed = [tables.PolicyTier(tier="NetworkPolicy", isolated_by=isolating)]
    program(world, 1, tables.Policy(pod="default/b", addresses=["10.244.1.6"], ingress=closed))
    node, seen = world.nodes[1], []
    node.taps["any"] = [lambda *_frame: seen.append(node.verdict)]
    world.connect(a, "10.244.1.6", 80)
    texts = [each.text(node) for each in seen if each is not None]
    assert any(
        text.endswith(
            "dropped: network-policy at FORWARD; "
            "denied by NetworkPolicy default/deny, NetworkPolicy default/other (ingress)"
        )
        for text in texts
    )
    assert [*node.network_policies.denied] == ["NetworkPolicy default/deny and 1 more (ingress)"]
    node.taps.clear()


@pytest.mark.parametrize(
    "change",
    [
        lambda control: control.policy_replace([entry("a/b", "10.244.1.300")]),
        lambda control: control.policy_replace(
            [entry("a/b", "10.244.1.3", ingress=[rule(blocks=[tables.PolicyBlock(cidr="no")])])]
        ),
        lambda control: control.address_set_replace(
            [tables.AddressSet(name="web", addresses=["10.244.1.1", "web"])]
        ),
    ],
)
def test_what_makes_no_sense_is_refused_and_changes_nothing(world, change):
    program(world, 1, sets=[("web", ["10.244.1.5"])])
    policies = world.nodes[1].network_policies
    before = policies.generation
    with pytest.raises(ValueError):  # noqa: PT011 - whichever parser finds it.
        change(world.controls[1])
    assert (len(policies), policies.generation) == (0, before)
    assert policies.sets() == {"web": frozenset({int(ip_address("10.244.1.5"))})}


def test_isolated_pods_of_ipv6_still_find_each_other(dual):
    """Neighbour discovery is no traffic that a policy could mean, as ARP is none."""
    a, b = dual.pod(1, 5), dual.pod(1, 6)
    b.tcp_listen(None, 80)
    pods = [(5, "fd00:10:244:1::5"), (6, "fd00:10:244:1::6")]
    allowed = [rule(ports=[port(80)], anyone=True)]
    program(
        dual,
        1,
        *(entry(f"default/pod-{n}", text, ingress=allowed, egress=allowed) for n, text in pods),
    )
    assert opens(dual, a, "fd00:10:244:1::6", 80)
    assert drops(dual, 1) == 0
    assert not dual.ping(a, "fd00:10:244:1::6")
