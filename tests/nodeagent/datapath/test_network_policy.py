"""NetworkPolicies in the packet path: rules against a plain reading, and packets against rules."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodeagent.datapath import listing, network_policy, policy_log, tables
from nodeagent.datapath.conntrack.table import ConntrackTable
from nodeagent.datapath.drops import DropReason
from nodeagent.datapath.network_policy import NetworkPolicies
from nodeagent.datapath.packet import PROTOCOL_SCTP, FlowTuple
from nodeagent.datapath.policy_log import PolicyLog
from nodeagent.datapath.policy_rules import Ruling, Sets

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


def tier(name, *rules_, isolated_by=()):
    return tables.PolicyTier(tier=name, rules=list(rules_), isolated_by=list(isolated_by))


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


@given(
    st.lists(st.tuples(rules, st.sampled_from(["allow", "deny", "pass"])), max_size=5),
    st.none() | st.lists(rules, max_size=2),
    st.lists(st.tuples(rules, st.sampled_from(["allow", "deny"])), max_size=3),
    st.fixed_dictionaries({name: st.sets(addresses) for name in ("web", "db")}),
    addresses,
    st.sampled_from([1, 6, 17, 132]),
    st.integers(78, 86),
)
def test_tiers_decide_what_a_plain_reading_of_them_does(
    admin, middle, baseline, members, other, protocol, number
):
    def fits(each):
        return plainly(each, members, other, protocol, number)

    def plain():
        for each, action in admin:
            if fits(each):
                if action == "pass":
                    break
                return action
        if middle is not None:
            return "allow" if any(map(fits, middle)) else "deny"
        return next((action for each, action in baseline if fits(each)), "allow")

    def acting(pairs):
        return [msgspec.structs.replace(each, action=action) for each, action in pairs]

    tiers = [tier("Admin", *acting(admin)), tier("Baseline", *acting(baseline))]
    if middle is not None:
        tiers.insert(1, tier("NetworkPolicy", *middle, isolated_by=[POLICY]))
    policies = NetworkPolicies()
    policies.replace_sets(
        tables.AddressSet(name=name, addresses=sorted(each)) for name, each in members.items()
    )
    policies.replace([tables.Policy(pod="default/b", addresses=["10.244.9.9"], ingress=tiers)])
    there = int(ip_address("10.244.9.9"))
    judgement = policies.judge(int(ip_address(other)), there, protocol, number)
    assert (judgement.denial is not None) is (plain() == "deny")


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


def test_what_leaves_the_cluster_is_judged_before_it_is_masqueraded(world):
    a, outside = world.pod(1, 5), world.nodes[1].outside
    outside.tcp_listen(None, 80)
    everywhere_else = tables.PolicyBlock(cidr="0.0.0.0/0", excluded=["192.168.64.0/24"])
    program(world, 1, entry("default/a", "10.244.1.5", egress=[rule(blocks=[everywhere_else])]))
    assert not opens(world, a, "192.168.64.254", 80)
    host_only = tables.PolicyBlock(cidr="192.168.64.254/32")
    program(world, 1, entry("default/a", "10.244.1.5", egress=[rule(blocks=[host_only])]))
    assert opens(world, a, "192.168.64.254", 80)
    (connection,) = (
        each for each in world.nodes[1].conntrack if each.original.destination_port == 80
    )
    assert connection.is_source_translated
    assert opens(world, a, "192.168.64.1", 1) is False, "its own node answers: nobody listens"


def test_tiers_are_asked_in_order_and_the_first_rule_decides(world):
    a, b, c = world.pod(1, 5), world.pod(1, 6), world.pod(1, 7)
    c.tcp_listen(None, 80)
    admin = tier(
        "Admin",
        rule(rule="passed", action="pass", sets=["b"]),
        rule(rule="all", action="allow", anyone=True),
    )
    closed = tier("NetworkPolicy", isolated_by=[POLICY])
    entries = tables.Policy(pod="default/c", addresses=["10.244.1.7"], ingress=[admin, closed])
    program(world, 1, entries, sets=[("b", ["10.244.1.6"])])
    assert opens(world, a, "10.244.1.7", 80)
    assert not opens(world, b, "10.244.1.7", 80)
    assert [*world.nodes[1].network_policies.denied] == [f"{POLICY} (ingress)"]
    program(world, 1, sets=[("b", [])])
    assert opens(world, b, "10.244.1.7", 80)


def test_a_set_that_grows_may_forbid_what_is_under_way(world):
    a, b = world.pod(1, 5), world.pod(1, 6)
    listener = b.tcp_listen(None, 80)
    deny = tier("Admin", rule(rule="no", action="deny", sets=["bad"]))
    entries = tables.Policy(pod="default/b", addresses=["10.244.1.6"], ingress=[deny])
    program(world, 1, entries, sets=[("bad", [])])
    connection = world.connect(a, "10.244.1.6", 80)
    server = listener.accept()
    program(world, 1, sets=[("bad", ["10.244.1.5"])])
    connection.write(b"late", world.now)
    world.run(0.5)
    assert server.read(100, world.now) == b""
    assert [*world.nodes[1].network_policies.denied] == [f"{POLICY} rule no (ingress)"]


def test_a_pod_reaches_itself_through_a_service_unless_the_administrator_minds(world):
    a = world.pod(1, 5)
    a.tcp_listen(None, 80)
    world.service("10.96.0.10", 80, [("10.244.1.5", 80)])
    link = tables.Link(
        name="veth1-5", mac="0a:58:0a:f4:01:05", address="10.244.1.5/24", hairpin=True
    )
    world.controls[1].link_replace([link])
    closed = tier("NetworkPolicy", isolated_by=[POLICY])
    sides = {"pod": "default/a", "addresses": ["10.244.1.5"]}
    program(world, 1, tables.Policy(**sides, ingress=[closed], egress=[closed]))
    assert opens(world, a, "10.96.0.10", 80)
    deny = tier("Admin", rule(rule="no", action="deny", anyone=True))
    program(world, 1, tables.Policy(**sides, ingress=[deny, closed]))
    assert not opens(world, a, "10.96.0.10", 80)


def test_the_log_has_denials_and_what_rules_with_log_decide(world):
    a, b = world.pod(1, 5), world.pod(1, 6)
    b.tcp_listen(None, 80)
    rules_ = [
        rule(rule="told", action="pass", log=True, ports=[port(80)], anyone=True),
        rule(rule="no", action="deny", ports=[port(81)], anyone=True),
    ]
    entries = tables.Policy(
        pod="default/b", addresses=["10.244.1.6"], ingress=[tier("Admin", *rules_)]
    )
    program(world, 1, entries)
    assert opens(world, a, "10.244.1.6", 80)
    assert not opens(world, a, "10.244.1.6", 81)
    shown = listing.policy_log(world.nodes[1], world.now, 10**18)
    passed, denied = shown["entries"]
    assert (passed["action"], passed["by"]) == ("pass", f"{POLICY} rule told (ingress)")
    assert (denied["action"], denied["rule"], denied["destination_port"]) == ("deny", "no", 81)
    assert (denied["protocol"], denied["source"]) == ("TCP", "10.244.1.5")
    assert denied["first_at_ns"] <= denied["at_ns"] <= 10**18
    assert shown["forgotten"] == 0


def test_the_log_is_bounded(monkeypatch):
    monkeypatch.setattr(policy_log, "NOTES_MAX", 2)
    log = PolicyLog()
    ruling = Ruling("deny", "ingress", "default/a", "Admin", (POLICY,))
    for number in (1, 2, 1, 3):
        log.note(ruling, FlowTuple(6, 1, number, 2, 80), float(number))
    assert [(note.flow.source_port, note.packets) for note in log.notes()] == [(1, 2), (3, 1)]
    assert log.forgotten == 1


@given(
    st.lists(st.tuples(st.sampled_from("abcde"), st.none() | st.sets(st.integers(1, 4)))),
    st.dictionaries(st.sampled_from("abcdef"), st.integers(0, 9)),
    st.integers(1, 5),
)
def test_sets_know_in_which_of_them_an_address_is(steps, numbers, address):
    sets, plain = Sets(), {}
    for name, members in steps:
        if members is None:
            sets.delete(name)
            plain.pop(name, None)
        else:
            sets.replace(name, frozenset(members))
            plain[name] = frozenset(members)
    assert dict(sets.items()) == plain
    numbers = dict(sorted(numbers.items(), key=lambda item: item[1]))
    named = [n for name, n in numbers.items() if address in plain.get(name, ())]
    assert sets.first(address, numbers, 5) == min([5, *named])


def test_judgements_are_kept_until_tables_change_and_bounded(monkeypatch):
    monkeypatch.setattr(network_policy, "_JUDGED_MAX", 2)
    policies = NetworkPolicies()
    policies.replace([entry("default/b", "10.244.9.9", ingress=[rule(sets=["web"])])])
    there = int(ip_address("10.244.9.9"))
    judge = lambda source: policies.judge(source, there, 6, 80)  # noqa: E731
    assert judge(1) is judge(1)
    assert judge(1).denial is not None
    policies.replace_sets([tables.AddressSet(name="web", addresses=["0.0.0.1"])])
    assert judge(1).denial is None
    for source in range(5):
        judge(source)
    assert len(policies._judged) <= 2


def test_a_port_of_sctp_is_none_of_tcp():
    policies = NetworkPolicies()
    some = [port(9003, protocol="SCTP")]
    policies.replace([entry("default/b", "10.244.9.9", ingress=[rule(ports=some, anyone=True)])])
    there = int(ip_address("10.244.9.9"))
    assert policies.judge(1, there, PROTOCOL_SCTP, 9003).denial is None
    assert policies.judge(1, there, PROTOCOL_SCTP, 9005).denial is not None
    assert policies.judge(1, there, 6, 9003).denial is not None


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


def test_connections_of_isolated_pods_outlive_the_datapaths_memory(world):
    a, b = world.pod(1, 5), world.pod(1, 6)
    listener = b.tcp_listen(None, 80)
    allowed = [rule(blocks=[tables.PolicyBlock(cidr="10.244.1.5/32")], ports=[port(80)])]
    program(world, 1, entry("default/b", "10.244.1.6", ingress=allowed, egress=[]))
    connection = world.connect(a, "10.244.1.6", 80)
    server, node = listener.accept(), world.nodes[1]

    def says(octets):
        node.clear_flows()
        node.conntrack = ConntrackTable()
        server.write(octets, world.now)
        world.run(0.5)
        return connection.read(100, world.now)

    assert says(b"answer") == b"answer"
    program(world, 1, entry("default/b", "10.244.1.6", ingress=[], egress=[]))
    assert says(b"no") == b"", "what nobody may begin is no answer"
    assert not opens(world, b, "10.244.1.5", 80)


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
    assert dict(policies.sets().items()) == {"web": frozenset({int(ip_address("10.244.1.5"))})}


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
