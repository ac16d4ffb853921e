"""The lines of the flow log."""

from __future__ import annotations

import pytest

from podwire.cli.flow_words import Selection, line, of_connection, of_drop
from podwire.cli.packet_words import PacketWords

NAMES = {"10.244.0.2": "default/a", "10.96.0.9": "svc/default/web", "10.244.1.2": "default/b"}
FROM_A = {"source": "10.244.0.2", "source_port": 4000, "destination": "10.96.0.9",
          "destination_port": 80}  # fmt: skip
BACK = {"source": "10.244.1.2", "source_port": 8080, "destination": "10.244.0.2",
        "destination_port": 4000}  # fmt: skip
ROW = {"protocol": "TCP", "state": "SYN_SENT", "original": FROM_A, "reply": BACK,
       "assured": False, "unreplied": True, "timeout_s": 9}  # fmt: skip
NOON_NS = 12 * 3600 * 10**9 + 5_000_000
SYN = PacketWords(source="10.244.0.2", destination="10.244.1.2", protocol="TCP", source_port=1,
                  destination_port=9, what="[SYN]", ttl=63)  # fmt: skip
DROP = "slow path; ct NEW; dropped: network-policy at FORWARD; ingress of b is isolated"


def test_flow_names_its_ends_and_where_its_service_led_it():
    event = {**ROW, "event": "NEW", "at_ns": NOON_NS}
    assert line(of_connection("node-1", event, NAMES)) == (
        "12:00:00.005 node-1  NEW     TCP    default/a:4000 -> svc/default/web:80 => "
        "default/b:8080 SYN_SENT [UNREPLIED]"
    )
    hidden = {**ROW, "unreplied": False, "state": "", "reply": {**BACK, "destination": "10.0.0.1"}}
    assert line(of_connection("node-1", hidden, {})) == (
        "node-1  TRACKED TCP    10.244.0.2:4000 -> 10.96.0.9:80 => 10.244.1.2:8080 [masqueraded]"
    )
    plain = {**FROM_A, "source": "fd00::1", "destination": "fd00::2"}
    back = {**BACK, "source": "fd00::2", "source_port": 80, "destination": "fd00::1"}
    flow = of_connection("node-1", {**ROW, "original": plain, "reply": back}, {})
    assert flow["endpoint"] is None
    assert "[fd00::1]:4000 -> [fd00::2]:80 SYN_SENT" in line(flow)


def test_drop_names_its_reason_its_hook_and_the_policy_that_decided():
    assert line(of_drop("node-2", NOON_NS, SYN, DROP, NAMES)) == (
        "12:00:00.005 node-2  DROPPED TCP    default/a:1 -> default/b:9 [SYN] "
        "network-policy at FORWARD (ingress of b is isolated)"
    )
    flow = of_drop("node-2", 0, SYN, f"{DROP}; answered to pod x", NAMES)
    assert flow["policy"] == "ingress of b is isolated"
    flow = of_drop("n", 0, SYN, "slow path; dropped: ttl-exceeded; answered to pod x", NAMES)
    assert (flow["reason"], flow["hook"], flow["policy"]) == ("ttl-exceeded", "", "")


@pytest.mark.parametrize(
    ("selection", "wanted"),
    [
        (Selection(), (True, True)),
        (Selection(verdicts=("DROPPED",)), (False, True)),
        (Selection(protocol="udp"), (False, False)),
        (Selection(protocol="tcp"), (True, True)),
        (Selection(addresses=frozenset({"10.96.0.9"})), (True, False)),
        (Selection(addresses=frozenset({"10.244.1.2"})), (True, True)),
    ],
)
def test_selection_looks_at_all_three_ends(selection, wanted):
    rows = of_connection("n", ROW, NAMES), of_drop("n", 0, SYN, DROP, NAMES)
    assert tuple(map(selection.wants, rows)) == wanted
