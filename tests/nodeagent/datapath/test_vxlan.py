"""Anything at all may arrive at the VXLAN port."""

from __future__ import annotations

from ipaddress import IPv4Address

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.l2 import Ether
from scapy.layers.vxlan import VXLAN

HEADER = bytes(VXLAN(vni=1))
PARTIAL = b"\x0c" + HEADER[1:]
ETHERNET = bytes(Ether(dst="ee:00:00:00:00:01", src="ee:00:00:00:00:02", type=0x800))
REAL = [
    HEADER + bytes(Ether(dst="ee:00:00:00:00:01") / IP(src="10.244.2.5", dst=to) / layer)
    for to in ("10.244.1.5", "10.244.1.1", "10.244.1.77", "192.168.64.1", "8.8.8.8")
    for layer in (UDP() / b"x", TCP(flags="S"), TCP(flags="A"))
]
anything = st.one_of(
    st.binary(max_size=100),
    st.builds(lambda tail: HEADER + tail, st.binary(max_size=100)),
    st.builds(lambda tail: HEADER + ETHERNET + tail, st.binary(max_size=100)),
    st.builds(lambda real: PARTIAL + real[8:], st.sampled_from(REAL)),
    st.builds(lambda tail: PARTIAL + ETHERNET + tail, st.binary(max_size=100)),
    st.builds(
        lambda real, at, value: real[: at % len(real)] + value + real[at % len(real) + 1 :],
        st.sampled_from(REAL),
        st.integers(0, 200),
        st.binary(max_size=2),
    ),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(st.lists(anything, max_size=5), st.integers(1, 2000))
def test_random_datagrams_are_dropped_or_forwarded_and_nothing_else(world, datagrams, stride):
    if "veth1-5" not in world.stacks:
        world.pod(1, 5)
    node = world.nodes[1]
    octets = bytearray(b"".join(datagrams))
    node.receive_vxlan(IPv4Address("192.168.64.2"), memoryview(octets), stride, world.now)
    node.flush(world.now)
    world.wire.clear()
    world.run(5.0)
    assert world.ping(node.stack, "10.244.1.5")
