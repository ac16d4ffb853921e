"""What was put on the wires, as a capture file: one interface per direction of a wire.

Between nodes the outer frames are shown, as a capture at eth0 shows them; the virtual second 0 is
that of the file's clock.
"""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import BinaryIO, Final

from netdev.framing import Octets
from netdev.pcapng import PcapngWriter
from nodeagent.datapath import outer_frame
from nodeagent.datapath.devices import Eth0
from simulator.kernel import node_address
from simulator.link import BARE, Link, Watch
from simulator.world import EPOCH_S

_VXLAN_PORT: Final = 4789
_BARE_PORT: Final = 8285
_NS_PER_S: Final = 1_000_000_000


def writer(stream: BinaryIO) -> Watch:
    """Return what writes every packet to *stream*."""
    capture = PcapngWriter(stream, application="podwire simulator")

    def watch(link: Link, channel: int, octets: Octets, now: float) -> None:
        frame = bytes(octets)
        if link.name.startswith("node-"):
            frame = _outer(link, channel, frame)
        capture.packet(round((now - EPOCH_S) * _NS_PER_S), link.name, frame, direction="out")

    return watch


def _outer(link: Link, channel: int, payload: bytes) -> bytes:
    source, target = [node_address(int(end.removeprefix("node-"))) for end in _ends(link)]
    port = _BARE_PORT if channel == BARE else _VXLAN_PORT
    eth0 = Eth0(IPv4Address(source), outer_frame.mac_of(source))
    return outer_frame.build(eth0, target, payload, direction="out", port=port)


def _ends(link: Link) -> list[str]:
    return link.name.split(" → ")
